// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package kernel

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// TestMain is the test, or the process that is killed for want of memory: it waits for a line, then takes what it gets.
func TestMain(m *testing.M) {
	if os.Getenv("INQUEST_EATS") == "" {
		os.Exit(m.Run())
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		os.Exit(1)
	}
	var all [][]byte
	for len(all) < 1<<12 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	fmt.Println(len(all))
}

// runOutOfMemory makes a control group of 16 MiB and a process that dies in it; it returns the pid.
func runOutOfMemory(t *testing.T, group string) int {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup/memory", group)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for d := group; d != "." && d != "/"; d = filepath.Dir(d) {
			if err := os.Remove(filepath.Join("/sys/fs/cgroup/memory", d)); err != nil {
				t.Error(err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), []byte("16777216"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "INQUEST_EATS=1")
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, c.Process.Pid), 0o600)
	}
	if err == nil {
		_, err = in.Write([]byte("\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended otherwise: %v", c.ProcessState)
	}
	return c.Process.Pid
}

// TestRealKernel reads the log of this machine's kernel in both ways while a process is killed for want of memory.
func TestRealKernel(t *testing.T) {
	for name, open := range map[string]func(*Reader) (source, error){
		"kmsg":   func(r *Reader) (source, error) { return openKmsg(r, "/dev/kmsg") },
		"syslog": func(r *Reader) (source, error) { return openRing(r, klogctl, openBell("/proc/kmsg")) },
	} {
		t.Run(name, func(t *testing.T) {
			group := "inquest-e2e-" + name + "/kubepods/poduid-1/abc"
			run := evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(2)
			entries := make(chan record.Entry, 100_000)
			r, err := New(Options{
				Node: "n1", Tell: func(e record.Entry) { entries <- e },
				Place: func(g string) (evidence.Ref, string, bool) { return run, "uid-1", g == "/"+group },
			})
			if err != nil {
				t.Fatal(err)
			}
			r.begin("this", bootClock())
			s, err := open(r)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { _ = r.follow(ctx, s) }()
			before := time.Now()
			pid := runOutOfMemory(t, group)
			after := time.Now()
			e := killOf(t, entries, pid)
			if e.PodUID != "uid-1" || e.Fact.About != run || !strings.Contains(e.Fact.Text, "task_memcg=/"+group+" ") {
				t.Errorf("told %+v %+v", e, *e.Fact)
			}
			t.Logf("%s: %s; told %s after its time", e.Fact.At, e.Fact.Text, time.Since(e.Fact.At))
			if e.Fact.At.Before(before.Add(-time.Second)) || e.Fact.At.After(after.Add(time.Second)) {
				t.Errorf("it is said to be of %s, and was between %s and %s", e.Fact.At, before, after)
			}
		})
	}
}

// killOf waits for the fact of a kill.
func killOf(t *testing.T, entries <-chan record.Entry, pid int) record.Entry {
	t.Helper()
	for {
		select {
		case e := <-entries:
			if e.Fact != nil && e.Fact.Name == "oom-kill" && strings.Contains(e.Fact.Text, fmt.Sprintf(" pid=%d ", pid)) {
				return e
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the kill is not told")
		}
	}
}
