// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"math"
	"slices"
	"time"
)

// How the Vertical Pod Autoscaler recommends processors (kubernetes/autoscaler vertical-pod-autoscaler
// pkg/recommender/model/aggregations_config.go and logic/recommender.go): buckets that grow by a twentieth from 0.01, weights
// that halve with each day, the 90th percentile, and 15 % on top.
const (
	firstBucket = 0.01
	growth      = 1.05
	mostCPU     = 1000.0
	halfLife    = 24 * time.Hour
	target      = 0.9
	safety      = 1.15
)

// decayed is a percentile of samples, the older of which count less: the end of the bucket that it falls in.
func decayed(samples []Sample, percentile float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	last := slices.MaxFunc(samples, func(a, b Sample) int { return a.At.Compare(b.At) }).At
	weights := make([]float64, bucket(mostCPU)+1)
	total := 0.0
	for _, s := range samples {
		w := math.Exp2(-float64(last.Sub(s.At)) / float64(halfLife))
		weights[bucket(s.Value)] += w
		total += w
	}
	sum := 0.0
	for i, w := range weights {
		if sum += w; sum >= percentile*total {
			return bucketStart(min(i+1, len(weights)-1))
		}
	}
	return bucketStart(len(weights) - 1)
}

// bucket is which one a value falls in; the last where it is more than any machine has.
func bucket(value float64) int {
	if value < firstBucket {
		return 0
	}
	return int(math.Log(min(value, mostCPU)*(growth-1)/firstBucket+1) / math.Log(growth))
}

// bucketStart is where one begins.
func bucketStart(i int) float64 {
	return firstBucket * (math.Pow(growth, float64(i)) - 1) / (growth - 1)
}
