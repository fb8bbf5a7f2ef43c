// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"math"
	"time"
)

// A point is a sample as it is kept: 68 bytes, which for 110 containers and ten minutes is less than 1 MiB. Memory is in KiB,
// at in tenths of a second since the reader began, which lasts for thirteen years, and took in milliseconds.
type point struct {
	at, took                                      uint32
	memory, working, anon, file, slab, sock, swap uint32
	cpu                                           uint32 // microseconds
	pids                                          uint32
	periods, throttled, kills                     uint16
	psiCPU, psiMemory, psiIO                      uint16
}

// A ring keeps the newest points. It takes no more room than it has points, up to its most.
type ring struct {
	points []point
	next   int // where the next one goes, once it is full
	most   int
}

func (r *ring) add(p point) {
	if len(r.points) < r.most {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % len(r.points)
}

// all are the points, oldest first.
func (r *ring) all(each func(p *point)) {
	for i := range r.points {
		each(&r.points[(r.next+i)%len(r.points)])
	}
}

func (r *ring) last() *point {
	if len(r.points) == 0 {
		return nil
	}
	return &r.points[(r.next+len(r.points)-1)%len(r.points)]
}

// pointOf packs a reading and what was before it. A counter that went back, which it never does, counts as unchanged.
func pointOf(at, took uint32, now, before *reading) point {
	return point{
		at: at, took: took,
		memory: kib(now.current), working: kib(now.workingSet), anon: kib(now.anon), file: kib(now.file),
		slab: kib(now.slab), sock: kib(now.sock), swap: kib(now.swap),
		cpu: clip32(since(now.cpu, before.cpu)), pids: clip32(now.pids),
		periods: clip16(since(now.periods, before.periods)), throttled: clip16(since(now.throttled, before.throttled)),
		kills:  clip16(now.oomKill),
		psiCPU: now.psiCPU.some, psiMemory: now.psiMemory.full, psiIO: now.psiIO.full,
	}
}

func since(now, before uint64) uint64 { return now - min(now, before) }

func kib(n uint64) uint32 { return clip32(n >> 10) }

func clip32(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }

func clip16(n uint64) uint16 { return uint16(min(n, math.MaxUint16)) }

// tenth is the unit of the time of a point.
const tenth = 100 * time.Millisecond

// moment is when a point was.
func moment(epoch time.Time, at uint32) time.Time { return epoch.Add(time.Duration(at) * tenth) }

func percent(hundredths uint16) float64 { return float64(hundredths) / 100 }
