// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// InitCommand is the lab's hidden command that becomes a machine's pid 1.
const InitCommand = "machine-init"

// ready is what init reports when the machine stands.
const ready = "ready"

// own marks the second life of an init that has a cgroup namespace.
const own = "own-cgroups"

const (
	gateFd   = 3
	resultFd = 4
)

// Init is the life of a machine's pid 1. It returns only when the machine
// cannot be set up, or when the process that started it died before it was.
func Init(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s is not for people", InitCommand)
	}
	result := os.NewFile(resultFd, "result")
	spec, err := enter(args)
	if err == nil {
		err = setUp(spec)
	}
	if err != nil {
		fmt.Fprint(result, err)
		return err
	}
	if _, err := result.WriteString(ready); err != nil {
		return err
	}
	if err := result.Close(); err != nil {
		return err
	}
	newSupervisor(spec).run()
	return nil
}

// enter waits until the host has put this process where it belongs.
func enter(args []string) (Spec, error) {
	var s Spec
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	again := len(args) == 2 && args[1] == own
	if !again {
		gate := os.NewFile(gateFd, "gate")
		if n, err := gate.Read(make([]byte, 1)); n == 0 || err != nil {
			return s, fmt.Errorf("nobody opened the gate: %w", err)
		}
		if err := gate.Close(); err != nil {
			return s, err
		}
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, err
	}
	if s.MemoryMiB > 0 && !again {
		return s, enterOwnCgroups(args[0])
	}
	syscall.CloseOnExec(resultFd)
	return s, nil
}

// enterOwnCgroups makes the machine's cgroup the root of all that it sees, so
// that its memory use is its own and not the host's. A namespace belongs to a
// thread: the program is executed again to leave all other threads behind.
//
// Other machines do without, because kubelet counts container_oom_events_total
// by the group's path as the kernel log has it, which starts at the host's root.
func enterOwnCgroups(specFile string) error {
	runtime.LockOSThread()
	const cloneNewCgroup = 0x02000000 // CLONE_NEWCGROUP, see cgroup_namespaces(7)
	if err := syscall.Unshare(cloneNewCgroup); err != nil {
		return fmt.Errorf("make cgroup namespace: %w", err)
	}
	return syscall.Exec("/proc/self/exe", []string{os.Args[0], InitCommand, specFile, own}, os.Environ())
}

func setUp(s Spec) error {
	if err := syscall.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := mountBase(s); err != nil {
		return err
	}
	if s.Node {
		if err := mountNode(s); err != nil {
			return err
		}
	}
	for _, f := range s.Files {
		if err := f.write(); err != nil {
			return err
		}
	}
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil { // kubelet's mounts must reach containers
		return err
	}
	return setUpNetwork(s)
}

// write replaces what is there; a link's target on the host stays untouched.
func (f File) write() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(f.Path); err != nil {
		return err
	}
	if f.Link != "" {
		return os.Symlink(f.Link, f.Path)
	}
	return os.WriteFile(f.Path, []byte(f.Data), 0o644)
}

// setUpNetwork also makes the kernel give up soon on a connection whose
// program is gone: such connections keep the namespace alive after a power cut.
func setUpNetwork(s Spec) error {
	if err := writeString("/proc/sys/net/ipv4/tcp_orphan_retries", "1"); err != nil {
		return err
	}
	lines := []string{"link set lo up", "addr add " + s.Address + " dev eth0", "link set eth0 up"}
	for _, r := range s.Routes {
		lines = append(lines, "route add "+r)
	}
	return command(context.Background(), strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
}
