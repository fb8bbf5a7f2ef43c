// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// Restore takes one entry of the record, in its order, before Run: what was told once is not told again, and what happened
// while no agent ran is counted from where the record ends. Entries about other things only tell the time.
func (r *Reader) Restore(e record.Entry) {
	if e.At.After(r.away) {
		r.away = e.At
	}
	switch {
	case e.Run != nil && e.PodUID != "" && e.Run.ID != "":
		r.restoreRun(e.PodUID, *e.Run)
	case e.Gap != nil && e.Gap.What == feature && e.Gap.Unit == runUnit && e.Gap.About.Attempt >= 0 && e.Gap.About.Container != "" && e.PodUID != "":
		about := e.Gap.About
		r.restorePod(e.PodUID, about).restoreMark(about.Container, mark{about.Attempt, e.Gap.To})
	case e.Fact != nil && e.Fact.Source == evidence.FromRuntime:
		r.restoreFact(e.PodUID, e.Fact)
	}
}

func (r *Reader) restorePod(uid string, about evidence.Ref) *pod {
	r.index.mu.Lock()
	defer r.index.mu.Unlock()
	p := r.index.podOf(uid, about.Namespace, about.Name)
	p.gone = 1 // until the first list says otherwise
	return p
}

// restoreMark moves the account on, and not back: what Known gave is newer than what the record begins with.
func (p *pod) restoreMark(container string, m mark) {
	if old, known := p.marks[container]; !known || m.attempt > old.attempt || m.created.After(old.created) {
		p.marks[container] = m
	}
}

func (r *Reader) restoreRun(uid string, run record.Run) {
	p := r.restorePod(uid, run.Of)
	p.restoreMark(run.Of.Container, mark{run.Of.Attempt, run.Created})
	it := r.index.runs[run.ID]
	first := it == nil
	if first {
		if len(r.index.runs) >= r.most {
			return
		}
		it = &item{pod: p}
		it.run.ID = run.ID
		r.index.put(it)
	}
	r.index.set(it, run, run.State, run.State == record.Exited && run.Reason == "")
	it.read = true
	over := run.State == record.Exited || run.State == record.Unknown
	switch {
	case !over:
		it.present = true
	case first || it.present:
		r.index.leave(it)
	}
}

func (r *Reader) restoreFact(uid string, f *evidence.Fact) {
	switch f.Name {
	case "runtime-gone":
		r.gone = f.At
	case "runtime-back":
		r.gone = time.Time{}
	case "runtime-hung":
		if len(r.hung) < maxHung {
			r.hung[f.Where] = f.At
		}
	case "runtime-answers":
		delete(r.hung, f.Where)
	case sandboxEnded, sandboxCreated:
		id, ok := strings.CutPrefix(f.Where, sandboxWhere)
		if !ok || uid == "" || len(r.index.boxes) >= r.most {
			return
		}
		b := r.index.boxes[id]
		if b == nil {
			b = &box{id: id, pod: r.restorePod(uid, f.About), attempt: uint32(max(f.Value, 0))}
			b.pod.boxes = append(b.pod.boxes, b)
			r.index.boxes[id] = b
		}
		if f.Name == sandboxEnded {
			b.toldEnd, b.ended = true, f.At
		} else {
			b.toldNew, b.created = true, f.At
		}
	}
}

// Known returns what Restore needs to go on from here, as entries: the runs that are there, and the newest one of each
// container that is not. It is for a record that drops its oldest entries, which may be all that is known of a container
// that runs for long, and is to be restored before what the record still has.
func (r *Reader) Known() []record.Entry {
	r.index.mu.RLock()
	defer r.index.mu.RUnlock()
	var list []record.Entry
	for _, uid := range slices.Sorted(maps.Keys(r.index.pods)) {
		list = append(list, r.index.pods[uid].known(time.Now().UTC())...)
	}
	return list
}

func (p *pod) known(now time.Time) []record.Entry {
	var list []record.Entry
	for name, m := range p.marks {
		list = append(list, record.Entry{At: now, PodUID: p.uid, Gap: &record.Gap{
			About: p.ref.InContainer(name).InAttempt(m.attempt), What: feature, To: m.created, Unit: runUnit,
		}})
	}
	slices.SortFunc(list, func(a, b record.Entry) int { return cmp.Compare(a.Gap.About.Container, b.Gap.About.Container) })
	for _, it := range p.runs {
		if it.present && it.told != "" {
			run := it.run
			list = append(list, record.Entry{At: now, PodUID: p.uid, Run: &run})
		}
	}
	return list
}
