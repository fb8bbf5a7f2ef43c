// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const sigKill = int(unix.SIGKILL)

// Names of the facts, which say who sent the signal. They are about signals to the first process of a container; before the
// name of one to another process stands "child-", and before that of one which the first ignores, or had got already, "ignored-".
const (
	child       = "child-"
	ignored     = "ignored-"
	byKernel    = "signal-kernel"
	byRuntime   = "signal-runtime"
	byPod       = "signal-pod"       // a process of the same pod
	byNeighbour = "signal-neighbour" // of another pod
	byHost      = "signal-host"      // of the node
	byUnknown   = "signal-unknown"   // it was gone before it could be looked up, or the trace does not prove who it was
)

// runtimes are the names, as far as the kernel keeps them, of what starts and ends containers at the kubelet's order, and of the
// kubelet itself, which ends what is left in a pod's control group.
var runtimes = []string{"containerd", "containerd-shim", "crio", "conmon", "conmonrs", "runc", "crun", "youki", "dockerd", "kubelet", "hyperkube"}

// isRuntime tells whether a process calls itself so. That proves something of a process of the node only.
func isRuntime(comm string) bool {
	return slices.Contains(runtimes, comm) || strings.HasPrefix(comm, "containerd-shim") || strings.HasPrefix(comm, "runc:[")
}

// inContainer tells whether a pod's control group is that of a container or below it. What is the pod's own has nothing but
// what a runtime put there, such as its monitor ("crio-conmon-….scope").
func inContainer(group string) bool {
	_, below, _ := strings.Cut(group, "kubepods")
	for name := range strings.SplitSeq(below, "/") {
		if containerID.MatchString(name) {
			return !strings.HasPrefix(name, "crio-conmon-")
		}
	}
	return false
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// report tells the fact of a signal, if it is one.
func (t *Tracer) report(e *event) {
	name, who := t.who(e)
	sort := toFirst
	switch {
	case name == byKernel && e.sig == sigKill && t.cause(e) == forTheEnd:
		sort = atTheEnd
	case e.guessed:
		t.counts.Gone++
		return
	case e.first && e.sig == sigKill && e.result != wasIgnored && e.result != alreadyPending:
		sort = ending
	case e.first:
	case e.sig == sigKill || name != byPod || e.senderRef.Container != e.about.Container:
		sort = toOther
	default:
		return // a process ends its own
	}
	entry := record.Entry{PodUID: e.uid}
	if name == byNeighbour && e.senderRef.Namespace != e.about.Namespace {
		entry.Names, entry.Brief = cmp.Or(e.senderRef.Namespace, record.Anybody), t.sentence(e, "a process of another pod")
	}
	switch {
	case !e.first:
		name = child + name
	case e.result == wasIgnored || e.result == alreadyPending:
		name = ignored + name
	}
	entry.Fact = &evidence.Fact{
		Kind: evidence.Signals, Source: evidence.FromKernel, About: e.about, At: e.at, Where: "trace",
		Name: name, Value: float64(e.sig), Text: t.sentence(e, who),
	}
	if !t.bounds.add(key{e.uid, e.about, sort}, entry, t.tell) {
		t.miss(1, "signals to more containers than are counted in a minute")
	}
}

// sentence is the text of a fact.
func (t *Tracer) sentence(e *event, who string) string {
	text := fmt.Sprintf("%s from %s to %s", signame(e.sig), who, t.whom(e))
	switch e.result {
	case wasIgnored:
		text += ", which ignores it"
	case alreadyPending:
		text += ", which had got one already"
	}
	return text
}

func signame(sig int) string { return unix.SignalName(unix.Signal(sig)) }

// Why the kernel kills.
const (
	forMemory = "for want of memory"
	forTheEnd = "at the end of process 1"
)

// cause tells why the kernel sent SIGKILL: it marks a victim of the out of memory killer after the signal, and then kills those
// that share its memory; and as process 1 of a pid namespace ends, it ends the others. Empty: neither.
func (t *Tracer) cause(e *event) string {
	near := func(v victim) bool {
		shares := v.by == e.sender && !e.claimed() && e.at.After(v.at) && e.at.Sub(v.at) < settleTime
		return e.at.Sub(v.at).Abs() < time.Second && (v.pid == e.target || shares)
	}
	switch {
	case slices.ContainsFunc(t.victims, near):
		return forMemory
	case e.from != nil && e.from != e.to && (e.from.first() || t.known[e.sender] == e.from):
		return forTheEnd
	}
	return ""
}

// who tells who sent a signal: the name of the fact, and the words.
func (t *Tracer) who(e *event) (name, words string) {
	cause := ""
	if e.sig == sigKill {
		cause = t.cause(e)
	}
	switch {
	case e.code == fromKernel && e.claimed() && cause == "":
		return byUnknown, "itself, or the kernel in its name as at a limit of processor time,"
	case e.code == fromKernel:
		return byKernel, strings.TrimSpace("the kernel " + cause)
	case !e.sentByCaller():
		return byUnknown, fmt.Sprintf("a timer, a file or a queue (code %d), for which the trace names no sender,", e.code)
	case !e.senderKnown():
		return byUnknown, t.unknown(e)
	}
	words = fmt.Sprintf("pid %d (%s)", e.from.pid, e.from.comm)
	if e.from.borrows {
		words += fmt.Sprintf(", which had ended, a child of pid %d,", e.from.parent)
	}
	runtime := isRuntime(e.from.comm) || e.from.engine
	switch {
	case e.senderPlaced && (!runtime || inContainer(e.senderGroup)):
		return t.fromPod(e, words)
	case !e.senderPlaced && t.ofNewPod(e):
		return byNeighbour, words + " of a pod that the runtime has not told of"
	case runtime:
		return byRuntime, with(words+" of the runtime", unitOf(e.from.groups))
	}
	return byHost, with(words+" of the node", append([]string{unitOf(e.from.groups)}, t.called(e.from)...)...)
}

// ofNewPod tells whether a sender that could not be placed is in a container all the same, of which the runtime has not told
// yet: it is no process of the node, whatever it calls itself. Where the node is a container itself, all it has is below one.
func (t *Tracer) ofNewPod(e *event) bool {
	_, _, own, _ := t.place(e.to.groups)
	return e.about.Container != "" && slices.ContainsFunc(e.from.groups, func(group string) bool {
		return inContainer(group) && containersAbove(group) >= containersAbove(own)
	})
}

// containersAbove counts the containers that a control group is in.
func containersAbove(group string) int { return len(containerID.FindAllString(group, -1)) }

// unknown says what is known of a sender that is gone.
func (t *Tracer) unknown(e *event) string {
	comm, executed := "", ""
	if e.from != nil {
		comm = e.from.comm
		if t.known[e.sender] == e.from {
			executed = "which the runtime had executed in a container and "
		}
	} else if t.trace != nil {
		comm = t.trace.command(e.sender)
	}
	if comm != "" {
		comm = " (" + comm + ")"
	}
	return fmt.Sprintf("pid %d%s, %swhich was gone before it could be looked up,", e.sender, comm, executed)
}

func (t *Tracer) fromPod(e *event, words string) (name, said string) {
	if e.senderUID != e.uid {
		return byNeighbour, fmt.Sprintf("%s of pod %s/%s%s", words, e.senderRef.Namespace, e.senderRef.Name, container(e.senderRef, ", container "))
	}
	switch {
	case e.from.pid == e.to.pid:
		return byPod, "itself"
	case e.senderRef == e.about:
		return byPod, words + " of the same container"
	}
	return byPod, words + container(e.senderRef, " of container ") + " of the same pod"
}

func container(r evidence.Ref, before string) string {
	if r.Container == "" {
		return ""
	}
	return before + r.Container
}

// whom says whom a signal was sent to.
func (t *Tracer) whom(e *event) string {
	in := "a container of pod " + e.about.Name
	if e.about.Container != "" {
		in = "container " + e.about.Container
	}
	comm := cmp.Or(e.comm, e.to.comm)
	switch {
	case e.to.first():
		return fmt.Sprintf("process 1 of %s (pid %d, %s)", in, e.to.pid, comm)
	case e.first:
		return fmt.Sprintf("the first process of %s (pid %d, %s)", in, e.to.pid, comm)
	}
	return fmt.Sprintf("pid %d (%s) of %s", e.to.pid, comm, in)
}

// unitOf says which unit of systemd a process of the node is part of, else its control group.
func unitOf(groups []string) string {
	for _, group := range groups {
		for group != "/" && group != "." {
			if last := path.Base(group); strings.HasSuffix(last, ".service") || strings.HasSuffix(last, ".scope") {
				return "unit " + shorten(last)
			}
			group = path.Dir(group)
		}
	}
	for _, group := range groups {
		if group != "/" {
			return "control group " + shorten(group)
		}
	}
	return ""
}

// shorten bounds a name of a control group.
func shorten(s string) string {
	const most = 160
	if s = printable(s); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// called says how a process of the node was called, and by whom it was started.
func (t *Tracer) called(x *process) (said []string) {
	if x.borrows {
		return nil
	}
	if argv := t.proc.argv(x.pid); argv != "" && argv != x.comm {
		said = append(said, argv)
	}
	if up := t.proc.look(x.parent); up != nil && up.pid > 1 {
		said = append(said, fmt.Sprintf("started by pid %d (%s)", up.pid, up.comm))
	}
	return said
}

// with adds what else there is to say, between commas.
func with(words string, more ...string) string {
	if more = slices.DeleteFunc(more, func(s string) bool { return s == "" }); len(more) == 0 {
		return words
	}
	return words + ", " + strings.Join(more, ", ") + ","
}
