// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is one that is measured.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan error
}

// start runs a program that writes what it has to say to a file.
func start(log string, env []string, program string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(program, args...), log: log, ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = out, out, append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

// stop ends a process and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.ended:
		if _, told := errors.AsType[*exec.ExitError](err); told { // however it ended: it was told to
			return nil
		}
		return err
	case <-time.After(30 * time.Second):
		return p.cmd.Process.Kill()
	}
}

// alive tells, as an error, when a process has ended by itself.
func (p *process) alive() error {
	select {
	case err := <-p.ended:
		p.ended <- err
		data, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, bytes.TrimSpace(data[max(0, len(data)-2000):]))
	default:
		return nil
	}
}

// cpu is the processor time that the process has taken; not a number when it has ended.
func (p *process) cpu() float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
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

// memory is a line of the process's status in bytes: VmRSS, or VmHWM for its peak.
func (p *process) memory(line string) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
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
	return kb * 1024
}

// inStep waits until the process idles: it has read all there is.
func (p *process) inStep(ctx context.Context) error {
	for range 120 {
		before := p.cpu()
		pause(ctx, 2*time.Second)
		if err := errors.Join(ctx.Err(), p.alive()); err != nil {
			return err
		}
		if p.cpu()-before < 0.2 {
			return nil
		}
	}
	return errors.New("it does not come to rest")
}

// ownCPU is what this process has used of the processor, in seconds.
func ownCPU() float64 {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return math.NaN()
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
}

const mib = 1 << 20
