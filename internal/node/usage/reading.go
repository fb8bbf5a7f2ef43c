// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"os"
	"strings"
)

// A reading is what the files of one control group say at one moment, in the units of v2: bytes and microseconds.
type reading struct {
	current, peak, workingSet     uint64
	anon, file, slab, sock, swap  uint64
	cpu, periods, throttled, held uint64 // held: how long it was
	pids                          uint64
	oom, oomKill, oomGroup        uint64 // oom: times that the limit could not be kept
	pidsRefused                   uint64
	psiCPU, psiMemory, psiIO      pressure
	knowsKills, knowsPeak         bool
}

// limits are what the group may have. They seldom change.
type limits struct {
	memory, pids  uint64
	quota, period uint64 // microseconds of processors in each period
}

// cores is the quota as a number of processors, 0 where there is none.
func (l limits) cores() float64 {
	if l.quota == unlimited || l.period == 0 || l.quota == 0 {
		return 0
	}
	return float64(l.quota) / float64(l.period)
}

// A source reads control groups of one layout with one buffer.
type source struct {
	layout layout
	buffer []byte
}

// number reads a file of one number; false where there is none.
func (s *source) number(f *files, name string) (uint64, bool) {
	b, err := read(f.of(name), name, s.buffer)
	if err != nil {
		return 0, false
	}
	return number(b)
}

// keyed reads a flat-keyed file, if there is one.
func (s *source) keyed(f *files, name string, each func([]byte, uint64)) {
	if b, err := read(f.of(name), name, s.buffer); err == nil {
		keyed(b, each)
	}
}

// pressure reads a file of pressure.
func (s *source) pressure(f *files, name string) pressure {
	b, err := read(f.pressed, name, s.buffer)
	if err != nil {
		return pressure{}
	}
	return parsePressure(b)
}

// read reads everything; it fails with ENOENT or ENODEV when the group is gone.
func (s *source) read(f *files) (reading, error) {
	var r reading
	current, each := "memory.usage_in_bytes", s.readLegacy
	if s.layout.unified {
		current, each = "memory.current", s.readUnified
	}
	b, err := read(f.memory, current, s.buffer)
	if err != nil {
		return r, err
	}
	var ok bool
	if r.current, ok = number(b); !ok {
		return r, errAbsent
	}
	s.counters(f, &r)
	each(f, &r)
	r.pids, _ = s.number(f, "pids.current")
	s.keyed(f, "pids.events", func(key []byte, n uint64) {
		if string(key) == "max" {
			r.pidsRefused = n
		}
	})
	r.psiCPU, r.psiMemory, r.psiIO = s.pressure(f, "cpu.pressure"), s.pressure(f, "memory.pressure"), s.pressure(f, "io.pressure")
	r.peak = max(r.peak, r.current)
	return r, nil
}

// counters reads what outlives the processes of a group: the peak and the kills.
func (s *source) counters(f *files, r *reading) {
	s.events(f, r)
	name := "memory.peak" // since Linux 5.19
	if !s.layout.unified {
		name = "memory.max_usage_in_bytes"
	}
	if n, ok := s.number(f, name); ok {
		r.peak, r.knowsPeak = max(r.peak, n), true
	}
}

// readUnified reads what is v2's alone. The root of a container's memory is memory.current, not the sum of its parts.
func (s *source) readUnified(f *files, r *reading) {
	inactive := uint64(0)
	s.keyed(f, "memory.stat", func(key []byte, n uint64) {
		switch string(key) {
		case "anon":
			r.anon = n
		case "file":
			r.file = n
		case "slab":
			r.slab = n
		case "sock":
			r.sock = n
		case "inactive_file":
			inactive = n
		}
	})
	r.swap, _ = s.number(f, "memory.swap.current")
	r.workingSet = r.current - min(inactive, r.current)
	s.keyed(f, "cpu.stat", func(key []byte, n uint64) {
		switch string(key) {
		case "usage_usec":
			r.cpu = n
		case "nr_periods":
			r.periods = n
		case "nr_throttled":
			r.throttled = n
		case "throttled_usec":
			r.held = n
		}
	})
}

// events reads the counters of kills, which are those since the group was made: for a container, since its run began.
func (s *source) events(f *files, r *reading) {
	name := "memory.events"
	if !s.layout.unified {
		name = "memory.oom_control"
	}
	s.keyed(f, name, func(key []byte, n uint64) {
		switch string(key) {
		case "oom":
			r.oom = n
		case "oom_kill": // v1 has it since Linux 4.13
			r.oomKill, r.knowsKills = n, true
		case "oom_group_kill": // since Linux 5.17
			r.oomGroup = n
		}
	})
}

// readLegacy reads what is v1's alone.
func (s *source) readLegacy(f *files, r *reading) {
	inactive := uint64(0)
	s.keyed(f, "memory.stat", func(key []byte, n uint64) {
		switch string(key) {
		case "total_rss":
			r.anon = n
		case "total_cache":
			r.file = n
		case "total_swap":
			r.swap = n
		case "total_inactive_file":
			inactive = n
		}
	})
	r.slab, _ = s.number(f, "memory.kmem.usage_in_bytes") // of the kernel, which is slab for the most part
	r.sock, _ = s.number(f, "memory.kmem.tcp.usage_in_bytes")
	r.workingSet = r.current - min(inactive, r.current)
	used, _ := s.number(f, "cpuacct.usage")
	r.cpu = used / 1000
	s.keyed(f, "cpu.stat", func(key []byte, n uint64) {
		switch string(key) {
		case "nr_periods":
			r.periods = n
		case "nr_throttled":
			r.throttled = n
		case "throttled_time":
			r.held = n / 1000
		}
	})
}

// limits reads what the group may have.
func (s *source) limits(f *files) limits {
	l := limits{memory: unlimited, pids: unlimited, quota: unlimited}
	memory := "memory.max"
	if s.layout.unified {
		if b, err := read(f.cpu, "cpu.max", s.buffer); err == nil { // "max 100000"
			quota, period, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
			l.quota = limit([]byte(quota))
			l.period, _ = digits([]byte(period))
		}
	} else {
		memory = "memory.limit_in_bytes"
		if n, ok := s.number(f, "cpu.cfs_quota_us"); ok {
			l.quota = n
		}
		l.period, _ = s.number(f, "cpu.cfs_period_us")
	}
	if b, err := read(f.memory, memory, s.buffer); err == nil {
		l.memory = limit(b)
	}
	if b, err := read(f.pids, "pids.max", s.buffer); err == nil {
		l.pids = limit(b)
	}
	return l
}

// of is the directory that has the file of this name.
func (f *files) of(name string) *os.File {
	switch {
	case strings.HasPrefix(name, "memory."):
		return f.memory
	case strings.HasPrefix(name, "cpuacct."):
		return f.acct
	case strings.HasPrefix(name, "cpu."):
		return f.cpu
	}
	return f.pids
}
