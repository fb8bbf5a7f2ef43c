// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	// mostGoneRuns and mostGonePods bound what is remembered of what the runtime no longer has: the kernel and the logs tell
	// of containers after they are removed, and an agent that was restarted must know what it told before.
	mostGoneRuns, mostGonePods = 1024, 1024
	// mostRuns bounds what a runtime can make the agent remember. The kubelet allows 110 pods unless told otherwise.
	mostRuns = 16384
)

// An Index knows containers by id, by pod and by control group. It is safe for concurrent use; what it returns must not be
// changed.
type Index struct {
	mu    sync.RWMutex
	runs  map[string]*item
	boxes map[string]*box
	pods  map[string]*pod
	gone  []*item // runs that the runtime no longer has, the oldest first
}

// An item is a container with what was told of it.
type item struct {
	run     record.Run
	pod     *pod   // nil: of no pod of Kubernetes
	told    string // its state when last told; empty: never
	read    bool   // command and mounts have been read
	open    bool   // its end was told before the runtime's status said it: the reason is to come
	present bool   // the runtime has it
	pass    uint64 // of the newest complete list that had it
}

// A box is a sandbox.
type box struct {
	id      string
	pod     *pod
	attempt uint32
	created time.Time
	ready   bool
	ended   time.Time // when it was seen to have ended
	toldEnd bool
	toldNew bool
	present bool
	pass    uint64
}

// A pod is what is known of one UID.
type pod struct {
	uid   string
	ref   evidence.Ref
	runs  []*item
	boxes []*box
	marks map[string]mark // by container
	retry time.Time       // one of its containers makes the runtime hang: when to try again
	gone  uint64          // the pass in which it was found to be gone; 0: it is there
}

// A mark is the newest run of a container that was accounted for.
type mark struct {
	attempt int
	created time.Time
}

func newIndex() *Index {
	return &Index{runs: map[string]*item{}, boxes: map[string]*box{}, pods: map[string]*pod{}}
}

// ByID returns the run of a container and the UID of its pod.
func (x *Index) ByID(id string) (run record.Run, podUID string, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	it := x.runs[id]
	if it == nil || it.pod == nil {
		return record.Run{}, "", false
	}
	return it.run, it.pod.uid, true
}

// ByPod returns the runs of a pod that are known, in order.
func (x *Index) ByPod(uid string) []record.Run {
	x.mu.RLock()
	defer x.mu.RUnlock()
	p := x.pods[uid]
	if p == nil {
		return nil
	}
	return runsOf(slices.Values(p.runs))
}

// present returns the runs of pods that the runtime has.
func (x *Index) present() []record.Run {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return runsOf(func(yield func(*item) bool) {
		for it := range maps.Values(x.runs) {
			if it.pod != nil && it.present && !yield(it) {
				return
			}
		}
	})
}

func runsOf(items func(func(*item) bool)) []record.Run {
	var list []record.Run
	for it := range items {
		list = append(list, it.run)
	}
	slices.SortFunc(list, func(a, b record.Run) int {
		return cmp.Or(a.Of.Compare(b.Of), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// place resolves the ids that a control group is named after.
func (x *Index) place(uid, id string) (evidence.Ref, string, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if it := x.runs[id]; it != nil && it.pod != nil {
		return it.run.Of, it.pod.uid, true
	}
	if b := x.boxes[id]; b != nil && b.pod != nil {
		return b.pod.ref, b.pod.uid, true
	}
	if p := x.pods[uid]; p != nil {
		return p.ref, uid, true
	}
	return evidence.Ref{}, uid, false
}

// knows tells whether a container of a pod has been told of; of one without an id there is nothing to know. What is of no pod
// that is known may be another node's.
func (x *Index) knows(uid, id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return id == "" || x.runs[id] != nil || x.boxes[id] != nil || x.pods[uid] == nil
}

// podOf returns the pod, which it makes if need be. The lock must be held.
func (x *Index) podOf(uid, namespace, name string) *pod {
	p := x.pods[uid]
	if p == nil {
		p = &pod{uid: uid, ref: evidence.RefTo("Pod", namespace, name), marks: map[string]mark{}}
		x.pods[uid] = p
	}
	return p
}

// put adds or replaces what is known of a container.
func (x *Index) put(it *item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.runs[it.run.ID] == nil {
		x.runs[it.run.ID] = it
		if it.pod != nil {
			it.pod.runs = append(it.pod.runs, it)
		}
	}
}

// set changes the run of a container, and what was told of it.
func (x *Index) set(it *item, run record.Run, told string, open bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	it.run, it.told, it.open = run, told, open
}

// find returns what is known of a container.
func (x *Index) find(id string) (it *item, box bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.runs[id], x.boxes[id] != nil
}

// of returns the run of a container.
func (x *Index) of(it *item) record.Run {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return it.run
}

// told returns what was told of a container.
func (x *Index) told(it *item) (state string, open bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return it.told, it.open
}

// here notes that the runtime has a container.
func (x *Index) here(it *item, pass uint64) {
	it.pass = pass
	if it.pod != nil {
		it.pod.gone = 0
	}
	if !it.present {
		x.mu.Lock()
		it.present = true
		x.mu.Unlock()
	}
}

// leave notes that the runtime no longer has a container.
func (x *Index) leave(it *item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	it.present = false
	x.gone = append(x.gone, it)
	for len(x.gone) > mostGoneRuns {
		if old := x.gone[0]; !old.present {
			x.drop(old)
		}
		x.gone = x.gone[1:]
	}
}

// drop forgets a container. The lock must be held.
func (x *Index) drop(it *item) {
	if x.runs[it.run.ID] == it {
		delete(x.runs, it.run.ID)
	}
	if it.pod != nil {
		it.pod.runs = slices.DeleteFunc(it.pod.runs, func(o *item) bool { return o == it })
	}
}

// forget drops the pods that have been gone longest, once there are too many, and the sandboxes that are gone.
func (x *Index) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	var gone []*pod
	for _, p := range x.pods {
		if p.gone > 0 {
			gone = append(gone, p)
		}
	}
	if len(gone) <= mostGonePods {
		return
	}
	slices.SortFunc(gone, func(a, b *pod) int { return cmp.Or(cmp.Compare(a.gone, b.gone), cmp.Compare(a.uid, b.uid)) })
	for _, p := range gone[:len(gone)-mostGonePods*3/4] {
		for _, it := range slices.Clone(p.runs) {
			x.drop(it)
		}
		for _, b := range p.boxes {
			delete(x.boxes, b.id)
		}
		delete(x.pods, p.uid)
	}
}
