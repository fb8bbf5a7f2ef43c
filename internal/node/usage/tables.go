// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"
)

// diskTimes are the counters of one disk: requests that ended, and the time that they took.
type diskTimes struct{ requests, milliseconds uint64 }

// parseDisks reads /proc/diskstats (kernel Documentation/admin-guide/iostats.rst), without partitions and what is no disk.
func parseDisks(b []byte, each func(name string, t diskTimes)) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 11 || !isDisk(string(f[2])) {
			continue
		}
		var n [4]uint64
		ok := true
		for i, at := range []int{3, 6, 7, 10} { // reads, their milliseconds, writes, theirs
			var digit bool
			n[i], digit = digits(f[at])
			ok = ok && digit && n[i] < unlimited/4
		}
		if ok {
			each(string(f[2]), diskTimes{n[0] + n[2], n[1] + n[3]})
		}
	}
}

// isDisk tells disks from their partitions: sda1, nvme0n1p1, mmcblk0p1.
func isDisk(name string) bool {
	digit := name[len(name)-1] >= '0' && name[len(name)-1] <= '9'
	for _, p := range []string{"sd", "vd", "xvd", "hd"} {
		if strings.HasPrefix(name, p) {
			return !digit
		}
	}
	for _, p := range []string{"nvme", "mmcblk"} {
		if strings.HasPrefix(name, p) {
			stem := strings.TrimRight(name, "0123456789")
			return digit && !strings.HasSuffix(stem, "p")
		}
	}
	return strings.HasPrefix(name, "dm-") || strings.HasPrefix(name, "md")
}

const mostDisks = 64

// latencies is how long a request to each disk took on average since the last reading.
func (m *machine) latencies(took time.Duration) {
	disks := make(map[string]diskTimes, len(m.disks))
	parseDisks(m.file("diskstats"), func(name string, t diskTimes) {
		before, known := m.disks[name]
		if len(disks) >= mostDisks {
			return
		}
		disks[name] = t
		n := since(t.requests, before.requests)
		if !known || n < fewRequests || took == 0 {
			return
		}
		await := float64(since(t.milliseconds, before.milliseconds)) / float64(n) / 1000
		m.add(Level{
			Name: "disk.latency", Of: name, Used: await, Mark: slowDisk, Text: fmt.Sprintf("%.1f ms for each of %d requests in %s", 1000*await, n, took.Round(time.Second)),
		})
	})
	m.disks = disks
}

// tables are the kernel's tables of limited size.
func (m *machine) tables() {
	m.tasks()
	if f := bytes.Fields(m.file("sys/fs/file-nr")); len(f) == 3 {
		used, _ := digits(f[0])
		most, _ := digits(f[2])
		if most < 1<<62 { // systemd sets it to the largest number there is
			m.table("files", float64(used), float64(most), filesShare, "file handles of fs.file-max")
		}
	}
	if most := m.number("sys/net/netfilter/nf_conntrack_max"); most > 0 {
		m.table("conntrack", m.number("sys/net/netfilter/nf_conntrack_count"), most, trackShare, "connections of nf_conntrack_max")
	}
	m.ports()
}

func (m *machine) table(name string, used, most, share float64, words string) {
	m.add(Level{Name: name, Used: used, Limit: most, Mark: share * most, Text: fmt.Sprintf("%.0f of %.0f %s", used, most, words)})
}

// tasks are processes and threads, against the smaller of the two limits, as the kubelet has it (pkg/kubelet/stats/pidlimit).
func (m *machine) tasks() {
	f := bytes.Fields(m.file("loadavg"))
	if len(f) < 4 {
		return
	}
	_, all, _ := bytes.Cut(f[3], []byte("/"))
	tasks, ok := digits(all)
	most := m.number("sys/kernel/pid_max")
	if threads := m.number("sys/kernel/threads-max"); threads > 0 {
		most = min(cmp.Or(most, threads), threads)
	}
	if !ok || most == 0 {
		return
	}
	mark := pidShare * most
	if evict := m.evict("pid.available", most); evict > 0 {
		mark = min(mark, most-nearEviction*evict)
	}
	m.add(Level{Name: "pids", Used: float64(tasks), Limit: most, Mark: mark, Text: fmt.Sprintf("%d tasks of pid_max or threads-max %.0f", tasks, most)})
}

// ports are TCP sockets, which may each have one of the ephemeral ports, or be of those who connect to the node. The range
// is one for each destination besides: there is no mark that would not lie.
func (m *machine) ports() {
	used, ok := parseSockets(m.file("1/net/sockstat"))
	f := bytes.Fields(m.file("sys/net/ipv4/ip_local_port_range"))
	if !ok || len(f) != 2 {
		return
	}
	low, _ := digits(f[0])
	high, _ := digits(f[1])
	m.add(Level{
		Name: "ports", Used: float64(used), Limit: float64(since(high+1, low)),
		Text: fmt.Sprintf("%d TCP sockets in use or TIME_WAIT, ephemeral ports %d to %d", used, low, high),
	})
}

// parseSockets reads how many TCP sockets there are, "TCP: inuse 5 orphan 0 tw 1 alloc 6 mem 1".
func parseSockets(b []byte) (n uint64, ok bool) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			if key := string(f[i]); key == "inuse" || key == "tw" {
				is, digit := digits(f[i+1])
				n, ok = n+min(is, 1<<32), ok || digit
			}
		}
	}
	return n, ok
}
