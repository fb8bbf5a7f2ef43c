// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	_ "modernc.org/sqlite" // the driver of the history's file
)

// A recorder is inquest serve, and a reader of the history that it writes: what that can read is what anybody can.
type recorder struct {
	*process
	file string
	db   *sql.DB

	mu      sync.Mutex
	last    int64
	visible map[run]time.Time // when a death could first be read with its verdict
	bare    map[run]bool      // deaths without one
	failed  error
}

// record starts a recorder with an empty history.
func (b *bench) record(ctx context.Context, env ...string) (*recorder, error) {
	dir, err := os.MkdirTemp(b.dir, "history")
	if err != nil {
		return nil, err
	}
	r := &recorder{file: filepath.Join(dir, "history.db"), visible: map[run]time.Time{}, bare: map[run]bool{}}
	log := filepath.Join(dir, "log")
	if b.keep != "" {
		log = filepath.Join(b.keep, filepath.Base(dir)+".log")
	}
	argv := b.cage.command(b.inquest, "serve", "--kubeconfig", b.plane.file("kubeconfig"), "--db", r.file, "--listen", "127.0.0.1:0")
	r.process, err = start(log, env, argv[0], argv[1:]...)
	if err != nil {
		return nil, err
	}
	return r, r.open(ctx)
}

// open waits for the history and opens it.
func (r *recorder) open(ctx context.Context) error {
	for range 300 {
		pause(ctx, 100*time.Millisecond)
		if err := errors.Join(ctx.Err(), r.alive()); err != nil {
			return err
		}
		if r.db == nil {
			if _, err := os.Stat(r.file); err != nil {
				continue
			}
			var err error
			if r.db, err = sql.Open("sqlite", "file:"+r.file+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)"); err != nil {
				return err
			}
			r.db.SetMaxOpenConns(1)
		}
		var n int
		if r.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM deaths").Scan(&n) == nil {
			return nil
		}
	}
	return fmt.Errorf("the recorder made no history in %s", r.file)
}

// close ends the recorder.
func (r *recorder) close() error { return errors.Join(r.db.Close(), r.stop()) }

// follow notes when each death can be read, looking as often as is told, until the context ends.
func (r *recorder) follow(ctx context.Context, often time.Duration) {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.mu.Lock()
			r.failed = errors.Join(r.failed, fmt.Errorf("read the history: %w", err))
			r.mu.Unlock()
			return
		}
	}
}

// look reads what came since the last look.
func (r *recorder) look(ctx context.Context) error {
	rows, err := r.db.QueryContext(ctx, `SELECT d.id, CASE typeof(p.uid) WHEN 'blob' THEN lower(hex(p.uid)) ELSE p.uid END, d.container, d.attempt, d.rank FROM deaths d JOIN pods p ON p.id = d.pod
		WHERE d.id > ? AND d.kind = 0 ORDER BY d.id`, r.last)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for rows.Next() {
		var of run
		var uid string
		var rank int
		if err := rows.Scan(&r.last, &uid, &of.container, &of.number, &rank); err != nil {
			return errors.Join(err, rows.Close())
		}
		of.pod = dashed(uid)
		if rank >= 2 {
			r.visible[of] = time.Now()
		} else {
			r.bare[of] = true
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// dashed writes a UID that the history keeps as bytes as Kubernetes does.
func dashed(digits string) types.UID {
	if len(digits) == 32 {
		digits = strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
	}
	return types.UID(digits)
}

// seen returns how many deaths are in the history.
func (r *recorder) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.visible) + len(r.bare)
}

// number asks the history for one.
func (r *recorder) number(ctx context.Context, query string) (int, error) {
	var n int
	err := r.db.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// settledDeaths asks how many verdicts are final.
func (r *recorder) settledDeaths(ctx context.Context) (int, error) {
	return r.number(ctx, "SELECT COUNT(*) FROM deaths WHERE kind = 0 AND rank = 3")
}
