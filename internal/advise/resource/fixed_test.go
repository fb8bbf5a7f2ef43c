// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

// TestFixedPoint: what is advised of a container that has what was advised is nothing, be what was measured the same, or be the new limit full of page
// cache as the old one was.
func TestFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawSubject(t)
		first := Advise(o)
		again := Advise(taken(o, first.Proposed, false))
		if again.Fix != nil {
			t.Fatalf("of the same it advises %+v and then %+v: %q", first.Proposed, again.Proposed, again.Reasons)
		}
		full := Advise(taken(o, first.Proposed, true))
		if full.Proposed.LimitMemory > first.Proposed.LimitMemory || full.Proposed.RequestMemory > first.Proposed.RequestMemory {
			t.Fatalf("of a full limit it advises %+v and then %+v: %q", first.Proposed, full.Proposed, full.Reasons)
		}
	})
}

// drawSubject draws a container with what was measured of it: samples below its limit, and peaks that the kernel counted, which page cache may bring to it.
func drawSubject(t *rapid.T) Subject {
	limit := rapid.SampledFrom([]int{0, 64, 100, 333, 1024}).Draw(t, "limit")
	request := rapid.IntRange(0, max(limit, 64)).Draw(t, "request")
	text := func(n int, unit string) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n) + unit
	}
	o := Subject{Container: container(text(request, "Mi"), text(limit, "Mi"), text(rapid.SampledFrom([]int{0, 100, 500}).Draw(t, "cpu"), "m"), text(rapid.SampledFrom([]int{0, 500}).Draw(t, "most"), "m"))}
	most := float64(max(limit, 200)) * mib
	base := rapid.Float64Range(0.05, 0.9).Draw(t, "base") * most
	bursts := rapid.Float64Range(0, 0.1).Draw(t, "bursts")
	high := rapid.IntRange(2, 50).Draw(t, "every")
	n := rapid.SampledFrom([]int{0, 10, 144, 500}).Draw(t, "samples")
	o.Memory = course(n, rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute}).Draw(t, "step"), func(share float64) float64 {
		if int(share*float64(n)+0.5)%high == 0 {
			return base + bursts*most
		}
		return base
	})
	o.CPU = course(n, 10*time.Minute, func(share float64) float64 { return 0.1 + 0.3*share })
	if rapid.Bool().Draw(t, "counted") {
		o.Peaks = []Sample{{zero, most * rapid.SampledFrom([]float64{0.96, 1, 1}).Draw(t, "peak")}}
		o.Watched = rapid.SampledFrom([]time.Duration{30 * time.Minute, 2 * time.Hour, 7 * day}).Draw(t, "watched")
	}
	if limit > 0 && rapid.IntRange(0, 4).Draw(t, "killed") == 0 {
		o.Kills = []Kill{{At: zero, Limit: float64(limit) * mib, Lived: time.Hour}}
	}
	o.Throttled = rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "throttled")
	return o
}

// taken is a container after it was given what was advised: with the kernel's peaks, where there are any, at the new limit.
func taken(o Subject, as Amounts, full bool) Subject {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	for _, a := range []struct {
		of    corev1.ResourceList
		name  corev1.ResourceName
		value float64
		text  func(float64) string
	}{
		{r.Requests, corev1.ResourceMemory, as.RequestMemory, Bytes}, {r.Limits, corev1.ResourceMemory, as.LimitMemory, Bytes},
		{r.Requests, corev1.ResourceCPU, as.RequestCPU, Cores}, {r.Limits, corev1.ResourceCPU, as.LimitCPU, Cores},
	} {
		if a.value > 0 {
			a.of[a.name] = apiresource.MustParse(a.text(a.value))
		}
	}
	o.Spec.Resources = r
	if full && as.LimitMemory > 0 {
		for range o.Peaks {
			o.Peaks = append(o.Peaks[:0:0], Sample{zero, as.LimitMemory})
		}
	}
	return o
}

// TestPageCacheFills: a limit that page cache fills, and at which nothing is killed, stays, and is said to; what was sampled near it asks for more.
func TestPageCacheFills(t *testing.T) {
	for name, c := range map[string]struct {
		memory  []Series
		watched time.Duration
		limit   float64
	}{
		"no samples":      {nil, 2 * time.Hour, 100 * mib},
		"few of its time": {flat(50 * mib), 7 * day, 100 * mib},
		"near what it is": {flat(90 * mib), 2 * time.Hour, 100 * mib},
		"far below":       {flat(50 * mib), 2 * time.Hour, 52 * mib},
	} {
		o := Subject{Container: container("50Mi", "100Mi", "", ""), Memory: c.memory, Peaks: []Sample{{zero, 100 * mib}}, Watched: c.watched}
		a := Advise(o)
		says := strings.Join(a.Reasons, "\n")
		if a.Proposed.LimitMemory != c.limit || (c.limit == 100*mib) != strings.Contains(says, "page cache fills a limit whatever it is") || strings.Contains(says, "it may soon be killed") {
			t.Errorf("%s: %+v\n%s", name, a.Proposed, says)
		}
	}
}
