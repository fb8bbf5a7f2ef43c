// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrDown is returned for what only a machine that is up can do.
var ErrDown = errors.New("machine is not up")

// A Process is a unit's process as the host sees it.
type Process struct {
	Pid   int
	State string // a letter of proc_pid_stat(5): S sleeps, R runs, T is frozen
}

// Find returns the process of a unit.
func Find(state, name, unit string) (Process, error) {
	init := Pid(state, name)
	if init == 0 {
		return Process{}, fmt.Errorf("%s: %w", name, ErrDown)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return Process{}, err
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		fields, err := statFields(pid)
		if err != nil || fields[1] != strconv.Itoa(init) {
			continue // ended meanwhile, or not a child of init
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if argv0, _, _ := bytes.Cut(line, []byte{0}); err == nil && string(argv0) == unit {
			return Process{Pid: pid, State: fields[0]}, nil
		}
	}
	return Process{}, fmt.Errorf("%s does not run on machine %s", unit, name)
}

// Switch turns a unit of a machine off, until it is turned on again or the
// machine is started anew, or on.
func Switch(state, name, unit string, on bool) error {
	if Pid(state, name) == 0 {
		return fmt.Errorf("%s: %w", name, ErrDown)
	}
	marker := filepath.Join(Dir(state, name), "off", unit)
	if on {
		err := os.Remove(marker)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := writeString(marker, ""); err != nil {
		return err
	}
	return Signal(state, name, unit, syscall.SIGKILL)
}

// Signal sends a signal to a unit: SIGSTOP freezes it, SIGCONT thaws it.
func Signal(state, name, unit string, s syscall.Signal) error {
	p, err := Find(state, name, unit)
	if err != nil {
		return err
	}
	return syscall.Kill(p.Pid, s)
}

// Plug pulls the machine's network cable, or puts it back.
func Plug(ctx context.Context, name string, in bool) error {
	direction := "down"
	if in {
		direction = "up"
	}
	return command(ctx, "", "ip", "link", "set", Spec{Name: name}.link(), direction)
}

// Entry is the command line that enters a machine's namespaces.
func Entry(state, name string) ([]string, error) {
	pid := Pid(state, name)
	if pid == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrDown)
	}
	return []string{"nsenter", "--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}, nil
}

// taskDir is where containerd keeps the OCI bundles of what runs.
const taskDir = "run/containerd/io.containerd.runtime.v2.task/k8s.io"

// bundle is what matters of an OCI runtime's config.json.
type bundle struct {
	Annotations map[string]string `json:"annotations"`
	Linux       struct {
		CgroupsPath string `json:"cgroupsPath"`
	} `json:"linux"`
}

// ContainerPid returns the first process of a running container, found in the
// node's own runtime state and not through the cluster.
func ContainerPid(state, node, namespace, pod, container string) (int, error) {
	init := Pid(state, node)
	if init == 0 {
		return 0, fmt.Errorf("%s: %w", node, ErrDown)
	}
	configs, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(init), "root", taskDir, "*", "config.json"))
	if err != nil {
		return 0, err
	}
	for _, file := range configs {
		data, err := os.ReadFile(file)
		var b bundle
		if err != nil || json.Unmarshal(data, &b) != nil {
			continue // being made or removed
		}
		const cri = "io.kubernetes.cri."
		if b.Annotations[cri+"sandbox-namespace"] != namespace || b.Annotations[cri+"sandbox-name"] != pod ||
			b.Annotations[cri+"container-name"] != container {
			continue
		}
		if pid := firstProcess(node, b.Linux.CgroupsPath); pid != 0 {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("container %s of pod %s/%s does not run on node %s", container, namespace, pod, node)
}

// firstProcess returns the pid of the process in the cgroup that is number 1
// in its own pid namespace. The path starts at the machine's group when the
// machine has a cgroup namespace.
func firstProcess(node, cgroup string) int {
	group := Spec{Name: node}.group()
	if !strings.HasPrefix(cgroup, "/"+group) {
		cgroup = filepath.Join(group, cgroup)
	}
	for _, pid := range processes(filepath.Join(cgroupRoot, "pids", cgroup)) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(status), "\n") {
			fields := strings.Fields(line)
			if len(fields) > 2 && fields[0] == "NSpid:" && fields[len(fields)-1] == "1" {
				return pid
			}
		}
	}
	return 0
}
