// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

const (
	killedIncidents = 12
	killRounds      = 8
)

// beTeller tells what is in a history until it is killed. Its clock is ahead by as much as the lease of what an earlier
// one had taken.
func beTeller(args []string) {
	ahead, err := time.ParseDuration(args[3])
	check(err)
	now := func() time.Time { return time.Now().Add(ahead) }
	c := &Config{Targets: []Target{{Name: "hook", Kind: kindWebhook, URL: args[1], KeyFile: args[2], Private: true}}}
	check(c.Check())
	s, err := history.Open(context.Background(), args[0], history.Options{Targets: c.Names(), Now: now})
	check(err)
	t := &Teller{Store: s, Cluster: cluster, Config: c, Meter: NewMeter("v0", "none"), Log: slog.New(slog.DiscardHandler), Now: now}
	check(t.Run(context.Background()))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestKilled kills the program with SIGKILL after the receiver took a message and before it is acknowledged: each
// message comes, none under two keys, and at most once more than it was cut off.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	db, key := filepath.Join(dir, "history.db"), filepath.Join(dir, "key")
	must(t, os.WriteFile(key, []byte("key"), 0o600))
	fill(t, db)

	var mu sync.Mutex
	came, cut := map[string]int{}, map[string]int{}
	var kill func(n int) bool // tells whether the program was killed at its n-th message
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		n++
		id := r.Header.Get("Idempotency-Key")
		came[id]++
		if kill(n) {
			cut[id]++
			panic(http.ErrAbortHandler) // no answer
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	for round := range killRounds {
		last := round == killRounds-1
		cmd := exec.CommandContext(t.Context(), os.Args[0], asTeller, db, server.URL, key, (time.Duration(round+1) * 2 * lease).String())
		done := make(chan struct{})
		mu.Lock()
		n = 0
		kill = func(n int) bool {
			if !last && n == 1+round%3 || last && len(came) == killedIncidents && allTold(came, cut) {
				select {
				case <-done:
				default:
					close(done)
					_ = cmd.Process.Kill()
				}
				return !last
			}
			return false
		}
		must(t, cmd.Start())
		mu.Unlock()
		select {
		case <-done:
		case <-t.Context().Done():
			t.Fatal("the program did not tell")
		}
		_ = cmd.Wait()
	}
	want(t, "messages", len(came), killedIncidents)
	for id, times := range came {
		if times > cut[id]+1 {
			t.Errorf("%s was told %d times, cut off %d times", id, times, cut[id])
		}
	}
	if len(cut) == 0 {
		t.Error("nothing was cut off")
	}
}

// allTold tells whether each message was taken to its end once.
func allTold(came, cut map[string]int) bool {
	for id, times := range came {
		if times <= cut[id] {
			return false
		}
	}
	return true
}

func fill(t *testing.T, db string) {
	t.Helper()
	s, err := history.Open(t.Context(), db, history.Options{Targets: []string{"hook"}})
	must(t, err)
	for i := range killedIncidents {
		name := fmt.Sprintf("web%d", i)
		must(t, s.Record(t.Context(), history.Death{
			Cluster: cluster, PodUID: name, Of: evidence.RefTo("Pod", "shop", name).InContainer("app").InAttempt(0), Finished: time.Now(),
			Verdict: &history.Verdict{Rule: "MEM001", Confidence: "certain", Message: "it died", Thing: evidence.RefTo("Deployment", "shop", name), Settled: true},
		}))
	}
	must(t, s.Close())
}
