// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupRoot is where every distribution mounts the cgroup hierarchies.
const cgroupRoot = "/sys/fs/cgroup"

// Controllers are the cgroup v1 controllers that kubelet and runc ask for.
var Controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"}

// A Hierarchy is one mounted cgroup v1 hierarchy.
type Hierarchy struct {
	Dir     string // where it is mounted
	Options string // what to mount it with again: "cpu,cpuacct" or "none,name=systemd"
}

// Hierarchies reads the v1 hierarchies below /sys/fs/cgroup from the text of
// /proc/self/mountinfo (see proc_pid_mountinfo(5)).
func Hierarchies(mountinfo io.Reader) ([]Hierarchy, error) {
	var found []Hierarchy
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 || right[0] != "cgroup" {
			continue
		}
		if filepath.Dir(left[4]) == cgroupRoot {
			found = append(found, Hierarchy{Dir: left[4], Options: cgroupOptions(right[2])})
		}
	}
	return found, lines.Err()
}

// cgroupOptions keeps of a mount's options those that say which hierarchy it is.
func cgroupOptions(super string) string {
	var options []string
	for o := range strings.SplitSeq(super, ",") {
		switch {
		case slices.Contains([]string{"rw", "ro", "xattr", "clone_children", "noprefix", "all"}, o), strings.HasPrefix(o, "release_agent="):
		case strings.HasPrefix(o, "name="):
			options = append(options, "none", o)
		default:
			options = append(options, o)
		}
	}
	return strings.Join(options, ",")
}

// MissingControllers returns the controllers that no hierarchy has.
func MissingControllers(hierarchies []Hierarchy) []string {
	var have []string
	for _, h := range hierarchies {
		have = append(have, strings.Split(h.Options, ",")...)
	}
	return slices.DeleteFunc(slices.Clone(Controllers), func(c string) bool { return slices.Contains(have, c) })
}

func currentHierarchies() ([]Hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Hierarchies(f)
}

// enterCgroup makes the group in every hierarchy and moves the process, with
// all its threads, there. Kubelet wants the paths to be the same in all.
func enterCgroup(hierarchies []Hierarchy, group string, pid int) error {
	for _, h := range hierarchies {
		dir := filepath.Join(h.Dir, group)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := fillCpuset(filepath.Dir(dir), dir); err != nil {
			return err
		}
		if err := writeString(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// fillCpuset gives a new cpuset its parent's processors: it starts with none,
// and takes no process before it has some. In other hierarchies there is
// nothing to fill.
func fillCpuset(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0); err != nil {
			return err
		}
	}
	return writeString(filepath.Join(dir, "cgroup.clone_children"), "1")
}

func limitMemory(hierarchies []Hierarchy, group string, bytes int64) error {
	for _, h := range hierarchies {
		file := filepath.Join(h.Dir, group, "memory.limit_in_bytes")
		if _, err := os.Stat(file); err == nil {
			return writeString(file, strconv.FormatInt(bytes, 10))
		}
	}
	return errors.New("no memory cgroup to limit")
}

// processes returns the pids in a group and the groups below it.
func processes(dir string) []int {
	var pids []int
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "cgroup.procs" { // a group that went away meanwhile is what is wanted
			pids = append(pids, pidsIn(path)...)
		}
		return nil
	})
	return pids
}

func pidsIn(path string) []int {
	var pids []int
	data, _ := os.ReadFile(path)
	for field := range strings.FieldsSeq(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// removeCgroup kills what is left in the group and removes it and all below it
// from every hierarchy. The kernel lets go of a group a moment after its last
// process, hence the patience.
func removeCgroup(hierarchies []Hierarchy, group string) error {
	deadline := time.Now().Add(10 * time.Second)
	for _, h := range hierarchies {
		dir := filepath.Join(h.Dir, group)
		for removeTree(dir) != nil {
			if time.Now().After(deadline) {
				return fmt.Errorf("cgroup %s is still in use", dir)
			}
			for _, pid := range processes(dir) {
				_ = syscall.Kill(pid, syscall.SIGKILL) // gone is as good
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// removeTree removes directories from the leaves up; the files in a cgroup
// directory go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() {
			errs = append(errs, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func writeString(file, value string) error {
	return os.WriteFile(file, []byte(value), 0o644)
}
