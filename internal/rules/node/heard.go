// SPDX-License-Identifier: Apache-2.0

package node

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

// mostCited is how many records a finding cites.
const mostCited = 4

// heard returns the records of the node's kubelet, runtime and service manager of some sorts, oldest first.
func heard(p *diagnosis.Pass, sorts ...string) []evidence.Fact {
	return p.Facts(evidence.Host, sorts...)
}

// troubles returns what heard does of troubles that a kubelet which reports and is ready does not have: nothing where the
// last record is old, the node is ready, and no container on it has ended since the first.
func troubles(p *diagnosis.Pass, sorts ...string) []evidence.Fact {
	facts := heard(p, sorts...)
	ready, _ := condition(p.Node(), corev1.NodeReady)
	if len(facts) == 0 || ready.Status != corev1.ConditionTrue || p.Now().Sub(facts[len(facts)-1].At) <= lately {
		return facts
	}
	for _, pod := range podsOn(p) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if a.Expected == "" && a.Finished.After(facts[0].At) {
				return facts
			}
		}
	}
	return nil
}

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

// times words how often something happened. A log of which records were left out says how many.
func times(facts []evidence.Fact) string {
	n := len(facts)
	for _, f := range facts {
		if m := leftOut.FindStringSubmatch(f.Text); m != nil {
			more, _ := strconv.Atoi(m[1])
			n += more
		}
	}
	return fmt.Sprintf(", %d times", n)
}

var leftOut = regex.New(`\(and (\d+) more before it\)$`)

// condition returns the node's condition of that type.
func condition(node *corev1.Node, kind corev1.NodeConditionType) (corev1.NodeCondition, bool) {
	if node == nil {
		return corev1.NodeCondition{}, false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return corev1.NodeCondition{}, false
}

// says returns the node's condition Ready as a fact where the kubelet says in it, with any of the words, what it lacks: then
// it is False.
func says(p *diagnosis.Pass, words ...string) []evidence.Fact {
	ready, _ := condition(p.Node(), corev1.NodeReady)
	if !holds(ready.Message, words...) {
		return nil
	}
	cited, _ := p.CiteNodeCondition(corev1.NodeReady)
	return []evidence.Fact{cited}
}

// podsOn returns the pods on the pass's node that are known.
func podsOn(p *diagnosis.Pass) []*corev1.Pod {
	return diagnosis.List[*corev1.Pod](p, p.About())
}

// lately is how long ago an Event still tells of the present.
const lately = 15 * time.Minute

// podEvents returns the newest Event of each pod on the node that has one of the reasons, lately, and fits.
func podEvents(p *diagnosis.Pass, fits func(*corev1.Pod, evidence.Event) bool, reasons ...string) []evidence.Fact {
	var facts []evidence.Fact
	for _, pod := range podsOn(p) {
		for _, e := range slices.Backward(p.EventsOf(evidence.RefOf(pod), reasons...)) {
			if p.Now().Sub(e.Last) <= lately && fits(pod, e) {
				facts = append(facts, e.Fact())
				break
			}
		}
	}
	return facts
}

// held cites, where a finding begins with the Event of a pod, how that pod's first container waits: its status agrees.
func held(p *diagnosis.Pass, facts []evidence.Fact) []evidence.Fact {
	about := facts[0].About.Object()
	if about.Kind != "Pod" {
		return nil
	}
	pod := p.Object(about).(*corev1.Pod)
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil {
			return []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod).InContainer(c.Name),
				Where: evidence.StatusPath(pod, c.Name) + ".state.waiting", Text: "reason " + w.Reason,
			}}
		}
	}
	return nil
}

// holds tells whether a text has any of the words in it.
func holds(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// look is a fix that begins with a look at the node.
func look(title, command string) []diagnosis.Fix {
	return []diagnosis.Fix{{Title: title, Command: command}}
}
