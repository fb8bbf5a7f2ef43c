// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"math"
	"slices"
	"time"
)

// A Shape is how use goes over time.
type Shape string

// The shapes. Where little is known it is Unknown.
const (
	Unknown Shape = "unknown"
	Steady  Shape = "steady"
	Daily   Shape = "daily"         // it rises and falls with the hour of the day
	Bursty  Shape = "bursty"        // short peaks far above the rest
	Spike   Shape = "start-up peak" // the first minutes need far more than all after
	Leak    Shape = "leak"          // it grows as long as the container runs
	Growing Shape = "growing"       // and that is not known for long enough to tell a leak from a day's rise
)

const (
	blocks     = 8               // that a history is looked at in
	fewSamples = 24              // below which nothing is said
	shortest   = time.Hour       // that samples must be of, so that what was not seen in them does not count as never
	fewOfRun   = 12              // of one run among them, below which it is not asked whether it grows
	starting   = 5 * time.Minute // that a start takes at most, as far as its peak goes
	farAbove   = 1.3             // times what comes after, from which on a peak is one
	day        = 24 * time.Hour
	leakGain   = 0.1 // of what it uses, that a leak gains at least while it is looked at
)

// shapeOf says how the use of a container goes over time.
func shapeOf(list []Series) Shape {
	samples := all(list)
	if len(samples) < fewSamples {
		return Unknown
	}
	if grows := growing(list); grows != "" {
		return grows
	}
	if spikes(list) {
		return Spike
	}
	if daily(samples) {
		return Daily
	}
	values := valuesOf(samples)
	slices.Sort(values)
	high, usual := values[len(values)-1], values[len(values)*9/10]
	if usual > 0 && high > farAbove*usual {
		return Bursty
	}
	return Steady
}

func valuesOf(samples []Sample) []float64 {
	values := make([]float64, 0, len(samples))
	for _, s := range samples {
		values = append(values, s.Value)
	}
	return values
}

// growing tells a leak: one run that grows for two days or more, or three in four of several. What grows for less than two days may do
// so by the hour of the day.
func growing(list []Series) Shape {
	grow, looked := 0, 0
	longest := time.Duration(0)
	for _, s := range list {
		if len(s.Samples) < fewOfRun {
			continue
		}
		if looked++; grows(s.Samples) {
			grow, longest = grow+1, max(longest, span(s.Samples))
		}
	}
	switch {
	case longest >= 2*day && 2*grow > looked, grow >= 3 && 4*grow >= 3*looked:
		return Leak
	case 2*grow > looked:
		return Growing
	}
	return ""
}

// grows tells whether what a run never falls below rises from block to block, and in the last third about as fast as in all: what is
// only filled up, as a cache or a heap, slows down.
func grows(samples []Sample) bool {
	least := perBlock(samples, slices.Min[[]float64])
	if len(least) < blocks/2 {
		return false
	}
	n, third := len(least)-1, len(least)*2/3
	gain, mean := least[n]-least[0], (least[n]+least[0])/2
	steady := (least[n]-least[third])/float64(n-third) >= 0.5*gain/float64(n)
	return rising(least) && gain >= leakGain*mean && steady
}

// perBlock applies a function to the values of each block of the time that samples cover; empty blocks are left out.
func perBlock(samples []Sample, of func([]float64) float64) []float64 {
	first, whole := samples[0].At, span(samples)
	groups := make([][]float64, blocks)
	for _, s := range samples {
		i := 0
		if whole > 0 {
			i = min(int(int64(s.At.Sub(first))*blocks/int64(whole+1)), blocks-1)
		}
		groups[i] = append(groups[i], s.Value)
	}
	var list []float64
	for _, g := range groups {
		if len(g) > 0 {
			list = append(list, of(g))
		}
	}
	return list
}

// starts tells whether a sample is of the first minutes of a run.
func (s *Series) starts(m Sample) bool { return m.At.Add(-s.Over).Sub(s.Began) <= starting }

// spikes tells whether the runs whose beginning was measured needed far more in their first minutes than ever after.
func spikes(list []Series) bool {
	seen, high := 0, 0
	for _, s := range list {
		var first, later float64
		for _, m := range s.Samples {
			if s.starts(m) {
				first = max(first, m.Value)
			} else {
				later = max(later, m.Value)
			}
		}
		if s.Began.IsZero() || first == 0 || later == 0 {
			continue
		}
		if seen++; first > farAbove*later {
			high++
		}
	}
	return seen > 0 && 2*high > seen
}

// daily tells whether use goes with the hour of the day: the hours' means explain most of the spread, over two days at least.
func daily(samples []Sample) bool {
	if span(samples) < 2*day {
		return false
	}
	var sum, n [24]float64
	total := 0.0
	for _, s := range samples {
		h := s.At.UTC().Hour()
		sum[h], n[h], total = sum[h]+s.Value, n[h]+1, total+s.Value
	}
	mean := total / float64(len(samples))
	var between, spread float64
	for _, s := range samples {
		h := s.At.UTC().Hour()
		between += (sum[h]/n[h] - mean) * (sum[h]/n[h] - mean)
		spread += (s.Value - mean) * (s.Value - mean)
	}
	return spread > 0 && between > 0.5*spread && math.Sqrt(spread/float64(len(samples))) > 0.05*mean
}
