// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/record"
)

// proc writes what the kernel has below /proc.
func (w *world) proc(available, busy, idle, requests, milliseconds int) {
	w.t.Helper()
	for name, text := range map[string]string{
		"meminfo":            fmt.Sprintf("MemTotal:       1000000 kB\nMemFree:         100 kB\nMemAvailable:    %d kB\n", available),
		"stat":               fmt.Sprintf("cpu  %d 0 0 %d 10 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 1 2 3\n", busy, idle),
		"loadavg":            "0.00 0.00 0.00 1/950 4711\n",
		"pressure/cpu":       "some avg10=0.00 avg60=25.00 avg300=0.00 total=5\n",
		"pressure/memory":    "some avg10=0.00 avg60=1.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.50 avg300=0.00 total=5\n",
		"diskstats":          fmt.Sprintf("   7 0 loop0 9 9 9 9 9 9 9 9 0 9 9\n   8 0 sda %d 0 8 %d 0 0 0 0 0 1 1 0 0 0 0 0 0\n   8 1 sda1 5 0 8 5 0 0 0 0 0 1 1\n", requests, milliseconds),
		"sys/kernel/pid_max": "4194304\n", "sys/kernel/threads-max": "1000\n",
		"sys/fs/file-nr":                       "2050\t0\t10000\n",
		"1/net/sockstat":                       "sockets: used 16\nTCP: inuse 5 orphan 0 tw 3 alloc 9 mem 1\n",
		"1/stat":                               "1 (init (1)) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 3 0 1 1000 256 1 1\n",
		"12/stat":                              "12 (a\nb) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 900 0 1 1000 512 1 1\n",
		"sys/net/ipv4/ip_local_port_range":     "32768\t60999\n",
		"sys/net/netfilter/nf_conntrack_count": "75\n",
		"sys/net/netfilter/nf_conntrack_max":   "100\n",
	} {
		w.write("proc/"+name, text)
	}
}

// TestQuotaIsNoSaturation: of tasks that wait while processors are to be had, the quota of their cgroup is why.
func TestQuotaIsNoSaturation(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.proc(900000, 100, 1000, 100, 100)
	r := w.reader(MachineOptions{Proc: w.root + "/proc"})
	busy, idle := 100, 1000
	step := func(used, spare int) string {
		busy, idle, w.now = busy+used, idle+spare, w.now.Add(15*time.Second)
		w.proc(900000, busy, idle, 100, 100)
		r.tick(w.now)
		return w.texts()
	}
	for range 4 {
		if got := step(300, 700); strings.Contains(got, "psi.cpu") {
			t.Errorf("30%% in use: %s", got)
		}
	}
	if got := r.Saturation()[2]; got.Name != "psi.cpu.some" || got.Over || !strings.HasSuffix(got.Text, "avg60 25, with 0.60 of 2 processors in use: who waits is held back by a quota") {
		t.Errorf("got %+v", got)
	}
	if got := step(900, 100) + step(900, 100); !strings.Contains(got, "saturated.psi.cpu.some 25") {
		t.Errorf("90%% in use: %s", got)
	}
	if got := step(300, 700) + step(300, 700); !strings.Contains(got, "eased.psi.cpu.some") {
		t.Errorf("30%% in use again: %s", got)
	}
}

func TestSaturation(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.use(inPod+"/"+id, 100<<20, 0, 0, 0, 0)
	w.proc(900000, 100, 1000, 100, 100)
	r := w.reader(MachineOptions{Proc: w.root + "/proc", Filesystems: []Filesystem{{"nodefs", w.root}}})
	r.machine.statfs = func(_ string, s *unix.Statfs_t) error {
		*s = unix.Statfs_t{Bsize: 4096, Blocks: 1000, Bavail: 500, Files: 100, Ffree: 50}
		return nil
	}
	r.tick(w.now)
	step := func(available, busy, idle, requests, milliseconds int) string {
		w.now = w.now.Add(15 * time.Second)
		w.proc(available, busy, idle, requests, milliseconds)
		r.tick(w.now)
		return w.texts()
	}
	if diff := cmp.Diff(`node/n1 saturated.psi.cpu.some 25: psi.cpu.some: avg60 25, beyond its mark of 20
node/n1 saturated.pids 950: pids: 950 tasks of pid_max or threads-max 1000, beyond its mark of 900; most by shop/web-0[app] 7 tasks, process 12 (a?b) 900 threads, process 1 (init (1)) 3 threads
node/n1 saturated.conntrack 75: conntrack: 75 of 100 connections of nf_conntrack_max, beyond its mark of 75`, step(50000, 1090, 1010, 200, 30100)); diff != "" {
		t.Errorf("after two readings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`node/n1 saturated.usage.memory 9.728e+08: usage.memory: MemAvailable 51200000 of MemTotal 1024000000, evictionHard memory.available 104857600, beyond its mark of 8.667e+08; most by shop/web-0[app] 100 MiB, process 12 (a?b) 2 MiB, process 1 (init (1)) 1 MiB
node/n1 saturated.usage.cpu 1.98: usage.cpu: 1.98 of 2 processors in use, beyond its mark of 1.8
node/n1 saturated.disk.latency 0.3: disk.latency of sda: 300.0 ms for each of 100 requests in 15s, beyond its mark of 0.1`, step(50000, 2080, 1020, 300, 60100)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := step(160000, 3070, 1030, 400, 90100); got != "" {
		t.Errorf("a little below the mark is not below it: %s", got)
	}
	step(900000, 3080, 2030, 500, 90200)
	if got := step(900000, 3090, 3030, 600, 90300); !strings.Contains(got, "eased.usage.memory") || !strings.Contains(got, "eased.usage.cpu") || !strings.Contains(got, "eased.disk.latency") {
		t.Errorf("got %s", got)
	}
	var names []string
	for _, l := range r.Saturation() {
		names = append(names, strings.TrimSpace(l.Name+" "+l.Of))
	}
	want := "usage.memory, usage.cpu, psi.cpu.some, psi.memory.full, disk.space nodefs, disk.inodes nodefs, disk.latency sda, pids, files, conntrack, ports"
	if diff := cmp.Diff(want, strings.Join(names, ", ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestThisMachine reads what there really is.
func TestThisMachine(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "")
	r := w.reader(MachineOptions{Proc: "/proc", Filesystems: []Filesystem{{"nodefs", "/"}}})
	r.tick(w.now)
	var names []string
	for _, l := range r.Saturation() {
		names = append(names, l.Name)
		if l.Used < 0 || l.Limit > 0 && l.Used > l.Limit && l.Name != "ports" {
			t.Errorf("%v", l)
		}
	}
	for _, name := range []string{"usage.memory", "disk.space", "pids"} {
		if !strings.Contains(strings.Join(names, " "), name) {
			t.Errorf("%s is missing in %v", name, names)
		}
	}
}

func TestDisks(t *testing.T) {
	for name, is := range map[string]bool{
		"sda": true, "sda1": false, "vdb": true, "xvda2": false, "nvme0n1": true, "nvme0n1p1": false, "mmcblk0": true,
		"mmcblk0p2": false, "dm-3": true, "md0": true, "loop0": false, "ram0": false, "sr0": false,
	} {
		if isDisk(name) != is {
			t.Errorf("%s is a disk: %v", name, !is)
		}
	}
}

// TestMostAreNotForAll: who uses most is for those who may see all pods.
func TestMostAreNotForAll(t *testing.T) {
	l := Level{Name: "pids", Used: 2, Mark: 1, Over: true, Text: "2 tasks", Most: []string{"shop/web-0[app] 2 tasks"}}
	e := l.entry(node, noon)
	if e.Names != record.Anybody || e.Brief != "pids: 2 tasks, beyond its mark of 1" || e.Fact.Text != e.Brief+"; most by shop/web-0[app] 2 tasks" {
		t.Errorf("got %+v, %s", e, e.Fact.Text)
	}
	l.Most = nil
	if e := l.entry(node, noon); e.Names != "" || e.Brief != "" {
		t.Errorf("without names: %+v", e)
	}
}
