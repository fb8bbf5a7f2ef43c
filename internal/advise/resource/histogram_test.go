// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestDecayed: the same samples give what the library of the Vertical Pod Autoscaler 1.8.1 gives (pkg/recommender/util, a
// decaying histogram with the options that its recommender has for processors).
func TestDecayed(t *testing.T) {
	for seed, want := range map[uint64][3]float64{
		1: {0.305390039, 1.016281389, 1.429933387},
		2: {0.664388475, 2.208153955, 3.188514448},
		3: {0.903203074, 3.188514448, 4.567980112},
		4: {1.278397630, 4.567980112, 5.885285107},
	} {
		r := rand.New(rand.NewPCG(seed, 22))
		var samples []Sample
		for i := range 3000 {
			at := time.Unix(1_750_000_000, 0).Add(time.Duration(i) * 5 * time.Minute)
			samples = append(samples, Sample{at, math.Exp(r.NormFloat64()) * 0.3 * float64(seed)})
		}
		for i, percentile := range []float64{0.5, 0.9, 0.95} {
			if got := decayed(samples, percentile); math.Abs(got-want[i]) > 1e-8 {
				t.Errorf("seed %d: percentile %.2f is %.9f, want %.9f", seed, percentile, got, want[i])
			}
		}
	}
	if got := decayed([]Sample{{time.Unix(0, 0), 1e12}, {time.Unix(0, 0), math.Inf(1)}}, target); got < 900 || got > mostCPU {
		t.Errorf("of more than any machine has: %f", got)
	}
	if got := decayed(nil, target); got != 0 {
		t.Errorf("of nothing: %f", got)
	}
}
