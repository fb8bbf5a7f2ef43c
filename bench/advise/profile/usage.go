// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/resource"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Memory is how a program uses memory over two weeks, in MiB by the hour since it began.
type Memory struct {
	Name    string
	Want    resource.Shape
	args    []string
	use     func(r *rand.Rand, hour float64) float64
	restart time.Duration // it begins anew so often; 0: never
}

// Memories are seven sorts of programs.
func Memories() []Memory {
	noise := func(r *rand.Rand, mean, share float64) float64 { return mean * (1 + share*r.NormFloat64()) }
	wave := func(hour float64) float64 { return 0.5 - 0.5*math.Cos(2*math.Pi*math.Mod(hour, 24)/24) }
	return []Memory{
		{"steady", resource.Steady, nil, func(r *rand.Rand, _ float64) float64 { return noise(r, 300, 0.01) }, 0},
		{"steady, noisy", resource.Steady, nil, func(r *rand.Rand, _ float64) float64 { return noise(r, 300, 0.05) }, 0},
		{"daily", resource.Daily, nil, func(r *rand.Rand, hour float64) float64 { return noise(r, 200+300*wave(hour), 0.02) }, 0},
		{"daily, weekends off", resource.Daily, nil, func(r *rand.Rand, hour float64) float64 {
			high := 300.0
			if int(hour/24)%7 >= 5 {
				high = 60
			}
			return noise(r, 200+high*wave(hour), 0.02)
		}, 0},
		{"bursty", resource.Bursty, nil, func(r *rand.Rand, _ float64) float64 {
			if r.IntN(100) == 0 {
				return noise(r, 450, 0.04)
			}
			return noise(r, 220, 0.02)
		}, 0},
		{"start-up peak", resource.Spike, nil, func(r *rand.Rand, hour float64) float64 {
			if hour < 0.09 {
				return noise(r, 600, 0.02)
			}
			return noise(r, 250, 0.02)
		}, 36 * time.Hour},
		{"leak", resource.Leak, nil, func(r *rand.Rand, hour float64) float64 { return noise(r, 200+1.5*hour, 0.01) }, 0},
		{"virtual machine", resource.Steady, []string{"java", "-Xmx512m", "-jar", "app.jar"}, func(r *rand.Rand, hour float64) float64 {
			return 130 + min(300+40*math.Log1p(hour), 512)*(0.8+0.2*r.Float64())
		}, 0},
	}
}

const every = 5 * time.Minute // a sample

// Weeks are two weeks of use, in bytes, as one series for each run.
func (m *Memory) Weeks(seed uint64) []resource.Series {
	r := rand.New(rand.NewPCG(seed, 21))
	began := time.Unix(1_750_032_000, 0).UTC() // a Monday, 0:00
	of := evidence.RefTo("Pod", "shop", "web-0").InContainer("app")
	var list []resource.Series
	s := resource.Series{Of: of.InAttempt(0), Began: began}
	for at := began; at.Before(began.Add(14 * 24 * time.Hour)); at = at.Add(every) {
		if m.restart > 0 && at.Sub(s.Began) >= m.restart {
			list = append(list, s)
			s = resource.Series{Of: of.InAttempt(len(list)), Began: at}
		}
		s.Samples = append(s.Samples, resource.Sample{At: at, Value: m.use(r, at.Sub(s.Began).Hours()) * (1 << 20)})
	}
	return append(list, s)
}

// Halves parts series at the middle of the time that they cover.
func Halves(list []resource.Series) (first, second []resource.Series) {
	last := list[len(list)-1].Samples
	middle := list[0].Samples[0].At.Add(last[len(last)-1].At.Sub(list[0].Samples[0].At) / 2)
	for _, s := range list {
		i, _ := slices.BinarySearchFunc(s.Samples, middle, func(m resource.Sample, at time.Time) int { return m.At.Compare(at) })
		if i > 0 {
			first = append(first, resource.Series{Of: s.Of, Began: s.Began, Samples: s.Samples[:i]})
		}
		if i < len(s.Samples) {
			second = append(second, resource.Series{Of: s.Of, Began: s.Began, Samples: s.Samples[i:]})
		}
	}
	return first, second
}

// Sized is the advice about a container that used this much and has a limit, in bytes.
func (m *Memory) Sized(first []resource.Series, limit float64) resource.Advice {
	of := evidence.RefTo("Deployment", "shop", "web")
	q := *apiresource.NewQuantity(int64(limit), apiresource.BinarySI)
	return resource.Advise(resource.Subject{Memory: first, Replicas: 1, Container: advise.Container{
		About: of.InContainer("app"), Target: of,
		Spec: corev1.Container{Name: "app", Command: m.args, Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceMemory: q}, Limits: corev1.ResourceList{corev1.ResourceMemory: q},
		}},
	}})
}

// High and Slack are the highest of series, and by how much a limit is above them on average, as a share of what is used.
func High(list []resource.Series) (high float64) {
	for _, s := range list {
		for _, m := range s.Samples {
			high = max(high, m.Value)
		}
	}
	return high
}

// Slack is by how much a limit is above use on average, as a share of what is used.
func Slack(limit float64, list []resource.Series) float64 {
	sum, n := 0.0, 0.0
	for _, s := range list {
		for _, m := range s.Samples {
			sum, n = sum+(limit-m.Value)/m.Value, n+1
		}
	}
	return sum / n
}
