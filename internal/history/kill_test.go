// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// killed names the history that this process writes to until it is killed.
const killed = "INQUEST_TEST_KILLED"

// kills is how often; each finds the history as the last one left it.
var kills = flag.Int("kills", usualKills, "how often TestKilled kills")

// A ledger is what the writers that were killed said before.
type ledger struct {
	wrote     map[string]bool
	told      map[string]bool // notices that were acknowledged
	delivered map[string]int  // notices that reached their target, by key
	slowest   time.Duration   // from the call of Open to its return
}

// TestKilled kills a writer with SIGKILL at random moments: whatever it said it wrote is there afterwards, nothing that
// was acknowledged is told again, each incident is told or waits to be, and the history is whole.
func TestKilled(t *testing.T) {
	if url := os.Getenv(killed); url != "" {
		writeUntilKilled(t, url)
		return
	}
	for name, backend := range backends() {
		if name == "memory" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			url := backend(t)
			l := &ledger{wrote: map[string]bool{}, told: map[string]bool{}, delivered: map[string]int{}}
			for round := range *kills {
				l.killOne(t, url, round)
			}
			s, err := Open(t.Context(), url, Options{Targets: []string{"t"}, Now: func() time.Time { return noon.Add(24 * 365 * time.Hour) }})
			must(t, err)
			defer func() { must(t, s.Close()) }()
			must(t, s.Check(t.Context()))
			l.check(t, s)
		})
	}
}

// written returns the writes that are there, and checks that each has its evidence.
func written(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for f := (Filter{Limit: mostLimit}); ; {
		page, err := s.Deaths(t.Context(), f)
		must(t, err)
		for _, d := range page.Items {
			all[d.Of.Name] = true
			files, err := s.Bundle(t.Context(), d.ID, nil)
			must(t, err)
			want(t, "evidence of "+d.Of.Name, string(files["own"]), d.Of.Name)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return all
		}
	}
}

func (l *ledger) check(t *testing.T, s *Store) {
	t.Helper()
	inStore := written(t, s)
	waiting := map[string]bool{}
	again, err := s.Take(t.Context(), "", "", 1<<20, time.Hour)
	must(t, err)
	for _, n := range again {
		waiting[n.Key] = true
		if l.told[n.Key] {
			t.Errorf("would be told again: %s", n.Key)
		}
	}
	for name := range l.wrote {
		if !inStore[name] {
			t.Errorf("lost: %s", name)
		}
	}
	for f := (Filter{Limit: mostLimit}); ; {
		page, err := s.Incidents(t.Context(), f)
		must(t, err)
		for _, in := range page.Items {
			if key := in.ID + "/0/open"; !l.told[key] && !waiting[key] && l.delivered[key] == 0 {
				t.Errorf("nobody is told of %s", key)
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	twice := 0
	for _, n := range l.delivered {
		if n > 1 {
			twice++
		}
	}
	if len(l.wrote) < *kills || len(l.told) == 0 {
		t.Errorf("only %d writes and %d notices were acknowledged in %d rounds", len(l.wrote), len(l.told), *kills)
	}
	t.Logf("%d kills: %d writes and %d notices acknowledged; %d notices delivered twice; slowest start %v",
		*kills, len(l.wrote), len(l.told), twice, l.slowest.Round(time.Millisecond))
}

// killOne notes what a writer says, and kills it: after so many words, or after some time, which may be while it starts.
func (l *ledger) killOne(t *testing.T, url string, round int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killed+"="+url, fmt.Sprintf("INQUEST_TEST_ROUND=%d", round))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill := func() { _ = cmd.Process.Kill() } // it may have been killed before
	last := rand.IntN(40)
	if round%2 == 1 {
		last = -1
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(400*time.Millisecond))), kill)
		defer timer.Stop()
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		l.note(t, lines.Text())
		if n == last {
			kill()
		}
	}
	_ = cmd.Wait()
}

// note takes down what a writer says. A line that the kill cut short was never said.
func (l *ledger) note(t *testing.T, line string) {
	t.Helper()
	line, whole := strings.CutSuffix(line, ".")
	word, what, _ := strings.Cut(line, " ")
	switch {
	case !whole:
	case word == "ready":
		start, err := time.ParseDuration(what)
		must(t, err)
		l.slowest = max(l.slowest, start)
	case word == "wrote":
		l.wrote[what] = true
	case word == "deliver":
		if l.told[what] {
			t.Errorf("told again: %s", what)
		}
		l.delivered[what]++
	case word == "told":
		l.told[what] = true
	default:
		t.Error(line)
	}
}

// writeUntilKilled writes from several goroutines, and says what was committed.
func writeUntilKilled(t *testing.T, url string) {
	began := time.Now()
	s, err := Open(t.Context(), url, Options{Targets: []string{"t"}, Hold: time.Nanosecond})
	must(t, err)
	fmt.Printf("ready %v.\n", time.Since(began))
	round := os.Getenv("INQUEST_TEST_ROUND")
	for w := range 3 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%s-w%d-%d", round, w, i)
				d := death(name, 0, i)
				d.Workload.Name, d.Verdict.Thing.Name = name, name
				d.Verdict.Settled = false
				d.Verdict.Bundle = map[string][]byte{"own": []byte(name), "shared": []byte(strings.Repeat("node ", 1000))}
				if s.Record(t.Context(), d) == nil {
					fmt.Printf("wrote %s.\n", name)
				}
				d.Verdict.Settled = true
				_ = s.Record(t.Context(), d)
			}
		}()
	}
	for {
		notices, err := s.Take(t.Context(), "", "", 5, time.Minute)
		must(t, err)
		for _, n := range notices {
			fmt.Printf("deliver %s.\n", n.Key)
			must(t, s.Told(t.Context(), n))
			fmt.Printf("told %s.\n", n.Key)
		}
	}
}
