// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Agent measures what the whole node agent costs, against its bars, on a node that runs: at rest; beside 110 containers that
// log 10 MB/s together, with rsyslog's imfile on the same files; above the rate that it reads at; in a flood of the kernel's
// log. And it counts records that are lost or given twice when a log of 50 MB/s is rotated by 10 MiB as the kubelet does
// it, truncated, copied and deleted. It needs root, and what it makes it removes: pods in a namespace of their own, a folder,
// and what printk_devkmsg was.
//
//	go run ./bench/agent -kubectl kubectl -node n2 -enter PID -rsyslog /usr/sbin/rsyslogd -- --proc=/run/host-proc
//
// PID is a process in the node's namespaces, 1 for the machine itself; what stands behind is for the agent. Without kubectl the
// logs are written by this program. Only figures of processor time are compared: they are right on a machine that has other
// work, if too high.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

type bench struct {
	containers       int
	seconds          int
	rsyslog, modules string
	only             string
	dir              string
	enter            int
	node             string
	kubectl, image   string
	agent            []string // more of its flags
	broken           []string // bars
}

func main() {
	b := bench{}
	flag.IntVar(&b.containers, "containers", 110, "how many of them log")
	flag.IntVar(&b.seconds, "seconds", 30, "how long each is measured")
	flag.StringVar(&b.rsyslog, "rsyslog", "", "rsyslogd to compare with, as the node sees it; empty: none")
	flag.StringVar(&b.modules, "modules", "/usr/lib/x86_64-linux-gnu/rsyslog", "its modules")
	flag.StringVar(&b.only, "only", "", "some of idle,load,flood,kernel,syslog,torture; empty: all")
	flag.StringVar(&b.dir, "dir", "/var/tmp", "where a folder is made; the node must see it by the same name, and not through an overlay")
	flag.IntVar(&b.enter, "enter", 1, "a process in the node's namespaces")
	flag.StringVar(&b.node, "node", "", "name of the node, for pods that log")
	flag.StringVar(&b.kubectl, "kubectl", "", "kubectl, to have pods log; empty: this program writes logs")
	flag.StringVar(&b.image, "image", "lab.local/app:v1", "an image with /bin/sh that the node has")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.agent = flag.Args()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if os.Getuid() != 0 {
		return errors.New("root is needed: to enter a node, to read what its containers log, and to write to its kernel's log")
	}
	if b.dir, err = os.MkdirTemp(b.dir, "inquest-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.shared(); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"torture", b.torture}, {"idle", b.idle}, {"load", b.load}, {"flood", b.flood}, {"kernel", b.kernel}, {"syslog", b.syslog}} {
		if ctx.Err() == nil && (b.only == "" || strings.Contains(","+b.only+",", ","+part.name+",")) {
			if failed := part.run(ctx); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", part.name, failed))
			}
		}
	}
	if len(b.broken) > 0 {
		err = errors.Join(err, fmt.Errorf("bars missed: %s", strings.Join(b.broken, "; ")))
	}
	return err
}

// shared fails where the node has a folder of its own in the place of ours, or an overlay over it: an agent in it sees nothing of
// what is written here, and all that it does not do would count as cheap.
func (b *bench) shared() error {
	here, err := os.Stat(b.dir)
	if err != nil {
		return err
	}
	there, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", b.enter, b.dir))
	if err == nil && os.SameFile(here, there) {
		return nil
	}
	return fmt.Errorf("the node has not %s as it is here: give -dir a folder that both see, such as one in /root", b.dir)
}

// bar prints a figure beside what it may be.
func (b *bench) bar(what string, is, most float64, unit string) {
	verdict := "held"
	if math.IsNaN(is) || is > most {
		verdict = "MISSED"
		b.broken = append(b.broken, what)
	}
	fmt.Printf("  %-44s %9.3f %s, at most %g: %s\n", what, is, unit, most, verdict)
}

// atLeast is a bar from below.
func (b *bench) atLeast(what string, is, least int64) {
	verdict := "held"
	if is < least {
		verdict = "MISSED"
		b.broken = append(b.broken, what)
	}
	fmt.Printf("  %-44s %9d, at least %d: %s\n", what, is, least, verdict)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
