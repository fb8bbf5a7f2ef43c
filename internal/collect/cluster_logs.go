// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// How much of a log is read. The API counts bytes from the start of what it sends, so the end is asked for in lines
// and cut to size here.
const (
	logBytes   = 256 << 10 // of one log, unless the question says otherwise
	logLines   = 2000      // asked for at first; lines are seldom longer than 128 bytes
	logWindow  = 8 << 20   // the most that is received of one log; with longer lines fewer are asked for
	allLogs    = 32 << 20  // of all logs of a snapshot together
	leastLog   = 16 << 10  // of one log, when there are many
	logsForPod = 4         // that are read of one pod, latest ends first
	perNode    = 2         // logs that are read from one node at the same time
)

// logs reads the log of each container's last ended attempt, as far as that end needs explaining, and of init containers
// that do not get done.
func (v *visit) logs(ctx context.Context, pods []*corev1.Pod) {
	if v.sel.NoLogs {
		return
	}
	attempts := append(v.ended(pods), v.hanging(pods)...)
	if len(attempts) == 0 {
		v.has("Log")
		return
	}
	v.progress(fmt.Sprintf("reading %d logs", len(attempts)))
	gone := v.readLogs(ctx, pods, attempts)
	// The kubelet can be ahead of what it has reported. Two rounds are enough unless it is overloaded.
	for _, wait := range []time.Duration{0, v.api.limits.lag} {
		fresh := v.refresh(ctx, gone, wait)
		if len(fresh) == 0 {
			break
		}
		gone = slices.DeleteFunc(gone, func(a evidence.Attempt) bool {
			return slices.ContainsFunc(fresh, func(pod *corev1.Pod) bool { return evidence.RefOf(pod) == a.Of.Object() })
		})
		gone = append(gone, v.readLogs(ctx, fresh, v.ended(fresh))...)
	}
	for _, a := range gone {
		v.gap(evidence.Logs, a.Of, errGone.Error())
	}
}

// refresh reads pods again whose containers were replaced between the reading of their status and of their log: the
// newest death is another one by now. A pod that is being deleted or has ended, as by eviction, has none to come.
func (v *visit) refresh(ctx context.Context, gone []evidence.Attempt, wait time.Duration) []*corev1.Pod {
	var refs []evidence.Ref
	for _, a := range gone {
		refs = append(refs, a.Of.Object())
	}
	if refs = distinct(refs); len(refs) == 0 || len(refs) > fewThings {
		return nil
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	fresh := make([]*corev1.Pod, len(refs))
	var group sync.WaitGroup
	for i, ref := range refs {
		group.Go(func() {
			o, err := v.logAPI.get(ctx, ref)
			if pod, ok := o.(*corev1.Pod); ok && err == nil && pod.DeletionTimestamp == nil && !over(pod) {
				fresh[i] = pod
			}
		})
	}
	group.Wait()
	fresh = slices.DeleteFunc(fresh, func(pod *corev1.Pod) bool { return pod == nil || !v.replace(pod) })
	return fresh
}

// over tells whether a pod starts no container again.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// replace puts a newer reading of a pod in place of the older, if it is the same pod.
func (v *visit) replace(pod *corev1.Pod) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, o := range v.s.Objects {
		if evidence.RefOf(o) == evidence.RefOf(pod) && o.GetUID() == pod.UID {
			v.s.Objects[i] = pod
			return true
		}
	}
	return false
}

// readLogs reads the logs of attempts, all nodes at the same time, and returns the attempts whose containers are gone.
func (v *visit) readLogs(ctx context.Context, pods []*corev1.Pod, attempts []evidence.Attempt) []evidence.Attempt {
	size := v.sel.LogBytes
	if size <= 0 {
		size = logBytes
	}
	if n := int64(len(attempts)); n > 1 {
		size = min(size, max(allLogs/n, leastLog))
	}
	on := map[evidence.Ref]string{}
	for _, pod := range pods {
		on[evidence.RefOf(pod)] = pod.Spec.NodeName
	}
	readers := map[string]*logReader{}
	most := allLogs / leastLog
	if v.about.Kind == "Pod" {
		most = logsForPod
	}
	for i, a := range attempts {
		if i >= most {
			v.gap(evidence.Logs, a.Of, fmt.Sprintf("not read: %d logs are the most for one question; name the container with -c", most))
			continue
		}
		node := on[a.Of.Object()]
		if readers[node] == nil {
			readers[node] = &logReader{visit: v, node: node, size: size}
		}
		readers[node].attempts = append(readers[node].attempts, a)
	}
	var group sync.WaitGroup
	for _, r := range readers {
		group.Go(func() { r.read(ctx) })
	}
	group.Wait()
	var gone []evidence.Attempt
	for _, r := range readers {
		gone = append(gone, r.gone...)
	}
	return gone
}

// ended returns the last ended attempt of each container of the pods that was asked about, newest end first.
func (v *visit) ended(pods []*corev1.Pod) []evidence.Attempt {
	objects := make([]evidence.Object, 0, len(pods))
	for _, pod := range pods {
		objects = append(objects, pod)
	}
	s := (&evidence.Snapshot{Taken: v.s.Taken, Objects: objects}).Freeze()
	last := map[evidence.Ref]evidence.Attempt{}
	for _, pod := range pods {
		for _, a := range s.Deaths(evidence.RefOf(pod)) {
			if v.sel.Container == "" || v.sel.Container == a.Of.Container {
				last[a.Of.InAttempt(evidence.NoAttempt)] = a // they come oldest first
			}
		}
	}
	var list []evidence.Attempt
	for _, a := range last {
		if !a.Started.IsZero() || a.Reason == "Unknown" { // what never started has no log
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b evidence.Attempt) int {
		if c := b.Finished.Compare(a.Finished); c != 0 {
			return c
		}
		return a.Of.Compare(b.Of)
	})
	return list
}

// hanging returns the runs of init containers that have kept their pods from starting for so long that what they say now
// matters.
func (v *visit) hanging(pods []*corev1.Pod) []evidence.Attempt {
	const long = 5 * time.Minute // when helm gives up on a release
	var list []evidence.Attempt
	for _, pod := range pods {
		s := (&evidence.Snapshot{Taken: v.s.Taken, Objects: []evidence.Object{pod}}).Freeze()
		for _, a := range s.Attempts(evidence.RefOf(pod)) {
			asked := v.sel.Container == "" || v.sel.Container == a.Of.Container
			if a.Init && !a.Sidecar && !a.Ended() && asked && v.s.Taken.Sub(a.Started) > long {
				list = append(list, a)
			}
		}
	}
	return list
}
