// SPDX-License-Identifier: Apache-2.0

// Vm runs one program as root on a kernel with cgroup v2, which the lab's machine may not have: in a virtual machine of Debian's
// kernel and qemu, both unpacked from packages into a cache and not installed. It is also the first process in there.
//
//	go run ./vm PROGRAM [ARGS]
//
// The program must be static (CGO_ENABLED=0). What it prints is printed, and its exit status is that of vm. Everything is
// emulated: a second of it takes some ten.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// ended begins the line that the first process prints when the program has ended.
const ended = "vm: exit status "

func main() {
	if os.Getpid() == 1 {
		boot()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status, err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
	}
	os.Exit(status)
}

// run returns the exit status of the program, 1 when it could not be run.
func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	if len(args) == 0 {
		return 1, errors.New("say which program to run: vm PROGRAM [ARGS]")
	}
	base := os.Getenv("INQUEST_LAB_CACHE")
	if base == "" {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return 1, fmt.Errorf("find a cache directory: %w: set INQUEST_LAB_CACHE", err)
		}
	}
	system, err := unpacked(ctx, filepath.Join(base, "inquest-lab", "cache", "vm"))
	if err != nil {
		return 1, err
	}
	image, err := os.CreateTemp("", "inquest-vm-*")
	if err != nil {
		return 1, err
	}
	defer func() {
		_ = image.Close()
		_ = os.Remove(image.Name())
	}()
	if err := initramfs(image, args); err != nil {
		return 1, fmt.Errorf("make the initramfs: %w", err)
	}
	return system.run(ctx, image.Name(), out)
}

// A system is qemu and a kernel, unpacked.
type system struct{ dir, kernel string }

// run boots the machine and copies what it prints, until the program has ended.
func (s system) run(ctx context.Context, initramfs string, out io.Writer) (int, error) {
	share := filepath.Join(s.dir, "usr", "share")
	cmd := exec.CommandContext(ctx, filepath.Join(s.dir, "usr", "bin", "qemu-system-x86_64"), // the arguments are ours
		"-L", filepath.Join(share, "qemu"), "-L", filepath.Join(share, "seabios"),
		"-accel", "tcg", "-cpu", "max", "-m", "768", "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-kernel", s.kernel, "-initrd", initramfs,
		"-append", "console=ttyS0 quiet loglevel=3 panic=-1 psi=1 swapaccount=1 cgroup_no_v1=all mitigations=off")
	libraries := filepath.Join(s.dir, "usr", "lib", "x86_64-linux-gnu")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries+":"+filepath.Join(s.dir, "lib", "x86_64-linux-gnu"))
	cmd.Stderr = os.Stderr
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start qemu: %w", err)
	}
	status, found := 1, false
	lines := bufio.NewReader(serial)
	for {
		line, err := lines.ReadString('\n')
		line = strings.ReplaceAll(line, "\r\n", "\n") // a serial line returns its carriage
		if rest, ok := strings.CutPrefix(line, ended); ok {
			_, err := fmt.Sscan(rest, &status)
			found = err == nil
		} else {
			_, _ = io.WriteString(out, line)
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil || !found {
		return 1, fmt.Errorf("the machine stopped before the program ended: %w", errors.Join(err, ctx.Err()))
	}
	return status, nil
}
