// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// Present is what the containers that run use, and the most memory that each had.
func (r *Reader) Present() []record.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []record.Entry
	for _, g := range r.groups {
		last := g.ring.last()
		if !g.placed || g.resting || last == nil {
			continue
		}
		cores := float64(last.cpu) / 1000 / float64(max(last.took, 1))
		for _, is := range []struct {
			name, text string
			value      float64
		}{
			{"usage.cpu", fmt.Sprintf("%.3f processors in the last %s", cores, time.Duration(last.took)*time.Millisecond), cores},
			{"usage.memory", fmt.Sprintf("workingSetBytes %d", uint64(last.working)<<10), float64(last.working) * 1024},
			{"memory.peak", fmt.Sprintf("memory.peak %d", g.before.peak), float64(g.before.peak)},
		} {
			list = append(list, record.Entry{PodUID: g.uid, Fact: &evidence.Fact{
				Kind: evidence.Usage, Source: evidence.FromMetric, About: g.ref, At: g.beforeAt.UTC(), Where: "cgroup", Name: is.name, Text: is.text, Value: is.value,
			}})
		}
	}
	return list
}
