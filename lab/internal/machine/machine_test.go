// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

const separate = `30 29 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 29 0:28 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd
32 29 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
33 29 0:30 / /mnt/cpu rw,relatime - cgroup cgroup rw,cpu
34 1 254:0 / / rw,relatime - ext4 /dev/vda rw
`

const comounted = `30 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 29 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children
`

func TestHierarchies(t *testing.T) {
	for text, want := range map[string][]Hierarchy{
		separate: {
			{Dir: "/sys/fs/cgroup/memory", Options: "memory"},
			{Dir: "/sys/fs/cgroup/systemd", Options: "none,name=systemd"},
		},
		comounted: {
			{Dir: "/sys/fs/cgroup/cpu,cpuacct", Options: "cpu,cpuacct"},
			{Dir: "/sys/fs/cgroup/cpuset", Options: "cpuset"},
		},
		"": nil,
		"30 29 0:27 / /sys/fs/cgroup - cgroup\nno mount at all\n": nil,
	} {
		got, err := Hierarchies(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestMissingControllers(t *testing.T) {
	got := MissingControllers([]Hierarchy{{Options: "cpu,cpuacct"}, {Options: "none,name=systemd"}, {Options: "memory"}})
	if want := []string{"cpuset", "devices", "freezer", "blkio", "pids"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMacFollowsTheAddress(t *testing.T) {
	got, err := Spec{Address: "10.98.0.11/24"}.mac()
	if want := "02:49:0a:62:00:0b"; got != want || err != nil {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
	if _, err := (Spec{Address: "n1"}).mac(); err == nil {
		t.Error("a name is no address")
	}
}

func TestCgroup(t *testing.T) {
	if got := (Spec{Name: "n1"}).Cgroup(); got != "/inquest-n1" {
		t.Errorf("got %s", got)
	}
	if got := (Spec{Name: "n1", MemoryMiB: 2048}).Cgroup(); got != "/" {
		t.Errorf("with memory of its own: %s", got)
	}
}

func TestMemInfo(t *testing.T) {
	if got := memInfo(2048); !strings.HasPrefix(got, "MemTotal:        2097152 kB\n") {
		t.Errorf("got %q", got)
	}
}

func TestID(t *testing.T) {
	if a, b := ID("n1"), ID("n2"); len(a) != 32 || a == b || a != ID("n1") {
		t.Errorf("n1 is %s, n2 is %s", a, b)
	}
}

func TestPidIsOnlyThatOfTheSameProcess(t *testing.T) {
	state := t.TempDir()
	if err := os.MkdirAll(Dir(state, "n1"), 0o755); err != nil {
		t.Fatal(err)
	}
	started, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(Dir(state, "n1"), "pid")
	for text, want := range map[string]int{
		strconv.Itoa(os.Getpid()) + " " + started + "\n": os.Getpid(),
		strconv.Itoa(os.Getpid()) + " 1":                 0, // another process had the number
		"99999999 1":                                     0,
		"":                                               0,
	} {
		if err := writeString(file, text); err != nil {
			t.Fatal(err)
		}
		if got := Pid(state, "n1"); got != want {
			t.Errorf("%q: pid %d, want %d", text, got, want)
		}
	}
}

func TestDownMachine(t *testing.T) {
	state := t.TempDir()
	_, entry := Entry(state, "n1")
	_, find := Find(state, "n1", "kubelet")
	_, container := ContainerPid(state, "n1", "default", "p", "c")
	for what, err := range map[string]error{
		"entry": entry, "find": find, "container": container, "switch": Switch(state, "n1", "kubelet", true),
	} {
		if !errors.Is(err, ErrDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestRemoveTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "group")
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to remove
		if err := removeTree(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
}

func TestSpecRoundTrip(t *testing.T) {
	s := Spec{Name: "n1", State: t.TempDir(), Node: true, Units: []Unit{{Name: "kubelet", Wait: []string{"images"}}}}
	if err := os.MkdirAll(s.dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	got, err := Load(s.State, "n1")
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v %v", got, err)
	}
}
