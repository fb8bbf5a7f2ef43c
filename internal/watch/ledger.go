// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"slices"
	"sync"
	"time"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Ledger holds what is needed of each pod to know which runs have ended since it was last looked at: some hundred bytes,
// whatever the pod's size. Its methods may be called from many goroutines.
type Ledger struct {
	mu      sync.Mutex
	pods    map[types.UID]*entry
	started time.Time // when the history began, if that is now
}

// A subject is what is looked at: a pod, a node, the control plane, or a workload, of which only the name is known.
type subject struct {
	ref evidence.Ref
	uid types.UID
}

// An entry is what is kept of a pod.
type entry struct {
	namespace  unique.Handle[string]
	name       string
	containers []runs
	seen       bool  // since all there are of its namespace began to come again
	unwell     bool  // it is in trouble, and no death of a container says so
	look       int64 // when to look again whether it is, in seconds of the epoch; 0: when it changes
}

// Runs is what is kept of one container. Runs are numbered from 0 as they are begun; a restart count that fell, as it does where
// a kubelet has lost its dead containers, does not make numbers come twice.
type runs struct {
	name     unique.Handle[string]
	restarts int   // as the status counts
	base     int   // what is added to a number of the status
	ended    int   // the number of the last run that is known to have ended; -1: none
	finished int64 // when that was, in seconds of the epoch
	over     int64 // when the run in the status was over; 0: it is not; untold: that before it, whose end is not told of yet
	restored bool  // from the history, which does not say whether the next run had begun; not seen since
}

// An End is a run that ended.
type End struct {
	evidence.Attempt
	Number int // of the run: that of the status and Base
	Base   int // how many runs had ended when the restart count last fell; 0: it never did
}

// News is what a pod's new state says that its last one did not.
type News struct {
	Ended  []End // needs explaining
	Missed []End // ended between two states: the status tells of one end only
	Passed []End // need none, and a recorder that begins anew has to know of them: what ended before the history began, or as it should
	Unwell bool  // it is in trouble without a death: it does not start, is evicted or does not end
	Began  bool  // it was not before
	Well   bool  // it was before
}

// Known is the last run of a container that was seen to end, as the history has it.
type Known struct {
	Pod       types.UID
	Namespace string
	Container string
	Ended     int
	Base      int       // what its number is above that of the status
	Finished  time.Time // when it ended; zero where that is not known
}

// NewLedger returns a ledger that goes on from what the history knows: of what it does not know nothing had ended. Where there
// is no history yet, what ended before now is no loss.
func NewLedger(known []Known, fresh bool, now time.Time) *Ledger {
	l := &Ledger{pods: map[types.UID]*entry{}}
	if fresh {
		l.started = now
	}
	for _, k := range known {
		e := l.pods[k.Pod]
		if e == nil {
			e = &entry{namespace: unique.Make(k.Namespace)}
			l.pods[k.Pod] = e
		}
		c := runs{name: unique.Make(k.Container), ended: k.Ended, base: k.Base, restarts: k.Ended - k.Base, restored: true}
		if !k.Finished.IsZero() {
			c.finished = k.Finished.Unix()
		}
		e.containers = append(e.containers, c)
	}
	return l
}

// Begin notes that all pods of a namespace will be seen again, or with an empty one all there are.
func (l *Ledger) Begin(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.pods {
		e.seen = e.seen && !e.isIn(namespace)
	}
}

// Gone forgets the pods of a namespace, or all, that were not seen since Begin, and returns them: they were deleted while nobody watched.
func (l *Ledger) Gone(namespace string) []types.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var gone []types.UID
	for uid, e := range l.pods {
		if !e.seen && e.isIn(namespace) {
			gone = append(gone, uid)
			delete(l.pods, uid)
		}
	}
	slices.Sort(gone)
	return gone
}

func (e *entry) isIn(namespace string) bool {
	return namespace == "" || e.namespace.Value() == namespace
}

// Delete forgets a pod, and tells whether any run of it had ended.
func (l *Ledger) Delete(uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.pods[uid]
	delete(l.pods, uid)
	return e != nil && slices.ContainsFunc(e.containers, func(c runs) bool { return c.ended >= 0 })
}

// Has tells whether a pod is there.
func (l *Ledger) Has(uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pods[uid] != nil
}

// Len returns how many pods there are.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pods)
}

// due returns the pods that time alone may have brought into trouble: that are not scheduled, ready or gone by now.
func (l *Ledger) due(now time.Time) []subject {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []subject
	for uid, e := range l.pods {
		if e.look != 0 && e.look <= now.Unix() {
			e.look = 0
			due = append(due, subject{evidence.RefTo("Pod", e.namespace.Value(), e.name), uid})
		}
	}
	slices.SortFunc(due, func(a, b subject) int { return a.ref.Compare(b.ref) })
	return due
}

// Stirs tells whether a pod's state may have news, as far as its names, its times and its status say: if not, See has none, and
// needs no more of the pod than that.
func (l *Ledger) Stirs(pod *corev1.Pod, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.pods[pod.UID]
	if e == nil {
		e = &entry{}
	}
	if unwell(pod, now) != e.unwell {
		return true
	}
	i := 0
	for st := range statuses(pod) {
		var c runs
		if j := e.find(st.Name, i); j >= 0 {
			c = e.containers[j]
		}
		if c.restored || int(st.RestartCount) != c.restarts || overAt(pod, st) != c.over {
			return true
		}
		i++
	}
	return false
}

// See returns what a pod's state says that is new, as of now. The pod is not kept.
func (l *Ledger) See(pod *corev1.Pod, now time.Time) News {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.pods[pod.UID]
	before := false // it was there before the history
	if e == nil {
		e = &entry{}
		l.pods[pod.UID] = e
		before = !l.started.IsZero() && pod.CreationTimestamp.Time.Before(l.started)
	}
	e.seen, e.namespace, e.name = true, unique.Make(pod.Namespace), pod.Name
	var news News
	if e.changed(pod) {
		news = e.ends(pod, before, now)
	}
	news.Unwell = unwell(pod, now)
	news.Began, news.Well = news.Unwell && !e.unwell, e.unwell && !news.Unwell
	e.unwell, e.look = news.Unwell, lookAgain(pod, news.Unwell, now)
	return news
}

// statuses returns those of all containers of a pod.
func statuses(pod *corev1.Pod) func(yield func(*corev1.ContainerStatus) bool) {
	return func(yield func(*corev1.ContainerStatus) bool) {
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// changed notes the restart counts and ends that the status tells of, and whether one of them is new.
func (e *entry) changed(pod *corev1.Pod) bool {
	news, i := false, 0
	for st := range statuses(pod) {
		c := e.container(st.Name, i)
		over, restarts := overAt(pod, st), int(st.RestartCount)
		fell := c.fell(st, over)
		if fell {
			if c.base = c.ended + 1; c.over == untold { // nobody will tell of that one any more
				c.base++
			}
			if over > 0 && over == c.finished { // the last end is the one that is known
				c.base = c.ended - lastEnded(st)
			}
		}
		news = news || fell || restarts != c.restarts || over != c.over
		c.restarts, c.over, c.restored = restarts, over, false
		i++
	}
	return news
}

// fell tells whether the restart count is lower than it was. Of a container that only the history tells of it was that of the run that
// ended or one more, as the next run had begun or not: where it is the former now, it fell if that run goes on, or ended at another time.
func (c *runs) fell(st *corev1.ContainerStatus, over int64) bool {
	restarts := int(st.RestartCount)
	if restarts != c.restarts || !c.restored {
		return restarts < c.restarts
	}
	return st.State.Running != nil || over > 0 && c.finished != 0 && over != c.finished
}

// lastEnded returns the number of the last run whose end a status tells of.
func lastEnded(st *corev1.ContainerStatus) int {
	switch {
	case st.State.Running != nil:
		return int(st.RestartCount) - 1
	case st.State.Terminated != nil:
		return int(st.RestartCount)
	}
	return evidence.LastRun(st)
}

// untold stands for when a run was over of which the status says that it runs, though the next has begun: its end is to come. Of a pod
// that is being deleted it may not come any more.
const untold = -1

// overAt returns when the run in the status was over, or the one before it where it is not.
func overAt(pod *corev1.Pod, st *corev1.ContainerStatus) int64 {
	if t := st.State.Terminated; t != nil {
		return max(t.FinishedAt.Unix(), 1)
	}
	if t := st.LastTerminationState.Terminated; t != nil {
		return max(t.FinishedAt.Unix(), 1)
	}
	if st.LastTerminationState.Running != nil && pod.DeletionTimestamp == nil {
		return untold
	}
	return 0
}

// find returns where a container is, which is most likely the i-th place; -1 for nowhere.
func (e *entry) find(name string, i int) int {
	if i < len(e.containers) && e.containers[i].name.Value() == name {
		return i
	}
	return slices.IndexFunc(e.containers, func(c runs) bool { return c.name.Value() == name })
}

// container returns what is kept of a container, which is most likely the i-th.
func (e *entry) container(name string, i int) *runs {
	j := e.find(name, i)
	if j < 0 {
		j = len(e.containers)
		e.containers = append(e.containers, runs{name: unique.Make(name), ended: -1})
	}
	return &e.containers[j]
}

// ends returns the runs that ended since the pod was last seen.
func (e *entry) ends(pod *corev1.Pod, before bool, now time.Time) (news News) {
	s := (&evidence.Snapshot{Taken: now, Objects: []evidence.Object{pod}}).Freeze()
	ref := evidence.RefOf(pod)
	for _, a := range s.Attempts(ref) {
		c := e.container(a.Of.Container, 0)
		number := c.base + a.Of.Attempt
		if !a.Ended() || number <= c.ended || c.beyond(a.Finished, now) {
			continue
		}
		if !before {
			news.miss(c, ref, number)
		}
		if a.Expected == "" && (!before || now.Sub(a.Finished) < evidence.EventTTL) {
			news.Ended = append(news.Ended, End{a, number, c.base})
		}
		if a.Expected != "" && !before && pod.Status.Phase != corev1.PodSucceeded { // of which nothing runs again
			news.Passed = append(news.Passed, End{a, number, c.base})
		}
		c.ended, c.finished = number, max(c.finished, a.Finished.Unix())
	}
	for i := range e.containers { // a status may count an end that it does not tell of
		c := &e.containers[i]
		last := c.counted()
		if !before {
			news.miss(c, ref, last+1)
		}
		c.ended = max(c.ended, last)
		if before && c.ended >= 0 {
			of := ref.InContainer(c.name.Value()).InAttempt(c.ended - c.base)
			news.Passed = append(news.Passed, End{evidence.Attempt{Of: of}, c.ended, c.base})
		}
	}
	return news
}

// beyond tells whether an end was before one that is known, as the status still tells of it where the restart count fell. Where that one is
// yet to come, the clock of its node was ahead, and has been set since: it says nothing.
func (c *runs) beyond(finished, now time.Time) bool {
	return !finished.IsZero() && finished.Unix() < c.finished && c.finished <= now.Unix()
}

// counted returns the number of the last run that the restart count says is over, and whose end is not to come.
func (c *runs) counted() int {
	if c.over == untold {
		return c.base + c.restarts - 2
	}
	return c.base + c.restarts - 1
}

// mostMissed is how many runs of a container are told of as missed at once, the last ones: whoever may write a status can count as he likes.
const mostMissed = 1000

// miss notes the runs before the given one whose end was not seen.
func (n *News) miss(c *runs, pod evidence.Ref, until int) {
	of := pod.InContainer(c.name.Value())
	for number := max(c.ended+1, until-mostMissed); number < until; number++ {
		n.Missed = append(n.Missed, End{evidence.Attempt{Of: of.InAttempt(number - c.base)}, number, c.base})
	}
}

// unwell tells whether a pod is in trouble though none of its containers died.
func unwell(pod *corev1.Pod, now time.Time) bool {
	if fine(pod) {
		by := resizeBy(pod)
		return !by.IsZero() && !now.Before(by)
	}
	return troubled(pod, now)
}

// resizeBy returns when a resize that the node has put off, or refuses, counts as trouble; zero where there is none (KEP-1287).
func resizeBy(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodResizePending && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Add(waits)
		}
	}
	return time.Time{}
}

func troubled(pod *corev1.Pod, now time.Time) bool {
	if !tellsOfDeaths(pod) {
		return evidence.Troubled(pod, now)
	}
	alive := *pod
	alive.Status.InitContainerStatuses = withoutDeaths(pod.Status.InitContainerStatuses)
	alive.Status.ContainerStatuses = withoutDeaths(pod.Status.ContainerStatuses)
	alive.Status.EphemeralContainerStatuses = nil
	died := false
	for st := range statuses(pod) {
		died = died || st.State.Terminated != nil
	}
	explained := died && pod.Status.Phase == corev1.PodFailed && pod.DeletionTimestamp == nil // what ended may still not be gone in time
	return !explained && evidence.Troubled(&alive, now)
}

// fine tells of most pods that are not troubled that they are not.
func fine(pod *corev1.Pod) bool {
	for st := range statuses(pod) {
		if st.State.Waiting != nil {
			return false
		}
	}
	return pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && ready(pod)
}

// ready tells whether a pod is.
func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// tellsOfDeaths tells whether a status has anything that withoutDeaths leaves out.
func tellsOfDeaths(pod *corev1.Pod) bool {
	for st := range statuses(pod) {
		if st.State.Terminated != nil || st.LastTerminationState.Terminated != nil || st.RestartCount > 0 || st.State.Waiting != nil {
			return true
		}
	}
	return false
}

// withoutDeaths returns statuses as if nothing had ended yet.
func withoutDeaths(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	list = slices.Clone(list)
	for i := range list {
		list[i].LastTerminationState.Terminated, list[i].State.Terminated, list[i].RestartCount = nil, nil, 0
		if w := list[i].State.Waiting; w != nil && w.Reason == "CrashLoopBackOff" {
			list[i].State.Waiting = nil
		}
	}
	return list
}

// lookAgain returns when a pod that does not change any more may be in trouble all the same.
func lookAgain(pod *corev1.Pod, unwell bool, now time.Time) int64 {
	switch {
	case unwell || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed && pod.DeletionTimestamp == nil:
		return 0
	case pod.DeletionTimestamp != nil:
		return pod.DeletionTimestamp.Add(time.Minute).Unix()
	case !ready(pod):
		return now.Add(waits).Unix()
	}
	if by := resizeBy(pod); !by.IsZero() {
		return by.Unix()
	}
	return 0
}

// waits is how long a pod may take to become ready before it is looked at.
const waits = 2 * time.Minute
