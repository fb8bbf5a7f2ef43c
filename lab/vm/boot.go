// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// mounts are what a program finds in the machine.
var mounts = []struct{ kind, at string }{
	{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"cgroup2", "/sys/fs/cgroup"}, {"tracefs", "/sys/kernel/tracing"},
	{"tmpfs", "/tmp"},
}

// boot is the first process of the machine: it mounts what there is to mount, runs the program and switches the machine off.
func boot() {
	for _, m := range mounts {
		_ = os.MkdirAll(m.at, 0o755)
		if err := syscall.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			fmt.Printf("vm: mount %s: %v\n", m.at, err)
		}
	}
	fmt.Printf("%s%d\n", ended, program())
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

// program runs the program and returns its exit status.
func program() int {
	args, err := os.ReadFile("/arguments")
	if err != nil {
		fmt.Println("vm:", err)
		return 1
	}
	cmd := exec.Command("/program", strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")[1:]...) // the caller's own
	cmd.Dir = "/tmp"
	cmd.Env = append(os.Environ(), "HOME=/tmp", "PATH=/", "INQUEST_DUMP=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Println("vm:", err)
		return 1
	}
	return 0
}
