// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
	dir = filepath.Join(dir, fmt.Sprintf("bench_pod-%d_uid-%d", i, i), "app")
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

func newLogs(dir string, n int) ([]*log, error) {
	var all []*log
	for i := range n {
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
