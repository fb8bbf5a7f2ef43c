// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// RevisionBroke recognises an end by the very thing that the pod's revision changed.
var RevisionBroke = &diagnosis.Rule{
	ID:    "CHG002",
	Title: "What failed is what the revision changed",
	Doc: `
The pod is of a revision that changed something, and the container ended by that: it names an environment variable that the
revision removed, changed or added, it was killed at a memory limit that the revision lowered or set, by a probe that the revision
changed, or its command could not be run since the revision changed it or the image.

**How it is told from its look-alikes.** Two independent facts must meet: the difference between the templates, and how the
container ended or what it wrote last. A variable that was removed and is named nowhere, a limit that was raised, a probe
of another container do not count; nor does an end after more than an hour of running, which the change had time to cause
before.

**What to do.** Put back what the revision changed, or go back to the revision before.

The revisions are the ReplicaSets of a Deployment, and the ControllerRevisions of a StatefulSet or DaemonSet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Logs | evidence.Events,
	Effect: diagnosis.ConfigChanged,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		if b, ok := breakOf(p); ok {
			fixes := []diagnosis.Fix{undo(b.now.top, b.before.number)}
			if fix, ok := restore(p, b); ok {
				fixes = append([]diagnosis.Fix{fix}, fixes...)
			}
			p.Report(diagnosis.Finding{
				At: p.Attempt().Finished, Confidence: diagnosis.Likely,
				Message: fmt.Sprintf("container %s %s what revision %d of %s changed: %s", p.About().Container, b.effect, b.now.number, b.now.top, b.by.text),
				Facts:   slices.Concat(b.now.cite(b.by, b.before), []evidence.Fact{p.Attempt().Fact()}, b.facts),
				Fixes:   fixes,
			})
		}
	},
}

// A broken is the difference between two revisions that an end follows from, and how it does.
type broken struct {
	now, before revision
	by          difference
	effect      string // a predicate of the container, of which that difference is the object
	facts       []evidence.Fact
}

// breakOf finds what the revision of the pass's pod changed that its attempt ended by.
func breakOf(p *diagnosis.Pass) (broken, bool) {
	a, since := p.Attempt(), revisionsSince(p)
	if len(since) < 2 || !a.Started.IsZero() && a.Finished.Sub(a.Started) > time.Hour {
		return broken{}, false
	}
	now, before := since[0], since[1]
	for _, d := range differences(before.template, now.template) {
		if d.container != a.Of.Container {
			continue
		}
		if effect, facts := join(p, a, d); effect != "" {
			return broken{now, before, d, effect, facts}, true
		}
	}
	return broken{}, false
}

// join tells how an end follows from a difference, with the fact that says so beside the end itself; "" where it does not.
func join(p *diagnosis.Pass, a evidence.Attempt, d difference) (string, []evidence.Fact) {
	order, _ := p.Order()
	switch {
	case d.field == "env":
		if named, facts := naming(p, a, d.name); named {
			return "ends, and its last lines name", facts
		}
	case d.field == "resources.limits" && d.name == "memory" && a.Reason == "OOMKilled" && lower(d.to, d.from):
		return "is killed at its memory limit, and that is", nil
	case d.field == "livenessProbe" && order.By == evidence.ByLiveness, d.field == "startupProbe" && order.By == evidence.ByStartup:
		return "is ended by the kubelet because its probe fails, and that is", []evidence.Fact{order.Event.Fact()}
	case (d.field == "command" || d.field == "args" || d.field == "image") && unrunnable(a):
		return "cannot be run, and that is", nil
	}
	return "", nil
}

// unrunnable tells whether the command of a container could not be run, by the runtime or by a shell.
func unrunnable(a evidence.Attempt) bool {
	return a.Reason == "StartError" || a.Reason == "ContainerCannotRun" || a.ExitCode == 126 || a.ExitCode == 127
}

// lastLines is how many lines before its end a container's failure is looked for in, where no error block is found.
const lastLines = 10

// naming tells whether a container, before it ended with an error or at once, names something, and cites the line of its
// log; what its termination message says its end cites.
func naming(p *diagnosis.Pass, a evidence.Attempt, name string) (named bool, facts []evidence.Fact) {
	text := p.Log().Text
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(len(lines)-lastLines, 0):]
	block, _ := signature.Find(text)
	lines = append(slices.Clone(block.Lines), lines...)
	word := regexp.MustCompile(`(?:^|[^A-Za-z0-9_])` + regexp.QuoteMeta(name) + `(?:[^A-Za-z0-9_]|$)`)
	for _, line := range lines {
		if word.MatchString(line) {
			return true, []evidence.Fact{a.LineFact(line, time.Time{})}
		}
	}
	return word.MatchString(a.Message), nil
}

// lower tells whether a quantity is below another; any is below none.
func lower(to, from string) bool {
	a, err := resource.ParseQuantity(to)
	if err != nil {
		return false
	}
	b, err := resource.ParseQuantity(from)
	return err != nil || a.Cmp(b) < 0
}
