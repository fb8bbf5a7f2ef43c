// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A log is the log of one container that is written to and rotated.
type log struct {
	path string
	f    *os.File
	size int64
	old  []string
	turn int
}

func newLog(dir string, i int) (*log, error) {
	dir = filepath.Join(dir, "pods", fmt.Sprintf("bench_pod-%d_uid-%d", i, i), "app")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l := &log{path: filepath.Join(dir, "0.log")}
	return l, l.open()
}

func (l *log) open() (err error) {
	if l.f != nil {
		err = l.f.Close()
	}
	f, err1 := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	l.f, l.size = f, 0
	return errors.Join(err, err1)
}

// rename rotates as the kubelet does, with at most five files.
func (l *log) rename() error {
	var err error
	if len(l.old) > 3 {
		err = os.Remove(l.old[0])
		l.old = l.old[1:]
	}
	l.turn++
	to := l.path + "." + time.Date(2026, 1, 1, 0, 0, l.turn, 0, time.UTC).Format("20060102-150405")
	l.old = append(l.old, to)
	return errors.Join(err, os.Rename(l.path, to), l.open())
}

const rotateAt = 10 << 20

func (l *log) write(data []byte) error {
	n, err := l.f.Write(data)
	if l.size += int64(n); l.size >= rotateAt {
		err = errors.Join(err, l.rename())
	}
	return err
}

func (b *bench) logs(dir string) ([]*log, error) {
	var all []*log
	for i := range b.containers {
		l, err := newLog(dir, i)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// writeAll writes so many bytes a second to all logs together, ten times a second to each, and returns how much it was.
func writeAll(ctx context.Context, logs []*log, rate int64, d time.Duration) (int64, error) {
	line := []byte("2026-01-02T03:04:05.123456789Z stdout F level=info msg=\"request handled\" path=/api/v1/things status=200 duration=1.234ms\n")
	each := bytes.Repeat(line, max(1, int(rate)/10/len(logs)/len(line)))
	var written int64
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for time.Since(began) < d && ctx.Err() == nil {
		for _, l := range logs {
			if err := l.write(each); err != nil {
				return written, err
			}
			written += int64(len(each))
		}
		if time.Since(began).Seconds()*float64(rate) < float64(written) {
			<-tick.C
		}
	}
	return written, nil
}

// idle measures a node on which nothing is written.
func (b *bench) idle(ctx context.Context) error {
	dir := filepath.Join(b.dir, "idle")
	logs, err := b.logs(dir)
	if err != nil {
		return err
	}
	if _, err := writeAll(ctx, logs, 1<<20, time.Second); err != nil {
		return err
	}
	p, err := b.startReader(dir)
	if err != nil {
		return err
	}
	wait(ctx, 8*time.Second) // until all rest
	before := p.cpu()
	wait(ctx, time.Duration(b.seconds)*time.Second)
	fmt.Printf("idle, %d containers: %.2f %% of a core, %.1f MiB\n", b.containers, (p.cpu()-before)/float64(b.seconds)*100, p.memory("VmRSS"))
	return p.stop()
}

// load measures 10 MB/s, with rsyslog on the same files at the same time.
func (b *bench) load(ctx context.Context) error { return b.measure(ctx, "load", 10e6, b.rsyslog != "") }

// flood measures 100 MB/s, which is more than may be read.
func (b *bench) flood(ctx context.Context) error { return b.measure(ctx, "flood", 100e6, false) }

func (b *bench) measure(ctx context.Context, name string, rate int64, compare bool) error {
	dir := filepath.Join(b.dir, name)
	logs, err := b.logs(dir)
	if err != nil {
		return err
	}
	p, err := b.startReader(dir)
	if err != nil {
		return err
	}
	var other *process
	if compare {
		if other, err = b.startRsyslog(dir); err != nil {
			return errors.Join(err, p.stop())
		}
	}
	wait(ctx, 2*time.Second)
	cpu, otherCPU := p.cpu(), 0.0
	if compare {
		otherCPU = other.cpu()
	}
	began := time.Now()
	written, err := writeAll(ctx, logs, rate, time.Duration(b.seconds)*time.Second)
	wait(ctx, time.Second)
	took, gb := time.Since(began).Seconds(), float64(written)/1e9
	cpu = p.cpu() - cpu
	fmt.Printf("%s, %d containers at %.1f MB/s: %.3f of a core, %.2f CPU s/GB, at most %.1f MiB\n", name, b.containers, gb*1e3/took, cpu/took, cpu/gb, p.memory("VmHWM"))
	if compare {
		wait(ctx, 10*time.Second) // it may be behind
		otherCPU = other.cpu() - otherCPU
		fmt.Printf("  rsyslog: %.2f CPU s/GB, at most %.1f MiB; ratio %.3f\n", otherCPU/gb, other.memory("VmHWM"), cpu/otherCPU)
		err = errors.Join(err, other.stop())
	}
	return errors.Join(err, p.stop(), os.RemoveAll(dir))
}

// startRsyslog lets rsyslog follow the same files and drop each line, which is the least that it can do.
func (b *bench) startRsyslog(dir string) (*process, error) {
	work := filepath.Join(dir, "rsyslog")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(work, "rsyslog.conf")
	text := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="inotify")
ruleset(name="drop") { stop }
input(type="imfile" file="%s/pods/*/app/*.log" tag="bench" ruleset="drop")
action(type="omfile" file="/dev/null")
`, work, dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return start(exec.Command(b.rsyslog, "-n", "-f", conf, "-i", filepath.Join(work, "pid"), "-M", b.modules))
}
