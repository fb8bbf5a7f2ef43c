// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// An event is one signal, and what was found out about it.
type event struct {
	at                     time.Time
	sender, target         int // a thread each, by the machine's first pid namespace
	sig, code, result      int
	comm                   string   // of the target
	to, from               *process // from is nil when it was gone
	about                  evidence.Ref
	uid                    string
	first                  bool // the target is the first process of its container
	senderRef              evidence.Ref
	senderUID, senderGroup string
	senderPlaced           bool
	guessed                bool // that the target was of the sender's container, which is so if that one was ending
	aim                    aim  // what is known of the target
}

// An aim is what is known of who a signal was sent to.
type aim int

// What may be known.
const (
	ofPod     aim = iota // a process of a container that is known, or of a pod's own
	ofNew                // a process of a container that the runtime has not told of
	ofNobody             // it was gone
	ofAnother            // no pod's
)

// The codes and results that mean something here (include/uapi/asm-generic/siginfo.h, include/trace/events/signal.h).
const (
	fromKernel     = 0x80 // SI_KERNEL
	byKill         = 0    // SI_USER: kill(2), and the kernel where it acts for a process at once
	byQueue        = -1   // SI_QUEUE: sigqueue(3)
	byThreadKill   = -6   // SI_TKILL: tgkill(2)
	wasIgnored     = 1    // TRACE_SIGNAL_IGNORED
	alreadyPending = 2    // TRACE_SIGNAL_ALREADY_PENDING
)

// A victim is a process that the out of memory killer chose, and the process in which it ran.
type victim struct {
	pid, by int
	at      time.Time
}

// mostVictims is how many are remembered.
const mostVictims = 64

func (t *Tracer) victim(v victim) {
	t.victims = append(t.victims, v)
	t.victims = t.victims[max(0, len(t.victims)-mostVictims):]
	if i := slices.IndexFunc(t.waiting, func(e *event) bool { return e.target == v.pid && e.aim == ofPod }); i >= 0 {
		t.report(t.waiting[i])
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
}

// signal takes the record of a signal. Both ends are looked up at once, as they may be gone in a moment.
func (t *Tracer) signal(e *event) {
	t.counts.Signals++
	if !t.affords(e) {
		t.miss(1, "more signals than can be looked up")
		return
	}
	t.findTarget(e)
	switch e.aim {
	case ofAnother:
		t.counts.Strange++
		return
	case ofPod, ofNew: // who sent it may be gone in a moment as well
		t.findSender(e)
	case ofNobody:
	}
	if e.aim == ofPod && !(e.code == fromKernel && e.sig == sigKill) && (e.senderKnown() || !e.sentByCaller()) {
		t.report(e)
		return
	}
	if t.waiting = append(t.waiting, e); len(t.waiting) >= mostLookups {
		t.settle(time.Time{})
		return
	}
	t.settleIn(settleTime)
}

// settleIn has what is put off settled after a time, or when that is due already.
func (t *Tracer) settleIn(d time.Duration) {
	if t.settles {
		return
	}
	t.settles = true
	t.afterwards(d, func(now time.Time) {
		t.settles = false
		t.settle(now)
	})
}

// affords tells whether a signal is looked up. There is a limit for all, which does not count for the first processes of
// containers, and one for each of these, which does not count for what ends it: a flood hides nobody's end.
func (t *Tracer) affords(e *event) bool {
	k := t.known[e.target]
	if k == nil {
		return t.budget.take(e.at)
	}
	k.sent++
	return k.sent <= mostSent || e.sig == sigKill && e.result != wasIgnored
}

// mostSent is how many signals to one first process are looked up in a minute.
const mostSent = 100

// settle reports what was put off: by now the kernel has said whether its signals were for want of memory, and the other
// processors' buffers, which may tell of a sender or a target that is gone, have been read. What is too new for that is put off again,
// and what was sent to a container that is not known yet, but not without a time.
func (t *Tracer) settle(now time.Time) {
	waiting, next := t.waiting, placeEach
	t.waiting = nil
	for _, e := range waiting {
		age := now.Sub(e.at).Abs()
		if age < settleTime {
			t.waiting, next = append(t.waiting, e), settleTime
			continue
		}
		if e.aim != ofPod {
			t.findTarget(e)
		}
		if e.aim == ofNew && age < placeTime {
			t.waiting = append(t.waiting, e)
			continue
		}
		t.conclude(e)
	}
	if len(t.waiting) > 0 {
		t.settleIn(next)
	}
}

// conclude reports a signal by what is known of it, or notes that it was missed.
func (t *Tracer) conclude(e *event) {
	switch e.aim {
	case ofAnother:
		t.counts.Strange++
		return
	case ofNobody:
		t.counts.Gone++
		if t.known[e.target] != nil {
			t.miss(1, "a process that the runtime had just started in a container was gone before it could be looked up")
		}
		return
	case ofNew:
		t.miss(1, "a signal to a container that the runtime has not told of")
	case ofPod:
	}
	if !e.senderKnown() {
		t.findSender(e)
	}
	t.report(e)
}

// findTarget looks the target up, and whose it is.
func (t *Tracer) findTarget(e *event) {
	if e.to == nil || len(e.to.groups) == 0 {
		e.to = t.find(e.target)
	}
	if e.to == nil {
		e.to = t.left(e)
	}
	if e.to == nil || len(e.to.groups) == 0 {
		e.aim = ofNobody
		return
	}
	about, uid, group, ok := t.place(e.to.groups)
	switch {
	case !ok:
		e.aim = ofAnother
		return
	case !t.o.Knows(group):
		e.aim = ofNew
	default:
		e.aim = ofPod
	}
	e.about, e.uid, e.first = about, uid, t.isFirst(e.to)
}

// left makes up a target that is gone from the first process of its container: as that one ends, the kernel ends all that is left in
// its pid namespace, and they are gone at once.
func (t *Tracer) left(e *event) *process {
	k := t.known[e.sender]
	if k == nil || k.groups == nil || e.code != fromKernel || e.sig != sigKill {
		return nil
	}
	e.guessed = true
	return &process{pid: e.target, comm: e.comm, groups: k.groups, borrows: true}
}

// sentByCaller tells whether the record's process is the sender: it was sent by a system call of its own. Timers, files and message
// queues send in the name of whatever the processor was at (kernel/time/posix-timers.c, fs/fcntl.c, ipc/mqueue.c).
func (e *event) sentByCaller() bool {
	return e.code == byKill || e.code == byQueue || e.code == byThreadKill
}

// claimed tells whether a code that says that the kernel sent it may be the target's own word: rt_sigqueueinfo(2) and pidfd_send_signal(2)
// take any code from who sends to itself, and from nobody else (kernel/signal.c, do_rt_sigqueueinfo).
func (e *event) claimed() bool { return e.sender == e.target }

func (e *event) senderKnown() bool { return e.from != nil && len(e.from.groups) > 0 }

// findSender looks the sender up.
func (t *Tracer) findSender(e *event) {
	if e.sender == e.target {
		e.from = e.to
	} else {
		e.from = t.find(e.sender)
	}
	if e.from == nil || e.from.exiting && (e.from.borrows || len(e.from.groups) == 0) {
		e.from = cmp.Or(t.brief(e), e.from)
	}
	if !e.senderKnown() {
		return
	}
	e.senderRef, e.senderUID, e.senderGroup, e.senderPlaced = t.place(e.from.groups)
}

// brief returns a sender that is gone: the program that it was, or else one that a runtime started, which is not gone.
func (t *Tracer) brief(e *event) *process {
	program, root := t.senders.of(e.sender, e.at)
	if program != nil || root == e.sender {
		return program
	}
	up := t.proc.look(root)
	if up == nil || up.exiting || !isRuntime(up.comm) {
		return nil
	}
	if _, _, group, ok := t.place(up.groups); ok && inContainer(group) {
		return nil
	}
	return &process{pid: e.sender, comm: cmp.Or(t.trace.command(e.sender), "?"), parent: up.pid, groups: up.groups, borrows: true, engine: true}
}

// find looks a process up. One that is ending itself no longer says what its control group was: it is that of its
// parent, unless we know it from before.
func (t *Tracer) find(pid int) *process {
	x := t.proc.look(pid)
	if x == nil {
		return t.known[pid]
	}
	if !x.exiting || len(x.groups) > 0 && !slices.Equal(x.groups, []string{"/"}) {
		return x
	}
	if k := t.known[x.pid]; k != nil && k.groups != nil && (k.begun == 0 || x.begun == 0 || k.begun == x.begun) {
		x.groups = k.groups
		return x
	}
	x.groups = t.borrowed(x)
	x.borrows = x.groups != nil
	return x
}

// borrowed returns the control groups of the parent of a process that is ending, or of the next one above that is not. What a
// runtime starts in a container is a child of the runtime's and not in its group; nor is a process of another pid namespace.
func (t *Tracer) borrowed(x *process) []string {
	below := x
	for range 4 {
		up := t.proc.look(below.parent)
		if up == nil || up.depth != x.depth || isRuntime(up.comm) && !isRuntime(below.comm) {
			return nil
		}
		if k := t.known[up.pid]; up.exiting && k != nil && k.groups != nil {
			return k.groups
		}
		if !up.exiting {
			return up.groups
		}
		below = up
	}
	return nil
}

// place tells whose the first of the control groups is that is a pod's, and which one that is; else the first one.
func (t *Tracer) place(groups []string) (about evidence.Ref, uid, group string, ok bool) {
	for _, group := range groups {
		if about, uid, ok := t.o.Place(group); ok {
			return about, uid, group, true
		}
	}
	if len(groups) > 0 {
		group = groups[0]
	}
	return evidence.Ref{}, "", group, false
}

// ofPod tells whether control groups are a pod's, known already or not.
func (t *Tracer) ofPod(groups []string) bool {
	_, _, _, ok := t.place(groups)
	return ok || slices.ContainsFunc(groups, func(g string) bool { return strings.Contains(g, "kubepods") })
}

// isFirst tells whether a process of a pod is the first one of its container: process 1 of a pid namespace. Where the pod
// shares one with others it is the one that the runtime started first; what it started later was executed in the container.
// Process 1 of a pid namespace that was made within a container is not.
func (t *Tracer) isFirst(x *process) bool {
	if x.first() {
		return !t.nested(x)
	}
	self := t.known[x.pid]
	if x.borrows || (self == nil || self.groups == nil) && !t.fromOutside(x) {
		return false
	}
	begun := t.begun(x)
	for _, k := range t.known {
		if k.pid != x.pid && len(k.groups) > 0 && k.groups[0] == x.groups[0] && (k.first() || k.begun != 0 && k.begun < begun) {
			return false
		}
	}
	return true
}

// nested tells whether the container of a process has one that is process 1 of a pid namespace around its own.
func (t *Tracer) nested(x *process) bool {
	about, uid, _, ok := t.place(x.groups)
	for _, k := range t.known {
		if ok && k.first() && k.depth < x.depth {
			if other, its, _, ok := t.place(k.groups); ok && other == about && its == uid {
				return true
			}
		}
	}
	return false
}

// begun returns when a process began, in clock ticks since boot; 0 where that is not known.
func (t *Tracer) begun(x *process) uint64 {
	if k := t.known[x.pid]; x.begun == 0 && k != nil && k.begun != 0 {
		return k.begun
	}
	if x.begun == 0 {
		if stat, err := t.proc.read(x.pid, "stat"); err == nil {
			_, x.begun = parseStat(stat)
		}
	}
	return x.begun
}

// fromOutside tells whether the parent of a process of a pod is not of the pod: of a pid namespace around its own or, where it has
// the machine's, of no pod's control group.
func (t *Tracer) fromOutside(x *process) bool {
	up := t.find(x.parent)
	if up == nil || len(up.groups) == 0 {
		return false
	}
	if x.depth > 1 {
		return up.depth < x.depth
	}
	_, _, group, placed := t.place(up.groups)
	return !placed || isRuntime(up.comm) && !inContainer(group)
}

// cloned takes note of a thread or a process that another thread made. It is lasting if it is a thread of a runtime that lives on.
func (t *Tracer) cloned(at time.Time, by, made int, lasting bool) {
	t.senders.thread(made, by, at)
	if lasting {
		t.senders.work(made, cmp.Or(t.senders.engines[by].process, t.engine(made)), at)
	} else if t.senders.engines[made].process != 0 {
		t.senders.work(made, 0, at)
	}
}

// engine returns the process of a thread, if that is a runtime's of the node which lives on; else 0.
func (t *Tracer) engine(tid int) int {
	x := t.proc.look(tid)
	if x == nil || x.exiting || !slices.Contains(engines, x.comm) {
		return 0
	}
	if _, _, group, ok := t.place(x.groups); ok && inContainer(group) {
		return 0
	}
	return x.pid
}

// renamed takes note of a program that begins. Who takes the name of a runtime is none for that.
func (t *Tracer) renamed(at time.Time, pid int, old, name string) {
	if slices.Contains(engines, name) {
		t.senders.work(pid, 0, at)
	}
	if slices.Contains(startedBy, old) || slices.Contains(startedBy, name) {
		t.learn(pid, name)
	}
	if x := t.proc.look(pid); x != nil && !x.exiting && slices.Contains(brief, name) {
		x.comm = name
		t.senders.add(pid, x, at)
	}
}

// learn remembers a process if it is the first one of a container, or was executed in one. It is about to take the name given,
// unless that is empty.
func (t *Tracer) learn(pid int, name string) {
	if len(t.known) >= mostKnown {
		return
	}
	x := t.proc.look(pid)
	if x == nil || x.exiting { // no more than that there was one
		if k := t.known[pid]; k != nil {
			k.comm = cmp.Or(name, k.comm)
		} else if name != "" {
			t.known[pid] = &process{pid: pid, comm: name}
		}
		return
	}
	if !t.ofPod(x.groups) || !x.first() && !t.fromOutside(x) {
		return
	}
	delete(t.known, x.pid)
	x.begun = t.begun(x)
	x.comm = cmp.Or(name, x.comm)
	t.known[x.pid] = x
}

// sweep forgets the first processes that have been gone for a minute, as what was sent to them may not have been read before, and learns
// those that began without being noticed.
func (t *Tracer) sweep() {
	for pid, k := range t.known {
		k.sent = 0
		switch x := t.proc.look(pid); {
		case x != nil && !x.exiting:
		case k.ended:
			delete(t.known, pid)
		default:
			k.ended = true
		}
	}
	pids := t.proc.pids()
	t.sweepEngines(pids)
	for _, pid := range pids {
		if k := t.known[pid]; k != nil && !k.ended {
			continue
		}
		b, err := t.proc.read(pid, "cgroup")
		if err != nil {
			continue
		}
		if t.ofPod(parseGroups(b)) {
			t.learn(pid, "")
		}
	}
}

// sweepEngines learns the threads of runtimes that began without being noticed, and forgets those that are gone.
func (t *Tracer) sweepEngines(pids []int) {
	alive := map[int]bool{}
	for _, pid := range pids {
		comm, err := t.proc.read(pid, "comm")
		if err != nil || !slices.Contains(engines, strings.TrimSuffix(string(comm), "\n")) || t.engine(pid) == 0 {
			continue
		}
		since := time.Now().UTC()
		for _, tid := range t.proc.threads(pid) {
			alive[tid] = true
			t.senders.work(tid, pid, since)
		}
	}
	t.senders.sweep(alive)
}
