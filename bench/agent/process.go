// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/node/ring"
)

// A process is one that is measured.
type process struct {
	cmd   *exec.Cmd
	pid   int
	ended chan error
}

// build makes the agent where the node sees it.
func (b *bench) build(ctx context.Context) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(b.dir, "inquest-agent"), "github.com/kubeinquest/inquest/cmd/inquest-agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return os.Chmod(b.dir, 0o755)
}

// start runs a command in the node's namespaces. nsenter forks for that of processes: what is measured is its child.
func (b *bench) start(ctx context.Context, argv ...string) (*process, error) {
	enter := []string{"--target", strconv.Itoa(b.enter), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	cmd := exec.Command("nsenter", append(enter, argv...)...)
	if argv[0] != b.rsyslog { // which says a lot when logs go away
		cmd.Stderr = os.Stderr
	}
	p := &process{cmd: cmd, ended: make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- cmd.Wait() }()
	for range 100 {
		wait(ctx, 50*time.Millisecond)
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil {
			break // it has ended
		}
		if p.pid, err = strconv.Atoi(strings.TrimSpace(string(children))); err == nil {
			return p, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s did not start", argv[0]), cmd.Process.Kill())
}

// startAgent runs the agent with all features and a state of its own, beside one that is there. Nobody asks it anything.
func (b *bench) startAgent(ctx context.Context, more ...string) (*process, error) {
	state := filepath.Join(b.dir, "state")
	if err := os.RemoveAll(state); err != nil {
		return nil, err
	}
	argv := append([]string{
		filepath.Join(b.dir, "inquest-agent"), "--node-name=" + filepath.Base(b.dir), "--listen=127.0.0.1:0", "--state-dir=" + state, "--host-root=" + b.dir,
		"--api-server=https://127.0.0.1:1", "--service-account-dir=" + b.dir,
	}, append(more, b.agent...)...)
	return b.start(ctx, argv...)
}

// stop ends a process and waits for it.
func (p *process) stop() error {
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		return err
	}
	return <-p.ended
}

// cpu is the processor time that the process has taken, in seconds; not a number when it has ended.
func (p *process) cpu() float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return math.NaN()
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return math.NaN()
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return math.NaN()
	}
	return float64(user+system) / 100 // USER_HZ
}

// memory is a line of the process's status in MiB: VmRSS or VmHWM.
func (p *process) memory(line string) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return math.NaN()
	}
	_, rest, _ := strings.Cut(string(data), line+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return math.NaN()
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return math.NaN()
	}
	return kb / 1024
}

// gaps are what an agent that has ended says it missed of a feature, by why.
func (b *bench) gaps(feature string) (sum map[string]int64, err error) {
	r, err := ring.Open(ring.Options{Dir: filepath.Join(b.dir, "state", "record"), Node: "bench"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	sum = map[string]int64{}
	for e, err := range r.Read(0) {
		if err != nil {
			return nil, err
		}
		if g := e.Gap; g != nil && g.What == feature {
			sum[g.Why+", "+g.Unit] += g.Count
		}
	}
	return sum, nil
}

// missed prints what an agent that has ended says it missed, and returns the sum of those gaps.
func (b *bench) missed(feature string) (all int64, err error) {
	gaps, err := b.gaps(feature)
	var whys []string
	for why, n := range gaps {
		whys = append(whys, fmt.Sprintf("  told as missed: %d %s", n, why))
		all += n
	}
	slices.Sort(whys)
	for _, why := range whys {
		fmt.Println(why)
	}
	return all, err
}

// startRsyslog lets rsyslog follow files and drop each line, which is the least that it can do.
func (b *bench) startRsyslog(ctx context.Context, files string) (*process, error) {
	work := filepath.Join(b.dir, "rsyslog")
	conf := filepath.Join(work, "rsyslog.conf")
	text := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="inotify")
ruleset(name="drop") { stop }
input(type="imfile" file=%q tag="bench" ruleset="drop")
action(type="omfile" file="/dev/null")
`, work, files)
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o755), os.WriteFile(conf, []byte(text), 0o644)); err != nil {
		return nil, err
	}
	return b.start(ctx, b.rsyslog, "-n", "-f", conf, "-i", filepath.Join(work, "pid"), "-M", b.modules)
}
