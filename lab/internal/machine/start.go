// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// namespaces are what a machine has of its own. Its cgroup namespace, where it
// has one, comes later: see enterOwnCgroups.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET

// Start switches a machine on and returns when its file systems and its
// network stand; its programs start after that. The bridge must exist.
func Start(ctx context.Context, s Spec) error {
	if pid := Pid(s.State, s.Name); pid != 0 {
		return fmt.Errorf("machine %s is already up", s.Name)
	}
	if err := prepare(ctx, s); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir(), "log", "init.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	gateRead, gateWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer gateWrite.Close()
	resultRead, resultWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer resultRead.Close()
	cmd := exec.Command("/proc/self/exe", InitCommand, filepath.Join(s.dir(), "spec.json"))
	cmd.Args[0] = "inquest-lab-" + s.Name
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{gateRead, resultWrite} // 3 and 4 in the child
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	err = cmd.Start()
	gateRead.Close()
	resultWrite.Close()
	if err != nil {
		return fmt.Errorf("start machine %s: %w", s.Name, err)
	}
	if err := admit(ctx, s, cmd.Process.Pid, gateWrite, resultRead); err != nil {
		return errors.Join(fmt.Errorf("start machine %s: %w", s.Name, err), cmd.Process.Kill(), cmd.Wait(), Stop(s.State, s.Name))
	}
	return cmd.Process.Release()
}

// prepare makes what the machine finds on the host.
func prepare(ctx context.Context, s Spec) error {
	for _, sub := range []string{"log", "off", "done"} {
		if err := os.MkdirAll(filepath.Join(s.dir(), sub), 0o755); err != nil {
			return err
		}
	}
	if err := clearDir(filepath.Join(s.dir(), "done")); err != nil {
		return err
	}
	if err := clearDir(filepath.Join(s.dir(), "off")); err != nil {
		return err
	}
	if s.DiskMiB > 0 {
		if err := makeDisk(ctx, s); err != nil {
			return err
		}
	}
	return s.save()
}

// makeDisk makes a file system in a sparse file, unless it is there.
func makeDisk(ctx context.Context, s Spec) error {
	file := filepath.Join(s.dir(), "disk.img")
	if info, err := os.Stat(file); err == nil && info.Size() == s.DiskMiB<<20 {
		return nil
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, s.DiskMiB<<20); err != nil {
		return err
	}
	return command(ctx, "", "mkfs.ext4", "-q", "-F", file)
}

// admit does what only the host can: put the new process into its cgroups and
// give it a network device. Then it opens the gate and waits for the result.
func admit(ctx context.Context, s Spec, pid int, gate, result *os.File) error {
	started, err := startTime(pid)
	if err != nil {
		return err
	}
	if err := writeString(filepath.Join(s.dir(), "pid"), fmt.Sprintf("%d %s", pid, started)); err != nil {
		return err
	}
	hierarchies, err := currentHierarchies()
	if err != nil {
		return err
	}
	if err := enterCgroup(hierarchies, s.group(), pid); err != nil {
		return fmt.Errorf("enter cgroup: %w", err)
	}
	if s.MemoryMiB > 0 {
		if err := limitMemory(hierarchies, s.group(), s.MemoryMiB<<20); err != nil {
			return err
		}
	}
	mac, err := s.mac()
	if err != nil {
		return err
	}
	batch := fmt.Sprintf("link add %s type veth peer name eth0 address %s netns %d\nlink set %s master %s up\n",
		s.link(), mac, pid, s.link(), s.Bridge)
	if err := command(ctx, batch, "ip", "-batch", "-"); err != nil {
		return err
	}
	if _, err := gate.WriteString("g"); err != nil {
		return err
	}
	if err := result.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	answer, err := io.ReadAll(result)
	if err != nil {
		return err
	}
	if string(answer) != ready {
		return fmt.Errorf("its init says: %q", strings.TrimSpace(string(answer)))
	}
	return nil
}

// Stop is a power cut: everything in the machine ends at once. Its disks stay.
// Stopping a machine that is not up cleans up after it.
func Stop(state, name string) error {
	if pid := Pid(state, name); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop machine %s: %w", name, err)
		}
	}
	hierarchies, err := currentHierarchies()
	if err != nil {
		return err
	}
	s := Spec{Name: name, State: state}
	if err := removeCgroup(hierarchies, s.group()); err != nil {
		return err
	}
	if err := unplug(s.link()); err != nil {
		return err
	}
	err = os.Remove(filepath.Join(s.dir(), "pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// unplug removes the host's end of the cable, and with it the machine's: else
// both would stay until the kernel has given up on the connections that the
// machine's programs left open.
func unplug(link string) error {
	if !plugged(link) {
		return nil
	}
	if err := command(context.Background(), "", "ip", "link", "del", link); err != nil && plugged(link) {
		return err // else the kernel was faster
	}
	return nil
}

func plugged(link string) bool {
	_, err := os.Stat("/sys/class/net/" + link)
	return err == nil
}

// Pid returns the machine's first process as the host sees it, 0 when the
// machine is not up. The start time kept beside the number tells a process
// from a later one with the same number.
func Pid(state, name string) int {
	data, err := os.ReadFile(filepath.Join(Dir(state, name), "pid"))
	if err != nil {
		return 0
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	if now, err := startTime(pid); err != nil || now != started {
		return 0
	}
	return pid
}

// startTime is field 22 of /proc/PID/stat; a zombie has none.
func startTime(pid int) (string, error) {
	fields, err := statFields(pid)
	if err != nil {
		return "", err
	}
	const state, startTime = 0, 19 // counted from field 3
	if fields[state] == "Z" || fields[state] == "X" {
		return "", os.ErrProcessDone
	}
	return fields[startTime], nil
}

// statFields returns the fields of /proc/PID/stat from the third on: those
// after the program's name, which may hold blanks and brackets.
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat is cut short", pid)
	}
	return fields, nil
}

func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func command(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
