// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/advise"
)

const (
	least   = 0.03      // of the peak, that a limit is above it at least
	seldom  = 0.1       // and where peaks are few: each says less of the next
	surely  = 2         // times by which the highest peak is above that of half of the blocks of a history, that a limit is above it: with peaks as Gumbel has them, one in a hundred such times gets there
	mostTop = 0.3       // of the peak, that a limit is above it at most for that
	bump    = 1.2       // after a kill, as the Vertical Pod Autoscaler does (aggregations_config.go: DefaultOOMBumpUpRatio)
	bumpMin = 100 << 20 // bytes, and at least (DefaultOOMMinBumpUp)
	startUp = time.Minute
	settled = 10 * time.Minute // that a run lives which grows into its limit
	native  = 1.25             // times its heap, that a virtual machine needs with its stacks, code and buffers
)

// A need is how much memory a container needs, and why.
type need struct {
	shape   Shape
	peak    float64 // bytes, the highest that was seen
	asks    float64 // that a request is to be: peak, unless that may be page cache alone
	limit   float64 // that is to be; 0 where none can be told
	fills   bool    // the kernel's count came to the limit, and nothing was killed there
	short   bool    // too short a record to tell what it needs at other times
	reasons []string
}

func (n *need) because(format string, args ...any) {
	n.reasons = append(n.reasons, fmt.Sprintf(format, args...))
}

// memory says how much memory the container needs. Never more for what grows without end.
func (o *Subject) memory() need {
	samples := all(o.Memory)
	n := need{shape: shapeOf(o.Memory), short: o.Short()}
	for _, s := range samples {
		n.peak = max(n.peak, s.Value)
	}
	sampled, missed := n.peak, n.short || span(samples) < o.Watched/2
	n.counted(o.Peaks, missed)
	n.fills = n.peak > sampled && o.fills(n.peak)
	if n.shape == Growing && len(o.Kills) > 0 || n.shape != Leak && o.killedInRhythm() {
		n.shape = Leak
	}
	if (n.shape == Leak || n.shape == Growing) && len(o.Kills) > 0 {
		n.because("it was killed for memory %s", often(len(o.Kills)))
	}
	switch n.shape {
	case Leak:
		n.because("a leak: its memory grows as long as it runs: more would only put off its end, so its limit stays as it is; find what it keeps, with a heap profile of a run that is near its end")
		return n
	case Growing:
		n.because("its memory grew all the time that was looked at, which is less than two days: that may be a leak or the rise of a day; ask again later")
		return n
	}
	n.roomFor(o, samples, sampled)
	if !n.fills {
		sampled = n.peak
	}
	n.asks = n.asked(amounts(&o.Spec).RequestMemory, n.kills(o.Kills, sampled), missed)
	if n.limit > 0 && o.Grew.Over > 0 {
		n.because("before that it grew by %s over %s, as with a leak or a cache without a bound: if it is killed again after about as long, more memory does not cure it, and a heap profile of a run that is near its end tells what it keeps", Bytes(o.Grew.By), advise.Round(o.Grew.Over))
	}
	return n
}

// roomFor sets a limit with room above the peak. A peak that came to the limit, where nothing was killed, may be page cache, which fills a limit whatever
// it is: it takes no limit higher that was proposed for it, and what was sampled alone may.
func (n *need) roomFor(o *Subject, samples []Sample, sampled float64) {
	bounded, now := heap(o.told()) > 0, amounts(&o.Spec).LimitMemory
	short := n.short && o.Watched >= shortest
	if n.limit = n.withRoom(samples, bounded); short {
		n.limit = max(n.limit, n.peak*(1+seldom))
	}
	switch {
	case n.fills && n.limit > now:
		of := need{shape: n.shape, peak: sampled}
		n.limit = max(now, of.withRoom(samples, bounded))
		n.because("the kernel counted a peak of %s, which is its limit, and nothing was killed there: page cache fills a limit whatever it is, so only what was sampled asks for more", Bytes(n.peak))
	case short:
		n.because("the kernel counted a peak of %s, page cache and all, in runs of up to %s, of which %s are samples: the limit is a tenth above that at least", Bytes(n.peak), advise.Round(o.Watched), advise.Round(span(samples)))
	}
}

// asked is what a request goes by: the peak, unless that may be page cache alone. Then it is what is known to have been needed, and no less than what is
// requested already, up to the peak.
func (n *need) asked(now, known float64, missed bool) float64 {
	if !n.fills || missed && now == 0 {
		return n.peak
	}
	return max(known, min(now, n.peak))
}

// fills tells whether a peak that the kernel counted came to the limit, and the container was not killed there.
func (o *Subject) fills(peak float64) bool {
	limit := amounts(&o.Spec).LimitMemory
	killed := slices.ContainsFunc(o.Kills, func(k Kill) bool { return k.Limit == 0 || k.Limit >= full*limit })
	return !killed && peak >= full*limit && peak <= limit
}

// Short tells whether the record is too short to tell what the container needs at other times.
func (o *Subject) Short() bool {
	samples := all(o.Memory)
	return len(samples) < fewSamples || span(samples) < shortest
}

// counted takes the peaks that the kernel counted into account. They include the page cache, which it takes back before it kills: what is
// far above all samples is that, unless these miss much of the time that it was counted in.
func (n *need) counted(peaks []Sample, missed bool) {
	sampled, cache := n.peak, 0.0
	for _, s := range peaks {
		far := sampled > 0 && s.Value > farAbove*sampled
		if far {
			cache = max(cache, s.Value)
		}
		if missed || !far {
			n.peak = max(n.peak, s.Value)
		}
	}
	switch {
	case cache == 0:
	case !missed:
		n.because("the kernel counted a peak of %s, which is page cache for the most part and was not needed: no sample of the working set is above %s", Bytes(cache), Bytes(sampled))
	case !n.short:
		n.because("the kernel counted a peak of %s, of which much may be page cache: no sample of the working set is above %s, but these miss most of the time that it was counted in, so it counts", Bytes(cache), Bytes(sampled))
	}
}

// withRoom is a limit above the peak by what the peaks of the parts of the history differ: as much as a time of the same length
// after it may. Where they rise from part to part, it leaves room for as much again, unless a heap has its bound.
func (n *need) withRoom(samples []Sample, bounded bool) float64 {
	if len(samples) < fewSamples {
		return 0
	}
	peaks := perBlock(samples, slices.Max[[]float64])
	sorted := slices.Sorted(slices.Values(peaks))
	usual := sorted[len(sorted)/2]
	floor := least
	if n.shape == Bursty || n.shape == Spike {
		floor = seldom
	}
	room := max(floor*n.peak, min(surely*(sorted[len(sorted)-1]-usual), mostTop*n.peak))
	if bounded {
		room = least * n.peak
	} else if rising(peaks) {
		room += peaks[len(peaks)-1] - peaks[0]
		n.because("its peaks rise from one eighth of the record to the next: there is room for as much again")
	}
	n.because("its peak was %s, half of the eighths of the record stay below %s, and the limit leaves %s", Bytes(n.peak), Bytes(usual), Bytes(room))
	return n.peak + room
}

func often(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// rising tells whether values grow but for one.
func rising(values []float64) bool {
	rises := 0
	for i := 1; i < len(values); i++ {
		if values[i] > values[i-1] {
			rises++
		}
	}
	return len(values) > 3 && rises >= len(values)-2
}

// kills raises the limit above those at which the container was killed, and above what it is known to have needed, which it returns.
func (n *need) kills(kills []Kill, known float64) float64 {
	at, soon := 0.0, 0
	for _, k := range kills {
		at = max(at, k.Limit)
		if k.Lived <= startUp {
			soon++
		}
	}
	switch {
	case len(kills) == 0:
		return known
	case at == 0:
		n.because("it was killed for memory %s with no limit of its own: its node, or a limit of its whole pod, had no more", often(len(kills)))
		n.limit = 0
		return known
	}
	n.peak, known = max(n.peak, at), max(known, at)
	n.limit = max(n.limit, at*bump, at+bumpMin, known*(1+seldom)) // it may have used more since, with another limit
	n.because("it was killed for memory %s, with a limit of %s at most: nobody knows how much it would have taken, so it gets a fifth more, 100Mi at least, as the Vertical Pod Autoscaler does", often(len(kills)), Bytes(at))
	switch {
	case soon == 1 && len(kills) == 1:
		n.because("that was within a minute of its start: it needs more than that to start")
	case 2*soon > len(kills):
		n.because("%d of these were within a minute of its start: it needs more than that to start", soon)
	}
	return known
}

// killedInRhythm tells whether runs were killed for memory again and again after about the same time, none of them soon: memory that
// grows until the limit, at the same pace.
func (o *Subject) killedInRhythm() bool {
	var lived []time.Duration
	for _, k := range o.Kills {
		if k.Lived >= settled {
			lived = append(lived, k.Lived)
		}
	}
	return len(lived) >= 3 && slices.Min(lived) >= slices.Max(lived)*3/4
}

// Bytes is an amount of memory as Kubernetes writes it, up to the next mebibyte.
func Bytes(n float64) string { return fmt.Sprintf("%dMi", int64(math.Ceil(n/(1<<20)))) }

// Cores are processors as Kubernetes writes them, up to the next thousandth.
func Cores(n float64) string { return fmt.Sprintf("%dm", int64(math.Ceil(n*1000-1e-9))) }
