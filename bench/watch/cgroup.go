// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A cage is a control group with a limit of memory, of version 1 or 2.
type cage struct{ dir, peak, kills string }

// newCage makes one. It needs root.
func newCage(limit int) (*cage, error) {
	c := &cage{dir: fmt.Sprintf("/sys/fs/cgroup/inquest-bench-%d", os.Getpid()), peak: "memory.peak", kills: "memory.events"}
	file := "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		c.dir = filepath.Join("/sys/fs/cgroup/memory", filepath.Base(c.dir))
		c.peak, c.kills, file = "memory.max_usage_in_bytes", "memory.oom_control", "memory.limit_in_bytes"
	}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.dir, file), []byte(strconv.Itoa(limit)), 0); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

// command returns a command that runs another one inside, from its first page of memory on; without a cage, that one.
func (c *cage) command(argv ...string) []string {
	if c == nil {
		return argv
	}
	return append([]string{"/bin/sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(c.dir, "cgroup.procs")}, argv...)
}

// remove removes it, once what was in it has ended.
func (c *cage) remove() error {
	err := os.Remove(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// most is the most memory that was taken in it, in bytes, what is cached of files included; and how often the kernel killed.
func (c *cage) most() (bytes, kills int, err error) {
	data, err := os.ReadFile(filepath.Join(c.dir, c.peak))
	if err != nil {
		return 0, 0, err
	}
	if bytes, err = strconv.Atoi(strings.TrimSpace(string(data))); err != nil {
		return 0, 0, err
	}
	data, err = os.ReadFile(filepath.Join(c.dir, c.kills))
	for line := range strings.Lines(string(data)) {
		if n, found := strings.CutPrefix(line, "oom_kill "); found {
			kills, err = strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return bytes, kills, err
}
