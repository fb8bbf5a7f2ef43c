// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
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
const kills = 50

// TestKilled kills a writer with SIGKILL at random moments: whatever it said it wrote is there afterwards, nothing that
// was acknowledged is told again, and the history is whole.
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
			acknowledged := map[string]bool{}
			for round := range kills {
				writeAndKill(t, url, round, rand.IntN(40), acknowledged)
			}
			s, err := Open(t.Context(), url, Options{Targets: []string{"t"}, Now: func() time.Time { return noon.Add(24 * 365 * time.Hour) }})
			must(t, err)
			defer func() { must(t, s.Close()) }()
			must(t, s.Check(t.Context()))
			inStore := written(t, s)
			checkAcknowledged(t, s, acknowledged, inStore)
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
			all["wrote "+d.Of.Name] = true
			files, err := s.Bundle(t.Context(), d.ID, nil)
			must(t, err)
			want(t, "evidence of "+d.Of.Name, string(files["own"]), d.Of.Name)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return all
		}
	}
}

func checkAcknowledged(t *testing.T, s *Store, acknowledged, inStore map[string]bool) {
	t.Helper()
	again, err := s.Take(t.Context(), "", "", 1<<20, time.Hour)
	must(t, err)
	told := map[string]bool{}
	for _, n := range again {
		told["told "+n.Key] = true
	}
	writes := 0
	for line := range acknowledged {
		switch {
		case strings.HasPrefix(line, "wrote ") && !inStore[line]:
			t.Errorf("lost: %s", line)
		case told[line]:
			t.Errorf("told again: %s", line)
		case inStore[line]:
			writes++
		}
	}
	if writes < kills {
		t.Errorf("only %d writes were acknowledged in %d rounds", writes, kills)
	}
}

// writeAndKill notes what the writer says, and kills it after so many words.
func writeAndKill(t *testing.T, url string, round, words int, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killed+"="+url, fmt.Sprintf("INQUEST_TEST_ROUND=%d", round))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if line := lines.Text(); strings.HasPrefix(line, "wrote ") || strings.HasPrefix(line, "told ") {
			acknowledged[line] = true
		} else if line != "ready" {
			t.Errorf("round %d: %s", round, line)
		}
		if n == words {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait()
}

// writeUntilKilled writes from several goroutines, and says what was committed.
func writeUntilKilled(t *testing.T, url string) {
	s, err := Open(t.Context(), url, Options{Targets: []string{"t"}, Hold: time.Nanosecond})
	must(t, err)
	fmt.Println("ready")
	round := os.Getenv("INQUEST_TEST_ROUND")
	for w := range 3 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%s-w%d-%d", round, w, i)
				d := death(name, 0, i)
				d.Workload.Name, d.Verdict.Thing.Name = name, name
				d.Verdict.Settled = false
				d.Verdict.Bundle = map[string][]byte{"own": []byte(name), "shared": []byte(strings.Repeat("node ", 100))}
				if s.Record(t.Context(), d) == nil {
					fmt.Println("wrote " + name)
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
			must(t, s.Told(t.Context(), n))
			fmt.Println("told " + n.Key)
		}
	}
}
