// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Sample is what a container used at one moment, or since the sample before it.
type Sample struct {
	At         time.Time     `json:"at"`
	Memory     uint64        `json:"memory"`     // bytes, all that is charged to it
	WorkingSet uint64        `json:"workingSet"` // bytes, without the file pages that are easily taken back, as the kubelet counts
	Anon       uint64        `json:"anon"`       // bytes
	File       uint64        `json:"file"`       // bytes
	Slab       uint64        `json:"slab"`       // bytes of the kernel; with v1 all of the kernel's
	Sock       uint64        `json:"sock"`       // bytes
	Swap       uint64        `json:"swap"`       // bytes
	Took       time.Duration `json:"took"`       // since the sample before
	CPU        time.Duration `json:"cpu"`        // of processors, in that time
	Periods    int           `json:"periods"`    // of the CPU quota, in that time
	Throttled  int           `json:"throttled"`  // of them
	PIDs       int           `json:"pids"`
	OOMKills   int           `json:"oomKills"` // since the run began
	PSICPU     float64       `json:"psiCPU"`   // percent of the last minute in which something waited for a processor
	PSIMemory  float64       `json:"psiMemory"`
	PSIIO      float64       `json:"psiIO"` // these two: in which everything waited
}

// sample unpacks a point.
func (p *point) sample(epoch time.Time) Sample {
	bytes := func(kib uint32) uint64 { return uint64(kib) << 10 }
	return Sample{
		At: moment(epoch, p.at), Took: time.Duration(p.took) * time.Millisecond,
		Memory: bytes(p.memory), WorkingSet: bytes(p.working), Anon: bytes(p.anon), File: bytes(p.file),
		Slab: bytes(p.slab), Sock: bytes(p.sock), Swap: bytes(p.swap),
		CPU: time.Duration(p.cpu) * time.Microsecond, Periods: int(p.periods), Throttled: int(p.throttled),
		PIDs: int(p.pids), OOMKills: int(p.kills),
		PSICPU: percent(p.psiCPU), PSIMemory: percent(p.psiMemory), PSIIO: percent(p.psiIO),
	}
}

// Samples are what is known of the last ten minutes of a container: of the run that is named, or of the newest one.
func (r *Reader) Samples(of evidence.Ref) []Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *group
	consider := func(g *group) {
		if g.placed && g.ref.InAttempt(of.Attempt) == of && (of.Attempt == evidence.NoAttempt || of.Attempt == g.ref.Attempt) &&
			(found == nil || g.ref.Attempt >= found.ref.Attempt) {
			found = g
		}
	}
	for _, g := range r.ended {
		consider(g)
	}
	for _, g := range r.groups {
		consider(g)
	}
	if found == nil {
		return nil
	}
	samples := make([]Sample, 0, len(found.ring.points))
	found.ring.all(func(p *point) { samples = append(samples, p.sample(r.epoch)) })
	return samples
}
