// SPDX-License-Identifier: Apache-2.0

// Package kernel holds the rules about what the kernel of a node says of itself, of its devices and of the processes on
// it. They look at records of the kernel log, which an agent, a bundle or a pasted dmesg brings.
package kernel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	AllocationFailed,
	Oops,
	Lockup,
	RCUStall,
	HungTask,
	FileSystemError,
	DiskError,
	DeviceLeak,
	TableFull,
	HardwareError,
	FileServer,
	ForkFailed,
	FileTable,
	Denied,
	GPU,
	Fabric,
	ProcessCrash,
	LinkDown,
	Throttled,
	Panic,
}

// lasting is how long a record bears on what is wrong with pods now, and beside how long of an end of a container it bears on that.
const lasting, beside = 15 * time.Minute, 2 * time.Minute

// records returns the kernel's records of some sorts, in the order of the log. Where pods are in question, what is neither new nor
// from about the time of an end of a container is history: an agent keeps records for days.
func records(p *diagnosis.Pass, sorts ...string) []evidence.Fact {
	ends := diagnosis.Memo(p, "ends", func() *[]time.Time { return endsOn(p) })
	return slices.DeleteFunc(p.Facts(evidence.Host, sorts...), func(f evidence.Fact) bool {
		return ends != nil && !f.At.IsZero() && p.Now().Sub(f.At) > lasting && !nearOne(*ends, f.At, beside)
	})
}

// endsOn returns when containers on the node ended in which a program ran; nil where no pod is known.
func endsOn(p *diagnosis.Pass) *[]time.Time {
	pods := diagnosis.List[*corev1.Pod](p, p.About())
	if len(pods) == 0 {
		return nil
	}
	ends := &[]time.Time{}
	for _, pod := range pods {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if !a.Finished.IsZero() && a.Reason != "StartError" && a.Reason != "ContainerCannotRun" {
				*ends = append(*ends, a.Finished)
			}
		}
	}
	return ends
}

func nearOne(ends []time.Time, at time.Time, within time.Duration) bool {
	return slices.ContainsFunc(ends, func(end time.Time) bool { return end.Sub(at).Abs() <= within })
}

// mostCited is how many records a finding cites.
const mostCited = 4

// few returns the first records and the last one.
func few(facts []evidence.Fact) []evidence.Fact {
	if len(facts) <= mostCited {
		return facts
	}
	return slices.Concat(facts[:mostCited-1], facts[len(facts)-1:])
}

// nodeName names the pass's node in a message. A log that does not say where it is from is of "the node".
func nodeName(p *diagnosis.Pass) string {
	if name := p.About().Name; name != "node" {
		return "node " + name
	}
	return "the node"
}

// place returns the function in which a report of the kernel says that it happened, and the stack below it.
func place(f evidence.Fact) (function, stack string) {
	_, rest, _ := strings.Cut(f.Text, " (in ")
	rest, _, _ = strings.Cut(strings.TrimSuffix(rest, ")"), ";")
	function, _, _ = strings.Cut(rest, " < ")
	return function, rest
}

// process returns the name of the process in which it happened.
func process(f evidence.Fact) string {
	return matched(within, f)
}

var within = regex.New(`[(;] ?process ([^()]+)\)$`)

// matched returns what the groups of a pattern find in a record, "" where it does not fit.
func matched(pattern *regex.Expr, f evidence.Fact) string {
	m := pattern.FindStringSubmatch(f.Text)
	return strings.Join(m[min(len(m), 1):], "")
}

// headline returns a report without the place and the process.
func headline(f evidence.Fact) string {
	text, _, _ := strings.Cut(f.Text, " (in ")
	text, _, _ = strings.Cut(text, " (process ")
	return strings.TrimRight(strings.TrimSpace(text), ".!")
}

// in words a place for a message: " in blkdev_put".
func in(f evidence.Fact) string {
	if function, _ := place(f); function != "" {
		return " in " + function
	}
	return ""
}

// times words how often something happened, where that is more than once. A log of which records were left out says how
// many.
func times(facts []evidence.Fact) string {
	n := len(facts)
	for _, f := range facts {
		if m := leftOut.FindStringSubmatch(f.Text); m != nil {
			more, _ := strconv.Atoi(m[1])
			n += more
		}
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", %d times", n)
}

var leftOut = regex.New(`\(and (\d+) more before it\)$`)

// distinct returns the words that of finds in the records, each once, in their order; at most so many as a line takes.
func distinct(facts []evidence.Fact, of func(evidence.Fact) string) []string {
	var words []string
	for _, f := range facts {
		if w := of(f); w != "" && !slices.Contains(words, w) && len(words) < mostCited {
			words = append(words, w)
		}
	}
	return words
}

// reboot is the fix of what only a new start of the node mends.
func reboot(p *diagnosis.Pass, why string) diagnosis.Fix {
	return diagnosis.Fix{Title: "Drain and restart " + nodeName(p) + why, Risk: diagnosis.NodeRestart, Command: draining(p)}
}

// drain is the fix that moves the pods to other nodes.
func drain(p *diagnosis.Pass, title string) diagnosis.Fix {
	return diagnosis.Fix{Title: title, Risk: diagnosis.Evict, Command: draining(p)}
}

// draining is the command that empties the node.
func draining(p *diagnosis.Pass) string {
	name := p.About().Name
	if name == "node" {
		name = "NODE"
	}
	return "kubectl drain " + name + " --ignore-daemonsets --delete-emptydir-data"
}

// onNode is a fix that a person carries out with a command on the node.
func onNode(title, command string) diagnosis.Fix {
	return diagnosis.Fix{Title: title, Command: command}
}
