// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// A Host is what the lab must know of the computer it shall run on.
type Host struct {
	OS           string
	Root         bool
	Capabilities uint64   // effective
	Missing      []string // tools that are not in PATH
	Hierarchies  []machine.Hierarchy
	Unified      bool     // /sys/fs/cgroup is a cgroup2 mount
	Overlay      bool     // the kernel has overlayfs
	StateOverlay bool     // the lab's state would lie on an overlay
	Taken        []string // devices with an address in one of the lab's networks
	MemoryMiB    int64    // available
}

const (
	capNetAdmin = 12 // see capabilities(7)
	capSysAdmin = 21
	minMemory   = 2048 // MiB: control plane and two nodes idle at about 1.6 GiB
)

// Problem says in one sentence why the lab cannot run here and what would
// change that; it is empty when nothing stands in the way.
func (h Host) Problem() string {
	switch {
	case h.OS != "linux":
		return "the lab needs Linux: run it in a virtual machine"
	case !h.Root:
		return "the lab needs root for namespaces, mounts and cgroups: run it with sudo"
	case h.Capabilities&(1<<capSysAdmin) == 0 || h.Capabilities&(1<<capNetAdmin) == 0:
		return "the lab needs the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN, which this container does not have: run it with --privileged"
	case len(h.Missing) > 0:
		return "the lab needs " + strings.Join(h.Missing, ", ") + ", which this machine does not have: apt-get install iproute2 util-linux mount"
	case len(h.Hierarchies) == 0 && h.Unified:
		return "the lab needs the cgroup v1 hierarchies, and this machine has only cgroup v2: boot it with systemd.unified_cgroup_hierarchy=0"
	case len(machine.MissingControllers(h.Hierarchies)) > 0:
		return "the lab needs the cgroup v1 controllers " + strings.Join(machine.MissingControllers(h.Hierarchies), ", ") + ", which are not mounted below /sys/fs/cgroup"
	case !h.Overlay:
		return "the lab needs overlayfs, which this kernel does not offer: modprobe overlay"
	case h.StateOverlay:
		return "the lab's state would lie on an overlay, where containers cannot have theirs: set INQUEST_LAB_CACHE to a directory on a plain file system"
	case len(h.Taken) > 0:
		return "the lab's networks " + labNetwork + ", " + podNetwork + " and " + serviceNetwork + " overlap with addresses of " + strings.Join(h.Taken, ", ")
	case h.MemoryMiB > 0 && h.MemoryMiB < minMemory:
		return fmt.Sprintf("the lab needs %d MiB of free memory, and this machine has %d", minMemory, h.MemoryMiB)
	}
	return ""
}

// Inspect looks at this computer. What cannot be read counts as absent.
func (l Lab) Inspect() Host {
	h := Host{OS: runtime.GOOS, Root: os.Geteuid() == 0, MemoryMiB: memInfoMiB("MemAvailable:")}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			h.Capabilities, _ = strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		}
	}
	for _, tool := range []string{"ip", "nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			h.Missing = append(h.Missing, tool)
		}
	}
	if mounts, err := os.Open("/proc/self/mountinfo"); err == nil {
		defer mounts.Close()
		h.Hierarchies, _ = machine.Hierarchies(mounts)
	}
	const cgroup2Magic, overlayMagic = 0x63677270, 0x794c7630 // see statfs(2)
	h.Unified = fileSystem("/sys/fs/cgroup") == cgroup2Magic
	h.StateOverlay = fileSystem(l.State) == overlayMagic
	kinds, _ := os.ReadFile("/proc/filesystems")
	h.Overlay = strings.Contains(string(kinds), "\toverlay\n")
	h.Taken = takenNetworks()
	return h
}

// fileSystem is the magic number of the file system that the directory is on,
// or will be once it is made.
func fileSystem(dir string) int64 {
	var fs syscall.Statfs_t
	for syscall.Statfs(dir, &fs) != nil {
		parent := filepath.Dir(dir)
		if parent == dir {
			return 0
		}
		dir = parent
	}
	return fs.Type
}

func takenNetworks() []string {
	devices, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var taken []string
	for _, device := range devices {
		addresses, err := device.Addrs()
		if err != nil || device.Name == bridge {
			continue
		}
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && overlapsLab(ip) {
				taken = append(taken, device.Name)
				break
			}
		}
	}
	return taken
}

func overlapsLab(other *net.IPNet) bool {
	for _, text := range []string{labNetwork, podNetwork, serviceNetwork} {
		_, ours, err := net.ParseCIDR(text)
		if err == nil && (ours.Contains(other.IP) || other.Contains(ours.IP)) {
			return true
		}
	}
	return false
}
