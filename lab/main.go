// SPDX-License-Identifier: Apache-2.0

// Lab brings up a real Kubernetes in network namespaces, with nothing but Go
// modules and a few unpacked Debian packages, lets its nodes and containers
// fail on command, and takes it down without a trace. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/kubeinquest/inquest/lab/internal/build"
	"github.com/kubeinquest/inquest/lab/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A program is what every command gets.
type program struct {
	lab    cluster.Lab
	cache  *build.Cache
	out    io.Writer // the answer
	notice io.Writer // everything else
}

// errUsage ends the program with status 2 after a command has said how it is used.
var errUsage = errors.New("usage")

// run returns the exit status: 0 it worked, 1 it could not, 2 it was not
// understood, 130 it was interrupted.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p, err := newProgram(stdout, stderr)
	if err == nil {
		err = p.dispatch(ctx, commands, "lab", args)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		return 2
	}
	fmt.Fprintln(stderr, "lab:", err)
	if ctx.Err() != nil {
		return 130
	}
	return 1
}

// newProgram keeps everything below INQUEST_LAB_CACHE, or the user's cache
// directory.
func newProgram(stdout, stderr io.Writer) (*program, error) {
	base := os.Getenv("INQUEST_LAB_CACHE")
	if base == "" {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return nil, fmt.Errorf("find a cache directory: %w: set INQUEST_LAB_CACHE", err)
		}
	}
	dir, err := filepath.Abs(filepath.Join(base, "inquest-lab"))
	if err != nil {
		return nil, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return &program{
		lab:    cluster.Lab{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")},
		cache:  &build.Cache{Dir: filepath.Join(dir, "cache"), Source: build.FindSource(wd), Log: stderr},
		out:    stdout,
		notice: stderr,
	}, nil
}

// lock keeps two changes of the lab apart. The kernel gives the lock back when
// the program ends, however it ends.
func (p *program) lock() error {
	if err := os.MkdirAll(p.cache.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(p.cache.Dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return errors.New("another lab command is at work: wait for it to end")
	}
	locked = f
	return nil
}

// locked is held open, so that the lock lasts as long as the program.
var locked *os.File
