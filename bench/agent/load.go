// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
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

// A writer makes containers log for a while, and says how many bytes of logs that made.
type writer func(ctx context.Context, d time.Duration) (int64, error)

// load measures 10 MB/s, with rsyslog on the same files at the same time.
func (b *bench) load(ctx context.Context) error {
	if b.kubectl == "" {
		dir := filepath.Join(b.dir, "pods")
		logs, err := newLogs(b.dir, b.containers)
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return b.measure(ctx, "load", dir, dir+"/*/*/*.log", func(ctx context.Context, d time.Duration) (int64, error) {
			return writeAll(ctx, logs, loadRate, d)
		})
	}
	if err := b.podsUp(ctx, (b.containers+9)/10, 10, spell(loadRate/float64((b.containers+9)/10*10))); err != nil {
		return err
	}
	defer b.podsDown()
	before := b.logged()
	return b.measure(ctx, "load", "/var/log/pods", "/var/log/pods/"+namespace+"_*/*/*.log", func(ctx context.Context, d time.Duration) (int64, error) {
		before = b.logged()
		wait(ctx, d)
		return b.logged() - before, nil
	})
}

// measure runs the agent beside a writer.
func (b *bench) measure(ctx context.Context, name, pods, files string, write writer) error {
	p, err := b.startAgent(ctx, "--pod-logs="+pods)
	if err != nil {
		return err
	}
	var other *process
	if b.rsyslog != "" && files != "" {
		if other, err = b.startRsyslog(ctx, files); err != nil {
			return errors.Join(err, p.stop())
		}
	}
	wait(ctx, settleTime/2)
	cpu, otherCPU := p.cpu(), 0.0
	if other != nil {
		otherCPU = other.cpu()
	}
	began := time.Now()
	written, err := write(ctx, time.Duration(b.seconds)*time.Second)
	took, gb := time.Since(began).Seconds(), float64(written)/1e9
	cpu = p.cpu() - cpu
	fmt.Printf("%s, %d containers at %.1f MB/s: %.2f CPU s/GB\n", name, b.containers, gb*1e3/took, cpu/gb)
	if name == "load" {
		b.bar("processor, "+name, cpu/took, 0.1, "of a core")
	} else {
		fmt.Printf("  processor, %s: %.3f of a core\n", name, cpu/took)
	}
	b.bar("memory, "+name, p.memory("VmHWM"), 64, "MiB")
	if other != nil {
		otherCPU = other.cpu() - otherCPU
		fmt.Printf("  rsyslog: %.2f CPU s/GB, at most %.1f MiB\n", otherCPU/gb, other.memory("VmHWM"))
		b.bar("processor of the agent beside rsyslog's", cpu/otherCPU, 1, "of it")
		err = errors.Join(err, other.stop())
	}
	return errors.Join(err, p.stop())
}

// flood measures 100 MB/s, which is more than may be read.
func (b *bench) flood(ctx context.Context) error {
	dir := filepath.Join(b.dir, "pods")
	logs, err := newLogs(b.dir, b.containers)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.measure(ctx, "flood", dir, "", func(ctx context.Context, d time.Duration) (int64, error) {
		return writeAll(ctx, logs, floodRate, d)
	}); err != nil {
		return err
	}
	missed, err := b.missed("logs")
	b.atLeast("bytes and files told as missed", missed, 1)
	return err
}
