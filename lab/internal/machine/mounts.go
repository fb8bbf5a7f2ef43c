// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

func bind(source, target string) error {
	return mount(source, target, "", syscall.MS_BIND, "")
}

// HostProc is where a machine sees the /proc of the host. A trace of the kernel has the host's pids, and an agent of a real node
// sees that node's, which is the same there.
const HostProc = "/run/host-proc"

// mountBase gives every machine its own /proc, /run and /tmp, and shows it the
// lab's two directories under names that do not depend on the host's.
func mountBase(s Spec) error {
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	hostProc := filepath.Join(s.dir(), "host-proc")
	if err := os.MkdirAll(hostProc, 0o755); err != nil {
		return err
	}
	if err := bind("/proc", hostProc); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, dir := range []string{"/run/lock", StateDir, CacheDir, HostProc} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mount(hostProc, HostProc, "", syscall.MS_MOVE, ""); err != nil {
		return err
	}
	if err := bind(s.State, StateDir); err != nil {
		return err
	}
	if err := bind(s.Cache, CacheDir); err != nil {
		return err
	}
	return mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777")
}

func mountNode(s Spec) error {
	inside := Spec{Name: s.Name, State: StateDir}
	hierarchies, err := currentHierarchies()
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return mountKernelFiles(s, inside.dir()) },
		func() error { return mountSys(hierarchies) },
		func() error { return enterCgroup(hierarchies, filepath.Join(s.Cgroup(), "system"), os.Getpid()) },
		func() error { return mountOverlays(inside.dir()) },
		func() error { return mountData(s, inside.dir()) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// mountKernelFiles shows the machine its own version of files that describe
// or steer the whole kernel. Kubelet sets three sysctls: it finds them set, in
// files that are not the kernel's. Each start has a boot id of its own, by
// which kubelet tells a reboot.
func mountKernelFiles(s Spec, dir string) error {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/uuid") // a new one at each read
	if err != nil {
		return err
	}
	files := map[string]string{
		"/proc/sys/vm/overcommit_memory":  "1\n",
		"/proc/sys/kernel/panic":          "10\n",
		"/proc/sys/kernel/panic_on_oops":  "1\n",
		"/proc/sys/kernel/random/boot_id": string(bootID),
	}
	if s.MemoryMiB > 0 {
		files["/proc/meminfo"] = memInfo(s.MemoryMiB)
	}
	kernel := filepath.Join(dir, "kernel")
	if err := os.MkdirAll(kernel, 0o755); err != nil {
		return err
	}
	for target, value := range files {
		source := filepath.Join(kernel, filepath.Base(target))
		if err := writeString(source, value); err != nil {
			return err
		}
		if err := bind(source, target); err != nil {
			return err
		}
	}
	return nil
}

// memInfo is a /proc/meminfo with what kubelet reads from it: the capacity.
func memInfo(mib int64) string {
	var b strings.Builder
	for _, name := range []string{"MemTotal", "MemFree", "MemAvailable"} {
		fmt.Fprintf(&b, "%-15s %8d kB\n", name+":", mib<<10)
	}
	for _, name := range []string{"Buffers", "Cached", "SwapTotal", "SwapFree"} {
		fmt.Fprintf(&b, "%-15s %8d kB\n", name+":", 0)
	}
	return b.String()
}

// mountSys mounts a /sys that shows the machine's own network devices, and the
// v1 hierarchies only: beside a cgroup2 mount runc and containerd would see
// the hybrid layout.
func mountSys(hierarchies []Hierarchy) error {
	if err := mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	if err := mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", cgroupRoot, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, h := range hierarchies {
		if err := os.Mkdir(h.Dir, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup", h.Dir, "cgroup", 0, h.Options); err != nil {
			return err
		}
		for name := range strings.SplitSeq(h.Options, ",") {
			if !strings.Contains(h.Options, ",") || strings.HasPrefix(h.Options, "none,") {
				continue
			}
			if err := os.Symlink(filepath.Base(h.Dir), filepath.Join(cgroupRoot, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mountOverlays lets the machine write where the host's files are.
func mountOverlays(dir string) error {
	for _, name := range []string{"etc", "var", "opt"} {
		target := "/" + name
		if _, err := os.Stat(target); err != nil {
			continue
		}
		upper, work := filepath.Join(dir, "overlay", name), filepath.Join(dir, "overlay", name+".work")
		for _, d := range []string{upper, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		data := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", target, upper, work)
		if err := mount("overlay", target, "overlay", 0, data); err != nil {
			return err
		}
	}
	return nil
}

// mountData puts what is large, or must not lie on an overlay because an
// overlay is made on it, straight on the host's disk.
func mountData(s Spec, dir string) error {
	for _, target := range []string{"/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods"} {
		source := filepath.Join(dir, filepath.Base(target))
		for _, d := range []string{source, target} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := bind(source, target); err != nil {
			return err
		}
	}
	if s.DiskMiB > 0 {
		return command(context.Background(), "", "mount", "-o", "loop", filepath.Join(dir, "disk.img"), "/var/lib/kubelet")
	}
	return nil
}

// ID is what stands in /etc/machine-id: the same at every start.
func ID(name string) string {
	sum := sha256.Sum256([]byte("inquest lab " + name))
	return hex.EncodeToString(sum[:16])
}
