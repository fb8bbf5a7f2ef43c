// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	settleTime = 25 * time.Second // by then the agent has given back what its start took
	floodRate  = 100e6
	loadRate   = 10e6
)

// idle measures an agent on a node where nothing happens but what happens there anyway.
func (b *bench) idle(ctx context.Context) error {
	if b.kubectl != "" {
		if err := b.podsUp(ctx, 10, 1, "exec sleep 100000"); err != nil {
			return err
		}
		defer b.podsDown()
	}
	for _, of := range []struct{ name, kmsg string }{{"by /dev/kmsg", "/dev/kmsg"}, {"by syslog(2)", "/none"}} {
		p, err := b.startAgent(ctx, "--kmsg="+of.kmsg)
		if err != nil {
			return err
		}
		wait(ctx, settleTime)
		before := p.cpu()
		wait(ctx, 2*time.Duration(b.seconds)*time.Second) // it is in hundredths of a second
		fmt.Printf("idle, the kernel's log %s:\n", of.name)
		b.bar("processor, idle, "+of.name, (p.cpu()-before)/float64(2*b.seconds)*100, 0.2, "% of a core")
		b.bar("memory, idle, "+of.name, p.memory("VmRSS"), 20, "MiB")
		if err := p.stop(); err != nil {
			return err
		}
	}
	return nil
}

// A flow is logs that are written while somebody reads them.
type flow struct {
	name       string
	root, glob string                                              // of the logs, as the node sees them
	begin      func(context.Context) error                         // makes them, when everybody reads
	write      func(context.Context, time.Duration) (int64, error) // for a while, and says how many bytes that were
}

// fileFlow is logs that this program writes.
func (b *bench) fileFlow(name string, rate int64) flow {
	var logs []*log
	root := filepath.Join(b.dir, "pods")
	return flow{
		name, root, root + "/*/*/*.log",
		func(context.Context) (err error) {
			logs, err = newLogs(root, b.containers)
			return err
		},
		func(ctx context.Context, d time.Duration) (int64, error) { return writeAll(ctx, logs, rate, d) },
	}
}

// podFlow is logs of pods.
func (b *bench) podFlow() flow {
	pods := (b.containers + 9) / 10
	return flow{
		"load", "/var/log/pods", "/var/log/pods/" + namespace + "_*/*/*.log",
		func(ctx context.Context) error { return b.podsUp(ctx, pods, 10, spell(loadRate/float64(10*pods))) },
		func(ctx context.Context, d time.Duration) (int64, error) {
			before := b.logged()
			wait(ctx, d)
			return b.logged() - before, nil
		},
	}
}

// load measures 10 MB/s, with rsyslog on the same files at the same time.
func (b *bench) load(ctx context.Context) error {
	f := b.fileFlow("load", loadRate)
	if b.kubectl != "" {
		f = b.podFlow()
		defer b.podsDown()
	}
	cores, err := b.measure(ctx, f, b.rsyslog != "")
	if err == nil {
		b.bar("processor, load", cores, 0.1, "of a core")
	}
	return err
}

// flood measures 100 MB/s, which is more than may be read.
func (b *bench) flood(ctx context.Context) error {
	cores, err := b.measure(ctx, b.fileFlow("flood", floodRate), false)
	if err != nil {
		return err
	}
	fmt.Printf("  processor, flood: %.3f of a core\n", cores)
	shed, err := b.shed()
	b.atLeast("bytes shed, as counted with each log", shed, 1)
	return err
}

// shed is what an agent that has ended counted as not read, of all runs.
func (b *bench) shed() (sum int64, err error) {
	data, err := os.ReadFile(filepath.Join(b.dir, "state", "logs", "state.json"))
	if err != nil {
		return 0, err
	}
	var runs []struct{ Shed int64 }
	err = json.Unmarshal(data, &runs)
	for _, r := range runs {
		sum += r.Shed
	}
	return sum, err
}

// measure runs the agent, and rsyslog, beside a flow, and returns how much of a core the agent took.
func (b *bench) measure(ctx context.Context, f flow, compare bool) (cores float64, err error) {
	dir := filepath.Join(b.dir, "pods")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := b.startAgent(ctx, "--pod-logs="+f.root)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	var other *process
	if compare {
		if other, err = b.startRsyslog(ctx, f.glob); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, other.stop()) }()
	}
	wait(ctx, 5*time.Second)
	if err := f.begin(ctx); err != nil {
		return 0, err
	}
	wait(ctx, settleTime)
	otherCPU := 0.0
	if compare {
		otherCPU = other.cpu()
	}
	cpu, began := p.cpu(), time.Now()
	written, err := f.write(ctx, time.Duration(b.seconds)*time.Second)
	took, gb := time.Since(began).Seconds(), float64(written)/1e9
	cpu = p.cpu() - cpu
	fmt.Printf("%s, %d containers at %.1f MB/s: %.2f CPU s/GB\n", f.name, b.containers, gb*1e3/took, cpu/gb)
	b.bar("memory, "+f.name, p.memory("VmHWM"), 64, "MiB")
	if compare {
		otherCPU = other.cpu() - otherCPU
		fmt.Printf("  rsyslog: %.2f CPU s/GB, at most %.1f MiB\n", otherCPU/gb, other.memory("VmHWM"))
		b.bar("processor of the agent beside rsyslog's", cpu/otherCPU, 1, "of it")
	}
	return cpu / took, err
}
