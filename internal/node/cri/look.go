// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

// hangRest is how long a pod is left alone after one of its containers made the runtime hang.
const hangRest = time.Minute

// look lists the containers, all or those of one pod, and tells what is new. A list is complete, which is what makes the
// account exact: a run with a lower number that is not in it will not come any more.
func (r *Reader) look(ctx context.Context, uid string) error {
	answer, err := r.call(ctx, "ListContainers", "", containersRequest(uid))
	if err != nil {
		return err
	}
	r.pass++
	r.counts.add(func(c *Counts) { c.Lists++ })
	var fresh []sighting
	r.owed = false
	err = each(answer, func(data []byte) error {
		id, state, err := head(data, containerState)
		if err != nil || r.same(id, state) {
			return err
		}
		c, err := readContainer(data)
		if err != nil {
			return err
		}
		if s, ok := sight(c); ok {
			fresh = append(fresh, s)
		} else {
			r.stranger(s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(fresh, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.uid, b.uid), a.of.Compare(b.of), a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	r.runsBeyond.now = 0
	r.note(fresh)
	if uid == "" {
		r.beyond(&r.runsBeyond, runUnit)
	}
	r.missing(uid)
	err = r.settleAll(ctx, fresh, uid == "")
	if uid == "" && err == nil {
		clear(r.hints)
		r.ends.expire(time.Now())
		r.rested()
		r.found = len(fresh) > 0 || len(r.changed) > 0
	}
	return err
}

// same tells whether a container is as it was told, and notes that it is there.
func (r *Reader) same(id []byte, state uint64) bool {
	it := r.index.runs[string(id)]
	if it == nil {
		return false
	}
	r.index.here(it, r.pass)
	told, open := r.index.told(it)
	if open {
		r.owed = r.owed || state != exited
		return state != exited // it is over, whatever a list says that was made before
	}
	return it.pod == nil || told == record.Exited || told == stateOf(state)
}

// stranger remembers a container that is not of Kubernetes, so that it is not read again.
func (r *Reader) stranger(s sighting) {
	if s.id == "" || len(r.index.runs) >= r.most {
		return
	}
	it := &item{run: record.Run{ID: s.id}}
	r.index.put(it)
	r.index.here(it, r.pass)
}

// note puts what is new into the index, before the runtime is asked more.
func (r *Reader) note(fresh []sighting) {
	for _, s := range fresh {
		it := r.index.runs[s.id]
		if it == nil {
			if len(r.index.runs) >= r.most {
				r.runsBeyond.now++
				continue
			}
			r.index.mu.Lock()
			p := r.index.podOf(s.uid, s.of.Namespace, s.of.Name)
			r.index.mu.Unlock()
			it = &item{run: s.run(r.version), pod: p}
			r.index.put(it)
		}
		r.index.here(it, r.pass)
	}
}

// A surplus is what is there and is not followed, because it is too much.
type surplus struct {
	now, before int64 // in the newest list, and in the one before it
	untold      int64 // that came and no gap has told of
	told        time.Time
}

// surplusRest is the least time between two gaps about a surplus.
const surplusRest = time.Minute

// beyond tells of a surplus that grew since the list before.
func (r *Reader) beyond(s *surplus, unit string) {
	more := max(s.now-s.before, 0)
	s.before = s.now
	s.untold += more
	r.counts.add(func(c *Counts) { c.Dropped += uint64(more) })
	now := time.Now().UTC()
	if s.untold == 0 || now.Sub(s.told) < surplusRest {
		return
	}
	since := s.told
	if since.IsZero() {
		since = r.looked
	}
	r.tell("", record.Entry{Gap: &record.Gap{
		About: r.node(), What: feature, From: since, To: now, Count: s.untold, Unit: unit, Why: fmt.Sprintf("the runtime has more than the %d that are followed", r.most),
	}})
	s.untold, s.told = 0, now
}

// missing tells the end of the containers that are no longer there.
func (r *Reader) missing(uid string) {
	var gone []*item
	for _, it := range r.index.runs {
		if it.present && it.pass != r.pass && (uid == "" || it.pod != nil && it.pod.uid == uid) {
			gone = append(gone, it)
		}
	}
	slices.SortFunc(gone, func(a, b *item) int { return r.index.of(a).Of.Compare(r.index.of(b).Of) })
	for _, it := range gone {
		r.index.leave(it)
		if told, open := r.index.told(it); it.pod != nil && (open || told != record.Exited && told != record.Unknown) {
			r.finish(it, r.lost(it))
		}
		r.goneWith(it.pod)
	}
}

// goneWith notes when the last container and sandbox of a pod is gone.
func (r *Reader) goneWith(p *pod) {
	if p == nil || p.gone > 0 {
		return
	}
	here := slices.ContainsFunc(p.runs, func(it *item) bool { return it.present }) || slices.ContainsFunc(p.boxes, func(b *box) bool { return b.present })
	if !here {
		p.gone = max(r.pass, 1)
	}
}

// lost is the end of a run whose container was removed before the runtime could be asked about it.
func (r *Reader) lost(it *item) record.Run {
	run := r.index.of(it)
	if st, ok := r.hints[run.ID]; ok {
		return fill(run, st)
	}
	if _, open := r.index.told(it); open && run.Reason != "" {
		return run // all was told
	} else if open {
		run.Message = "the runtime removed it before its reason was seen"
		return run
	}
	run.State = record.Unknown
	run.Message = "the runtime removed it before its end was seen"
	if r.looked.IsZero() && !r.away.IsZero() {
		run.Message = "it was removed while the agent did not run"
	}
	return run
}

// settleAll tells what is new, in the order of the attempts. A pod that cannot be asked about now is left for the next
// list, with all its later runs, so that what was told of a run says that all before it was told.
func (r *Reader) settleAll(ctx context.Context, fresh []sighting, all bool) error {
	failed := ""
	for _, s := range fresh {
		it := r.index.runs[s.id]
		if it == nil || s.uid == failed || time.Now().Before(it.pod.retry) {
			continue
		}
		if err := r.settle(ctx, it, s, all); err != nil {
			failed = s.uid
			r.o.Log.Debug("status of a container", "container", s.id, "error", err)
			if code := codeOf(err); ctx.Err() != nil || code == unavailable {
				return err
			} else if code == deadlineExceeded {
				it.pod.retry = time.Now().Add(hangRest)
			}
		}
	}
	return nil
}

// settle tells of one container that is new or has another state than was told.
func (r *Reader) settle(ctx context.Context, it *item, s sighting, all bool) error {
	if told, _ := r.index.told(it); told == "" && r.old(it, s) {
		r.index.set(it, s.run(r.version), record.Exited, false)
		return nil
	}
	if s.state == created && !all {
		return nil // about to be started, as a rule; if not, the next list of all tells
	}
	if st, ok := r.hints[s.id]; ok && s.state == exited && it.read {
		r.finish(it, fill(r.index.of(it), st)) // the list says so, and the event brought all that there is to ask
		return nil
	}
	answer, err := r.call(ctx, "ContainerStatus", s.id, statusRequest(s.id, !it.read))
	switch {
	case codeOf(err) == notFound:
		if told, _ := r.index.told(it); told != record.Unknown {
			r.finish(it, r.lost(it))
		}
		return nil
	case err != nil:
		return err
	}
	now, info, err := readStatus(answer)
	if err != nil {
		return err
	}
	run := fill(r.index.of(it), now)
	if !it.read {
		run, it.read = detail(run, info), true
	}
	if told, open := r.index.told(it); open || run.State != told {
		r.finish(it, run)
	}
	return nil
}

// old tells whether a run that is over was told by an agent before this one, which the account says where the run itself is
// no longer remembered.
func (r *Reader) old(it *item, s sighting) bool {
	m, known := it.pod.marks[s.of.Container]
	return known && s.state == exited && s.of.Attempt <= m.attempt && !s.created.After(m.created)
}

// finish tells the state of a run, and before the first time what was missed before it.
func (r *Reader) finish(it *item, run record.Run) {
	r.telling.Lock()
	defer r.telling.Unlock()
	if it.open && run.State != record.Exited {
		return // it was read before the end was told
	}
	run.Runtime = cmp.Or(run.Runtime, r.version)
	first, known := it.told == "", it.open && sameEnd(it.run, run)
	r.index.set(it, run, run.State, false)
	if first {
		r.account(it)
	}
	if !known {
		r.tell(it.pod.uid, record.Entry{Run: &run})
	}
	if e, ended := r.ends.take(run.ID); ended {
		r.tellEnd(it, e)
	}
}

// sameEnd tells whether the status of a run says nothing else than what was told of its end.
func sameEnd(told, now record.Run) bool {
	return told.Reason == now.Reason && told.Message == now.Message && told.ExitCode == now.ExitCode && told.Started.Equal(now.Started) && told.Finished.Equal(now.Finished)
}

// account tells which runs before this one were missed, and marks it as the newest.
func (r *Reader) account(it *item) {
	name, n := it.run.Of.Container, it.run.Of.Attempt
	m, known := it.pod.marks[name]
	next := 0
	switch {
	case !known:
	case n > m.attempt:
		next = m.attempt + 1
	case it.run.Created.Before(m.created) || n == m.attempt:
		return // an old one, or a number that was given twice
	default: // the pod was removed and made again with the same UID, as pods from files are: numbers begin anew
	}
	if n > next {
		r.missed(it, next, n-1)
	}
	r.index.mu.Lock()
	it.pod.marks[name] = mark{n, it.run.Created}
	r.index.mu.Unlock()
}

// missed tells of runs that are known by their numbers alone.
func (r *Reader) missed(it *item, from, to int) {
	why, since := "they began and ended between two looks", r.looked
	switch {
	case !r.looked.IsZero():
	case r.away.IsZero():
		why = "they ended before the agent first looked"
	default:
		why, since = "the agent did not run", r.away
	}
	if from < to {
		why = fmt.Sprintf("attempts %d to %d: %s", from, to, why)
	}
	r.tell(it.pod.uid, record.Entry{Gap: &record.Gap{
		About: it.run.Of.InAttempt(to), What: feature, From: since, To: time.Now().UTC(), Count: int64(to - from + 1), Unit: runUnit, Why: why,
	}})
}

// rested ends the calls that hung about containers that are no longer there: nobody is stuck on them any more.
func (r *Reader) rested() {
	for _, where := range slices.Sorted(maps.Keys(r.hung)) {
		id, about := strings.CutPrefix(where, "cri/ContainerStatus/")
		if it := r.index.runs[id]; about && (it == nil || !it.present) {
			now := time.Now()
			r.fact("", r.node(), "runtime-answers", where, r.who()+" has that container no more", now, now.Sub(r.hung[where]).Seconds())
			delete(r.hung, where)
		}
	}
}
