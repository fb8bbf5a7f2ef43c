// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// MachineOptions say what of the node itself is looked at.
type MachineOptions struct {
	Proc        string        // where the host's /proc is; empty: the node is not looked at
	Filesystems []Filesystem  // that matter
	Every       time.Duration // 0: 15 s
	Inotify     time.Duration // between counts of inotify instances, which look at each process; 0: 10 minutes, negative: never

	// Evict is the kubelet's hard threshold of a signal ("memory.available", "nodefs.inodesFree"), an amount or a share
	// of the whole; nil, or not ok: the kubelet's defaults.
	Evict func(signal string) (value float64, share, ok bool)
}

// A Filesystem is one that is looked at.
type Filesystem struct {
	Name string // "nodefs" and "imagefs" have thresholds of the kubelet's
	Path string // of any directory in it
}

// Marks, by where they come from. What is beyond one is not broken yet.
const (
	busyShare    = 0.9  // of the processors, and of memory: NodeCPUHighUsage, NodeMemoryHighUtilization of node-mixin
	filesShare   = 0.7  // NodeFileDescriptorLimit of node-mixin
	trackShare   = 0.75 // NodeHighNumberConntrackEntriesUsed of node-mixin
	pidShare     = 0.9  // ours
	inotifyShare = 0.9  // ours
	diskShare    = 0.85 // imageGCHighThresholdPercent of KubeletConfiguration: from there on images are removed
	inodeShare   = 0.9  // ours, twice what nodefs.inodesFree leaves
	nearEviction = 1.5  // of the kubelet's threshold; ours
	stalledCPU   = 20.0 // percent of a minute; ours, as the other two
	pressedShare = 0.8  // of the processors, below which nobody waits for one; ours
	stalledFull  = 10.0
	slowDisk     = 0.1 // seconds for one request; ours
	fewRequests  = 10  // of which an average says something
)

// evictDefaults are those of the kubelet (kubernetes pkg/kubelet/eviction/defaults_linux.go).
var evictDefaults = map[string]struct {
	value float64
	share bool
}{
	"memory.available": {100 << 20, false}, "nodefs.available": {0.1, true}, "nodefs.inodesFree": {0.05, true},
	"imagefs.available": {0.15, true}, "imagefs.inodesFree": {0.05, true},
}

// A machine is what is known of the node itself.
type machine struct {
	options MachineOptions
	node    Options
	proc    *os.File
	buffer  []byte
	read    time.Time
	levels  []Level
	stands  map[string]*standing
	statfs  func(path string, to *unix.Statfs_t) error

	busy, all   uint64 // processor time at the last reading
	spare       string // that processors are to be had; "": they are not, or nobody knows
	disks       map[string]diskTimes
	inotify     []Level
	inotifyRead time.Time
}

func newMachine(o Options) (*machine, error) {
	if o.Machine.Proc == "" {
		return nil, nil
	}
	proc, err := os.Open(o.Machine.Proc)
	if err != nil {
		return nil, fmt.Errorf("open the host's processes: %w", err)
	}
	if o.Machine.Every == 0 {
		o.Machine.Every = defaultMachine
	}
	if o.Machine.Inotify == 0 {
		o.Machine.Inotify = defaultInotify
	}
	return &machine{
		options: o.Machine, node: o, proc: proc, buffer: make([]byte, maxProc),
		stands: map[string]*standing{}, statfs: unix.Statfs, disks: map[string]diskTimes{},
	}, nil
}

// maxProc is how much of one file is read: diskstats of a node with many volumes is the longest, and stat begins with
// what matters.
const maxProc = 64 << 10

// tick reads what is due, and tells of marks that were passed. Who uses most is only looked up then.
func (m *machine) tick(now time.Time, most func(what string) []string) {
	if !m.read.IsZero() && now.Sub(m.read) < m.options.Every {
		return
	}
	took := now.Sub(m.read)
	if m.read.IsZero() {
		took = 0
	}
	m.read = now
	m.levels = m.levels[:0:0]
	m.memory()
	m.processors()
	m.pressures()
	m.filesystems()
	m.latencies(took)
	m.tables()
	m.watches(now)
	for i := range m.levels {
		m.stand(&m.levels[i], now, most)
	}
	maps.DeleteFunc(m.stands, func(_ string, s *standing) bool { return now.Sub(s.seen) > forgotten })
}

func (m *machine) stand(l *Level, now time.Time, most func(what string) []string) {
	key := l.Name + " " + l.Of
	s := m.stands[key]
	if s == nil {
		s = &standing{}
		m.stands[key] = s
	}
	s.seen = now
	turned := s.turn(l, now)
	l.Over, l.Since = s.over, s.since
	if l.Over {
		l.Most = append(most(l.Name), m.processes(l.Name)...)
	}
	if turned {
		m.node.Tell(l.entry(m.node.Node, now))
	}
}

func (m *machine) add(l Level) { m.levels = append(m.levels, l) }

// file reads a file of the host's /proc.
func (m *machine) file(name string) []byte {
	b, err := read(m.proc, name, m.buffer)
	if err != nil {
		return nil
	}
	return b
}

func (m *machine) number(name string) float64 {
	n, _ := number(m.file(name))
	return float64(n)
}

// evict is the kubelet's threshold of a signal, as an amount of a whole.
func (m *machine) evict(signal string, whole float64) float64 {
	d := evictDefaults[signal]
	value, share := d.value, d.share
	if m.options.Evict != nil {
		if v, s, ok := m.options.Evict(signal); ok {
			value, share = v, s
		}
	}
	if share {
		return value * whole
	}
	return value
}

// memory is what cannot be had, by the kernel's own estimate (proc(5), MemAvailable). The kubelet counts the working set of
// all, which leaves it a little less.
func (m *machine) memory() {
	var total, available uint64
	for line := range bytes.Lines(m.file("meminfo")) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch n, _ := digits(f[1]); string(f[0]) {
		case "MemTotal:":
			total = n << 10
		case "MemAvailable:":
			available = n << 10
		}
	}
	if total == 0 {
		return
	}
	t := float64(total)
	evict := m.evict("memory.available", t)
	m.add(Level{
		Name: "usage.memory", Used: float64(since(total, available)), Limit: t, Mark: min(busyShare*t, t-nearEviction*evict),
		Text: fmt.Sprintf("MemAvailable %d of MemTotal %d, evictionHard memory.available %.0f", available, total, evict),
	})
}

// processors is how many of the processors were in use since the last reading.
func (m *machine) processors() {
	busy, all, n := processorTimes(m.file("stat"))
	wasBusy, wasAll := m.busy, m.all
	m.busy, m.all = busy, all
	if wasAll == 0 || all <= wasAll || n == 0 {
		return
	}
	used := float64(n) * float64(since(busy, wasBusy)) / float64(all-wasAll)
	if m.spare = ""; used < pressedShare*float64(n) {
		m.spare = fmt.Sprintf(", with %.2f of %d processors in use: who waits is held back by a quota", used, n)
	}
	m.add(Level{
		Name: "usage.cpu", Used: used, Limit: float64(n), Mark: busyShare * float64(n), Text: fmt.Sprintf("%.2f of %d processors in use", used, n),
	})
}

// processorTimes reads /proc/stat: time that was spent, all time, and the number of processors.
func processorTimes(b []byte) (busy, all uint64, n int) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 5 || !bytes.HasPrefix(f[0], []byte("cpu")) {
			break
		}
		if len(f[0]) > 3 {
			n++
			continue
		}
		for i, field := range f[1:min(len(f), 9)] { // what follows is counted in these
			t, _ := digits(field)
			t = min(t, 1<<56)
			all += t
			if i != 3 && i != 4 { // idle, iowait
				busy += t
			}
		}
	}
	return busy, all, n
}

// pressures are those of the machine. A task that the CPU quota of its cgroup holds back counts as one that waits (kernel
// kernel/sched/psi.c: it stays queued), so that while processors are to be had nobody waits for one.
func (m *machine) pressures() {
	for _, of := range []struct {
		file, name string
		full       bool
		mark       float64
	}{
		{"pressure/cpu", "psi.cpu.some", false, stalledCPU}, {"pressure/memory", "psi.memory.full", true, stalledFull},
		{"pressure/io", "psi.io.full", true, stalledFull},
	} {
		p := parsePressure(m.file(of.file))
		if !p.known {
			continue
		}
		is := percent(p.some)
		if of.full {
			is = percent(p.full)
		}
		l := Level{Name: of.name, Used: is, Limit: 100, Mark: of.mark, Text: fmt.Sprintf("avg60 %g", is)}
		if !of.full && m.spare != "" {
			l.Used, l.Text = 0, l.Text+m.spare
		}
		m.add(l)
	}
}

// filesystems is space and inodes.
func (m *machine) filesystems() {
	for _, of := range m.options.Filesystems {
		var s unix.Statfs_t
		if err := m.statfs(of.Path, &s); err != nil || s.Blocks == 0 {
			continue
		}
		block := float64(s.Bsize)
		all, free := float64(s.Blocks)*block, float64(s.Bavail)*block
		mark := diskShare * all
		if evict := m.evict(of.Name+".available", all); evict > 0 {
			mark = min(mark, all-nearEviction*evict)
		}
		m.add(Level{
			Name: "disk.space", Of: of.Name, Used: all - free, Limit: all, Mark: mark, Text: fmt.Sprintf("%.0f bytes available of %.0f", free, all),
		})
		if s.Files == 0 { // btrfs has no fixed number
			continue
		}
		inodes, left := float64(s.Files), float64(s.Ffree)
		m.add(Level{
			Name: "disk.inodes", Of: of.Name, Used: inodes - left, Limit: inodes, Mark: inodeShare * inodes, Text: fmt.Sprintf("%.0f inodes free of %.0f", left, inodes),
		})
	}
}
