// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

const (
	kernelRate    = 100_000 // lines in a second
	kernelTime    = 20 * time.Second
	kernelWriters = 8
	devkmsg       = "/proc/sys/kernel/printk_devkmsg"
)

// kernel floods the kernel's log while the agent reads its device.
func (b *bench) kernel(ctx context.Context) error {
	return b.kernelFlood(ctx, "by /dev/kmsg", "/dev/kmsg")
}

// syslog floods it while the agent may not open the device.
func (b *bench) syslog(ctx context.Context) error { return b.kernelFlood(ctx, "by syslog(2)", "/none") }

func (b *bench) kernelFlood(ctx context.Context, name, kmsg string) (err error) {
	was, err := os.ReadFile(devkmsg)
	if err != nil {
		return err
	}
	if err := os.WriteFile(devkmsg, []byte("on\n"), 0); err != nil {
		return fmt.Errorf("let the kernel take lines at any rate: %w", err)
	}
	defer func() { err = errors.Join(err, os.WriteFile(devkmsg, was, 0)) }()
	p, err := b.startAgent(ctx, "--kmsg="+kmsg)
	if err != nil {
		return err
	}
	wait(ctx, settleTime)
	cpu, before := p.cpu(), p.memory("VmRSS")
	written, took, err := writeKernel(ctx)
	cpu = p.cpu() - cpu
	fmt.Printf("kernel's log %s at %.0f lines/s for %.0f s: %.3f of a core\n", name, float64(written)/took.Seconds(), took.Seconds(), cpu/took.Seconds())
	b.bar("memory, kernel's log "+name, p.memory("VmHWM"), 64, "MiB")
	fmt.Printf("  memory before %.1f MiB, after %.1f MiB\n", before, p.memory("VmRSS"))
	wait(ctx, 3*time.Second)
	if err := errors.Join(err, p.stop()); err != nil {
		return err
	}
	_, err = b.missed("kernel")
	return err
}

// writeKernel writes to the kernel's log, by several at a time, as one alone is too slow where others have work.
func writeKernel(ctx context.Context) (n int, took time.Duration, err error) {
	var lines atomic.Int64
	began, ended := time.Now(), make(chan error, kernelWriters)
	for range kernelWriters {
		go func() { ended <- writeSome(ctx, began, &lines) }()
	}
	for range kernelWriters {
		err = errors.Join(err, <-ended)
	}
	return int(lines.Load()), time.Since(began), err
}

// writeSome is one writer, below what any console shows.
func writeSome(ctx context.Context, began time.Time, all *atomic.Int64) error {
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for time.Since(began) < kernelTime && ctx.Err() == nil {
		for range kernelRate / 100 / kernelWriters {
			if _, err := fmt.Fprintf(f, "<7>inquest-bench: line %d of a flood of the kernel's log\n", all.Add(1)); err != nil {
				return err
			}
		}
		wait(ctx, time.Until(began.Add(time.Duration(all.Load())*time.Second/kernelRate)))
	}
	return nil
}
