// SPDX-License-Identifier: Apache-2.0

// Package machine makes one computer of the lab out of namespaces: a process
// that is pid 1 of its own mount, pid, uts, ipc and network namespace, starts
// the programs it was told to and starts them again when they end. When that
// process dies the kernel ends all the rest, mounts and network included: that
// is a power cut, and it is why nothing can be left behind.
package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Inside a machine the lab's two directories are always found here.
const (
	StateDir = "/run/inquest/state"
	CacheDir = "/run/inquest/cache"
)

// Prefix begins the name of every cgroup and network device of a machine.
const Prefix = "inquest-"

// A Spec is all there is to know to start a machine.
type Spec struct {
	Name  string
	State string // the lab's directories on the host
	Cache string

	Address string   // of eth0, in CIDR form
	Bridge  string   // the host's device that eth0 is plugged into
	Routes  []string // arguments of `ip route add`, one route each

	Node        bool     // file systems as kubelet and containerd need them
	Files       []File   // written in the machine before anything starts
	DiskMiB     int64    // size of a disk of its own under /var/lib/kubelet; 0: none
	MemoryMiB   int64    // memory of the machine; 0: the host's
	Environment []string // of its programs
	Units       []Unit
}

// A File is one small file of a machine. With Link it is a symbolic link.
type File struct {
	Path string
	Data string
	Link string
}

// A Unit is one program that a machine keeps running.
type Unit struct {
	Name string
	Path string   // of the executable, in the machine
	Args []string // without the program's own name: that is the unit's
	Wait []string // what must come first: a unit that is done, or a URL that answers 200
	Once bool     // do it until it succeeds, then never again
}

// Dir is where a machine keeps its state on the host: pid, spec, logs, disks.
func Dir(state, name string) string {
	return filepath.Join(state, "machines", name)
}

func (s Spec) dir() string {
	return Dir(s.State, s.Name)
}

// group is the machine's cgroup in every hierarchy.
func (s Spec) group() string {
	return Prefix + s.Name
}

// Cgroup is the group that kubelet makes its own below: seen from a machine
// that has its own memory it is the root.
func (s Spec) Cgroup() string {
	if s.MemoryMiB > 0 {
		return "/"
	}
	return "/" + s.group()
}

// link is the host's end of the machine's network cable. A device name has at
// most 15 characters.
func (s Spec) link() string {
	return "inq-" + s.Name
}

// mac is derived from the address, so that the others' neighbour tables stay
// right when the machine is started again.
func (s Spec) mac() (string, error) {
	var a, b, c, d, bits int
	if _, err := fmt.Sscanf(s.Address, "%d.%d.%d.%d/%d", &a, &b, &c, &d, &bits); err != nil {
		return "", fmt.Errorf("address %q: %w", s.Address, err)
	}
	return fmt.Sprintf("02:49:%02x:%02x:%02x:%02x", a, b, c, d), nil
}

// Load reads the spec a machine was last started with.
func Load(state, name string) (Spec, error) {
	var s Spec
	data, err := os.ReadFile(filepath.Join(Dir(state, name), "spec.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

func (s Spec) save() error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir(), "spec.json"), data, 0o600)
}
