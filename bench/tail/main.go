// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Tail measures how the node agent follows logs: what a node of 110 containers costs it at rest, at 10 MB/s beside
// rsyslog's imfile on the same files, and above its rate; and whether a record is lost or given twice when a log of
// 50 MB/s is rotated by 10 MiB as the kubelet does it, truncated, copied and deleted.
//
//	go run ./bench/tail -rsyslog /usr/sbin/rsyslogd
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/node/tail"
)

type bench struct {
	containers int
	seconds    int
	rsyslog    string
	modules    string
	only       string
	reader     string
	dir        string
}

func main() {
	b := bench{}
	flag.IntVar(&b.containers, "containers", 110, "how many of them log")
	flag.IntVar(&b.seconds, "seconds", 20, "how long each is measured")
	flag.StringVar(&b.rsyslog, "rsyslog", "", "rsyslogd to compare with; empty: none")
	flag.StringVar(&b.modules, "modules", "/usr/lib/x86_64-linux-gnu/rsyslog", "its modules")
	flag.StringVar(&b.only, "only", "", "idle, load, flood or torture")
	flag.StringVar(&b.dir, "dir", os.TempDir(), "where the logs are written")
	flag.StringVar(&b.reader, "reader", "", "be the reader of that directory (used by the program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	if b.reader != "" {
		return read(ctx, b.reader)
	}
	dir, err := os.MkdirTemp(b.dir, "inquest-bench")
	if err != nil {
		return err
	}
	b.dir = dir
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"torture", b.torture}, {"idle", b.idle}, {"load", b.load}, {"flood", b.flood}} {
		if b.only == "" || b.only == part.name {
			err = errors.Join(err, part.run(ctx))
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// read follows the logs until it is told to end, and prints what it counted.
func read(ctx context.Context, dir string) error {
	r, err := tail.New(tail.Options{Root: filepath.Join(dir, "pods"), Spool: filepath.Join(dir, "spool"), Owner: os.Getuid(), All: true})
	if err != nil {
		return err
	}
	err = r.Run(ctx)
	s := r.Stats()
	fmt.Printf("  counted: %.1f MB in %d lines, shed %.1f MB, lost %d files\n", float64(s.Bytes)/1e6, s.Lines, float64(s.Shed)/1e6, s.LostFiles)
	return err
}

// A process is one that is measured.
type process struct {
	cmd   *exec.Cmd
	ended chan error
}

func start(cmd *exec.Cmd) (*process, error) {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	p := &process{cmd, make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- cmd.Wait() }()
	return p, nil
}

func (b *bench) startReader(dir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(exec.Command(self, "-reader", dir))
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-p.ended
}

// cpu is the processor time that the process has taken, in seconds.
func (p *process) cpu() float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0
	}
	return float64(user+system) / 100 // USER_HZ
}

// memory is a line of the process's status in MiB: VmRSS or VmHWM.
func (p *process) memory(line string) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), line+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kb / 1024
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
