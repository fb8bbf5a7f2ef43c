// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

const (
	sandboxEnded, sandboxCreated = "sandbox-ended", "sandbox-created"
	sandboxWhere                 = "cri/PodSandbox/"
)

// lookAtSandboxes lists all sandboxes and notes the pods of which one began or ended.
func (r *Reader) lookAtSandboxes(ctx context.Context) error {
	answer, err := r.call(ctx, "ListPodSandbox", "", nil)
	if err != nil {
		return err
	}
	pass := r.pass + 1
	r.boxesBeyond.now = 0
	err = each(answer, func(data []byte) error {
		id, state, err := head(data, sandboxState)
		if err != nil {
			return err
		}
		b := r.index.boxes[string(id)]
		if b == nil {
			if b = r.newBox(data); b == nil {
				return nil
			}
		}
		b.pass, b.present = pass, true
		ready := state == 0 // SANDBOX_READY
		if !ready && b.ended.IsZero() {
			b.ended = time.Now().UTC()
		}
		if b.ready != ready && b.pod != nil {
			r.changed[b.pod] = true
		}
		b.ready = ready
		return nil
	})
	if err != nil {
		return err
	}
	r.beyond(&r.boxesBeyond, "sandboxes")
	r.removed(pass)
	return nil
}

// newBox reads a sandbox that was not known. One of no pod is remembered too, so that it is not read again.
func (r *Reader) newBox(data []byte) *box {
	s, err := readSandbox(data)
	if err != nil || s.id == "" {
		return nil
	}
	if len(r.index.boxes) >= r.most {
		r.boxesBeyond.now++
		return nil
	}
	uid, ref, ok := owner(s.labels)
	b := &box{id: cut(s.id, maxName), attempt: s.attempt, created: at(s.created)}
	r.index.mu.Lock()
	defer r.index.mu.Unlock()
	if ok {
		b.pod = r.index.podOf(uid, ref.Namespace, ref.Name)
		b.pod.gone = 0
		b.pod.boxes = append(b.pod.boxes, b)
	}
	r.index.boxes[b.id] = b
	return b
}

// removed notes which sandboxes are no longer there. One that was followed by another is told of as ended in any case.
func (r *Reader) removed(pass uint64) {
	for id, b := range r.index.boxes {
		if b.pass == pass {
			continue
		}
		b.present = false
		if b.pod == nil {
			r.index.mu.Lock()
			delete(r.index.boxes, id)
			r.index.mu.Unlock()
			continue
		}
		if b.ended.IsZero() {
			b.ended, b.ready = time.Now().UTC(), false
			r.changed[b.pod] = true
		}
		r.goneWith(b.pod)
	}
}

// tellSandboxes tells of pods of which a sandbox ended or was made. A sandbox that ended says nothing by itself, as all do
// in the end: the pod goes on if another one follows, or if a container was seen to run after it.
func (r *Reader) tellSandboxes() {
	pods := slices.SortedFunc(maps.Keys(r.changed), func(a, b *pod) int { return cmp.Compare(a.uid, b.uid) })
	clear(r.changed)
	for _, p := range pods {
		r.index.mu.Lock()
		slices.SortStableFunc(p.boxes, func(a, b *box) int { return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.attempt, b.attempt)) })
		r.index.mu.Unlock()
		for i, b := range p.boxes {
			var next *box
			if i+1 < len(p.boxes) {
				next = p.boxes[i+1]
			}
			r.tellSandbox(b, next, i > 0 || b.attempt > 0)
		}
		r.prune(p)
	}
}

func (r *Reader) tellSandbox(b, next *box, again bool) {
	where, short := sandboxWhere+b.id, b.id[:min(len(b.id), 12)]
	if again && !b.toldNew {
		b.toldNew = true
		r.fact(b.pod.uid, b.pod.ref, sandboxCreated, where, fmt.Sprintf("sandbox %s was created for the pod, attempt %d", short, b.attempt), b.created, float64(b.attempt))
	}
	ended := b.ended
	if next != nil && (ended.IsZero() || next.created.Before(ended)) {
		ended = next.created
	}
	if b.toldEnd || b.ready || ended.IsZero() || next == nil && !r.runs(b) {
		return
	}
	b.toldEnd = true
	r.fact(b.pod.uid, b.pod.ref, sandboxEnded, where, fmt.Sprintf("sandbox %s of the pod, attempt %d, ended while the pod goes on", short, b.attempt), ended, float64(b.attempt))
}

// runs tells whether a container of the sandbox runs, as far as is known.
func (r *Reader) runs(b *box) bool {
	return slices.ContainsFunc(b.pod.runs, func(it *item) bool {
		run := r.index.of(it)
		return it.present && run.Sandbox == b.id && run.State == record.Running
	})
}

// prune forgets all sandboxes of a pod that are gone but the newest few.
func (r *Reader) prune(p *pod) {
	r.index.mu.Lock()
	defer r.index.mu.Unlock()
	for len(p.boxes) > 8 && !p.boxes[0].present {
		delete(r.index.boxes, p.boxes[0].id)
		p.boxes = p.boxes[1:]
	}
}
