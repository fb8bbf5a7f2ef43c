// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	fewPoints  = 6  // from which a rate of growth means something
	fewPeriods = 20 // of a tenth of a second, in which a container that has just begun is throttled or not
	lastMinute = uint32(time.Minute / tenth)
)

// summary is what the last minutes of a run say about it. A number that says nothing is left out, but for the kills: that
// there was none is what tells other ends from those for want of memory.
func (g *group) summary(epoch time.Time) []evidence.Fact {
	s := summing{g: g, epoch: epoch}
	if last := g.ring.last(); last != nil {
		s.memory(last)
		s.processors(last)
		s.waits()
		s.processes()
	}
	if g.before.knowsKills {
		f := g.kills(g.ended)
		if late := g.ended.Sub(g.counted); late > 0 {
			f.Text += fmt.Sprintf(", as read %s before the end was seen", late.Round(time.Millisecond))
		}
		s.list = append(s.list, f)
	}
	return s.list
}

// summing makes the facts of one run.
type summing struct {
	g     *group
	epoch time.Time
	list  []evidence.Fact
}

func (s *summing) add(name, file string, value float64, text string) {
	s.list = append(s.list, evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: s.g.ref, At: s.g.ended.UTC(), Where: "cgroup " + file,
		Name: name, Text: text, Value: value,
	})
}

// span says which time the samples are of.
func (s *summing) span() string {
	var first, last uint32
	n := 0
	s.g.ring.all(func(p *point) {
		if n++; n == 1 {
			first = p.at
		}
		last = p.at
	})
	return fmt.Sprintf("in %d samples of the last %s", n, (time.Duration(last-first) * tenth).Round(time.Second))
}

func (s *summing) memory(last *point) {
	r := &s.g.before
	of := ""
	if s.g.limits.memory != unlimited {
		of = fmt.Sprintf(" of memory.max %d", s.g.limits.memory)
	}
	s.add("memory.peak", "memory.peak", float64(r.peak), fmt.Sprintf("memory.peak %d%s", r.peak, of))
	s.add("memory.last", "memory.current", float64(r.current), fmt.Sprintf(
		"memory.current %d%s (anon %d, file %d, slab %d, sock %d, swap %d)", r.current, of, r.anon, r.file, r.slab, r.sock, r.swap))
	s.add("usage.memory", "memory.stat", float64(r.workingSet), fmt.Sprintf("workingSetBytes %d at %s", r.workingSet,
		moment(s.epoch, last.at).UTC().Format(time.RFC3339Nano)))
	if slope, ok := s.growth(); ok {
		s.add("memory.growth", "memory.stat", slope, fmt.Sprintf("working set %+.0f bytes a second %s", slope, s.span()))
	}
}

// growth is the slope of the working set in bytes a second, by least squares.
func (s *summing) growth() (float64, bool) {
	var n, sx, sy, sxx, sxy float64
	base := s.g.ring.last().at
	s.g.ring.all(func(p *point) {
		x, y := (float64(p.at)-float64(base))*tenth.Seconds(), float64(p.working)*1024
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	})
	spread := n*sxx - sx*sx
	if n < fewPoints || spread <= 0 {
		return 0, false
	}
	return (n*sxy - sx*sy) / spread, true
}

func (s *summing) processors(last *point) {
	var periods, throttled, used, took float64
	s.g.ring.all(func(p *point) {
		periods, throttled = periods+float64(p.periods), throttled+float64(p.throttled)
		if last.at-p.at < lastMinute {
			used, took = used+float64(p.cpu), took+float64(p.took)
		}
	})
	if took > 0 {
		cores := used / 1000 / took
		text := fmt.Sprintf("%.3f processors in the last %.0fs", cores, took/1000)
		if quota := s.g.limits.cores(); quota > 0 {
			text += fmt.Sprintf(" of a quota of %g", quota)
		}
		s.add("usage.cpu", "cpu.stat", cores, text)
	}
	if periods >= fewPeriods {
		s.add("cpu.throttled", "cpu.stat", throttled/periods, fmt.Sprintf("nr_throttled %.0f of nr_periods %.0f %s", throttled, periods, s.span()))
	}
}

// waits are the highest pressures of a minute, under the kubelet's names of those of now.
func (s *summing) waits() {
	var cpu, memory, io uint16
	s.g.ring.all(func(p *point) { cpu, memory, io = max(cpu, p.psiCPU), max(memory, p.psiMemory), max(io, p.psiIO) })
	for _, w := range []struct {
		name, file string
		is         uint16
	}{
		{"psi.cpu.some", "cpu.pressure", cpu}, {"psi.memory.full", "memory.pressure", memory}, {"psi.io.full", "io.pressure", io},
	} {
		if w.is > 0 {
			s.add(w.name, w.file, percent(w.is), fmt.Sprintf("avg60 %g, the highest %s", percent(w.is), s.span()))
		}
	}
}

func (s *summing) processes() {
	most := uint32(0)
	s.g.ring.all(func(p *point) { most = max(most, p.pids) })
	if most == 0 {
		return
	}
	text := fmt.Sprintf("pids.current at most %d", most)
	if s.g.limits.pids != unlimited {
		text += fmt.Sprintf(" of pids.max %d", s.g.limits.pids)
	}
	if s.g.before.pidsRefused > 0 {
		text += fmt.Sprintf(", %d refused", s.g.before.pidsRefused)
	}
	s.add("pids.peak", "pids.current", float64(most), text)
}
