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
	stall      = 200 // hundredths of a percent of the last minute
)

// summary is what the last minutes of a run say about it. A number that says nothing is left out, but for the kills: that
// there was none is what tells other ends from those for want of memory.
func (g *group) summary(epoch time.Time) []evidence.Fact {
	list := g.course(epoch, g.ended)
	if g.before.knowsKills {
		f := g.kills(g.ended)
		if late := g.ended.Sub(g.counted); late > 0 {
			f.Text += fmt.Sprintf(", as read %s before the end was seen", late.Round(time.Millisecond))
		}
		list = append(list, f)
	}
	return list
}

// course is what the samples say, at the end of a run or at any time in it.
func (g *group) course(epoch, at time.Time) []evidence.Fact {
	s := summing{g: g, epoch: epoch, at: at}
	if last := g.ring.last(); last != nil {
		g.ring.all(func(p *point) { s.points = append(s.points, p) })
		s.memory(last)
		s.processors(last)
		s.waits()
		s.processes()
		s.curves()
	}
	return s.list
}

// summing makes the facts of one run.
type summing struct {
	g         *group
	epoch, at time.Time
	points    []*point // oldest first
	list      []evidence.Fact
}

func (s *summing) add(name, file string, value float64, text string) {
	s.addAt(s.at, name, file, value, text)
}

func (s *summing) addAt(at time.Time, name, file string, value float64, text string) {
	s.list = append(s.list, evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: s.g.ref, At: at.UTC(), Where: "cgroup " + file,
		Name: name, Text: text, Value: value,
	})
}

// lately returns the samples from which on something held until the last one. Up to two in a row that do not say so are passed over.
func (s *summing) lately(holds func(*point) bool) []*point {
	first, without := len(s.points), 0
	for i := len(s.points) - 1; i >= 0 && without <= 2; i-- {
		if without++; holds(s.points[i]) {
			first, without = i, 0
		}
	}
	return s.points[first:]
}

// since says from when on something was so in all of these samples, with the sample before the first as its beginning. Of what began
// before there were samples it is not known when.
func (s *summing) since(of []*point) (at time.Time, words string) {
	at = moment(s.epoch, of[0].at).Add(-time.Duration(of[0].took) * time.Millisecond)
	words = "since " + at.UTC().Format(time.RFC3339)
	if of[0] == s.points[0] && (!s.g.born || at.Sub(s.g.first) > time.Second) {
		words = "at least " + words
	}
	return at, words
}

// span says which time the samples are of.
func (s *summing) span() string {
	n := len(s.points)
	first, last := s.points[0].at, s.points[n-1].at
	return fmt.Sprintf("in %d samples of the last %s", n, (time.Duration(last-first) * tenth).Round(time.Second))
}

func (s *summing) memory(last *point) {
	r := &s.g.before
	of := ""
	if s.g.limits.memory != unlimited {
		of = fmt.Sprintf(" of memory.max %d", s.g.limits.memory)
	}
	peak := "memory.peak"
	if !r.knowsPeak { // only samples have it, and a burst may lie between two
		peak = "memory.current"
	}
	s.add("memory.peak", peak, float64(r.peak), fmt.Sprintf("%s %d%s", peak, r.peak, of))
	s.add("memory.last", "memory.current", float64(r.current), fmt.Sprintf(
		"memory.current %d%s (anon %d, file %d, slab %d, sock %d, swap %d)", r.current, of, r.anon, r.file, r.slab, r.sock, r.swap))
	s.add("usage.memory", "memory.stat", float64(r.workingSet), fmt.Sprintf("workingSetBytes %d at %s", r.workingSet,
		moment(s.epoch, last.at).UTC().Format(time.RFC3339Nano)))
	if slope, ok := s.growth(); ok {
		s.add("memory.growth", "memory.stat", slope, fmt.Sprintf("working set %+.0f bytes a second %s", slope, s.span()))
	}
	s.rise(last)
}

// rise tells of how much the working set was at least, and since when it rose from there: three quarters of what it gained lie behind
// that time, whether that was minutes ago or seconds.
func (s *summing) rise(last *point) {
	least := last
	for _, p := range s.points {
		if p.working < least.working {
			least = p
		}
	}
	if len(s.points) < fewPoints {
		return
	}
	s.add("memory.least", "memory.stat", float64(least.working)*1024, fmt.Sprintf("workingSetBytes at least %d %s", uint64(least.working)*1024, s.span()))
	from := least.working + (last.working-least.working)/4
	rising := s.lately(func(p *point) bool { return p.working > from })
	if len(rising) == 0 || last.working-least.working <= last.working/8 {
		return
	}
	at, words := s.since(rising)
	gained := uint64(last.working-from) * 1024
	s.addAt(at, "began.memory", "memory.stat", float64(gained), fmt.Sprintf("workingSetBytes rose by %d %s", gained, words))
}

// growth is the slope of the working set in bytes a second, by least squares.
func (s *summing) growth() (float64, bool) {
	var n, sx, sy, sxx, sxy float64
	base := s.g.ring.last().at
	for _, p := range s.points {
		x, y := (float64(p.at)-float64(base))*tenth.Seconds(), float64(p.working)*1024
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	spread := n*sxx - sx*sx
	if n < fewPoints || spread <= 0 {
		return 0, false
	}
	return (n*sxy - sx*sy) / spread, true
}

func (s *summing) processors(last *point) {
	var periods, throttled, used, took float64
	for _, p := range s.points {
		periods, throttled = periods+float64(p.periods), throttled+float64(p.throttled)
		if last.at-p.at < lastMinute {
			used, took = used+float64(p.cpu), took+float64(p.took)
		}
	}
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
	s.heldBack()
}

// heldBack tells since when the processor quota held the container back in a quarter of its time or more.
func (s *summing) heldBack() {
	held := s.lately(func(p *point) bool { return p.periods > 0 && 4*p.throttled >= p.periods })
	var periods, throttled int
	for _, p := range held {
		periods, throttled = periods+int(p.periods), throttled+int(p.throttled)
	}
	if periods < fewPeriods {
		return
	}
	at, words := s.since(held)
	s.addAt(at, "began.cpu.throttled", "cpu.stat", float64(throttled)/float64(periods), fmt.Sprintf("nr_throttled %d of nr_periods %d %s", throttled, periods, words))
}

// waits are the highest pressures of a minute, under the kubelet's names of those of now.
func (s *summing) waits() {
	for _, w := range []struct {
		name, file string
		of         func(*point) uint16
	}{
		{"psi.cpu.some", "cpu.pressure", func(p *point) uint16 { return p.psiCPU }},
		{"psi.memory.full", "memory.pressure", func(p *point) uint16 { return p.psiMemory }},
		{"psi.io.full", "io.pressure", func(p *point) uint16 { return p.psiIO }},
	} {
		highest := uint16(0)
		for _, p := range s.points {
			highest = max(highest, w.of(p))
		}
		if highest > 0 {
			s.add(w.name, w.file, percent(highest), fmt.Sprintf("avg60 %g, the highest %s", percent(highest), s.span()))
		}
		if stalls := s.lately(func(p *point) bool { return w.of(p) >= stall }); len(stalls) > 0 {
			at, words := s.since(stalls)
			s.addAt(at, "began."+w.name, w.file, percent(highest), fmt.Sprintf("avg60 of 2 or more %s, the highest %g", words, percent(highest)))
		}
	}
}

func (s *summing) processes() {
	most := uint32(0)
	for _, p := range s.points {
		most = max(most, p.pids)
	}
	if most == 0 {
		return
	}
	of := ""
	if s.g.limits.pids != unlimited {
		of = fmt.Sprintf(" of pids.max %d", s.g.limits.pids)
	}
	s.add("pids.peak", "pids.current", float64(most), fmt.Sprintf("pids.current at most %d%s", most, of))
	if refused := s.g.before.pidsRefused; refused > 0 {
		s.add("pids.refused", "pids.events", float64(refused), fmt.Sprintf("max %d: so often no process or thread could be made%s", refused, of))
	}
}
