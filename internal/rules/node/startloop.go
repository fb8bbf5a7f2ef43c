// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// StartLoop recognises a kubelet or a runtime that keeps being restarted.
var StartLoop = &diagnosis.Rule{
	ID:    "NOD006",
	Title: "Kubelet or runtime restarts again and again",
	Doc: `
The service manager starts the kubelet or the container runtime again and again, because it ends with an error. In between, nothing on the node is started, probed or
reported; the node flaps between Ready and NotReady.

**How it is told from its look-alikes.** By five starts within 20 minutes, in the kubelet's own Starting Events or in the service manager's log, or by its counter of restarts. Starts of one service do not count for the other. One restart is an
update or a change of settings. A node that booted starts everything once.

**What to do.** The log of the service ends each time with what it failed on: its configuration, a certificate, a panic, memory.

The threshold is that of node-problem-detector (config/kubelet-counter and containerd counter). The kubelet's Event is written in kubernetes pkg/kubelet/kubelet.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host | evidence.Events | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeLost,
	CausedBy: []diagnosis.Effect{diagnosis.CertExpired, diagnosis.ConfigChanged, diagnosis.OutOfMemory, diagnosis.StorageFull, diagnosis.KernelFailed},
	Run: func(p *diagnosis.Pass) {
		_ = p.Node()
		facts := burst(starts(p))
		service := "kubelet"
		if logged, of := loops(p); len(logged) > 0 {
			facts, service = logged, of
		}
		if len(facts) == 0 {
			return
		}
		cited := few(facts)
		if ready, _ := p.CiteNodeCondition(corev1.NodeReady); ready.At.After(facts[0].At) { // it flapped meanwhile
			cited = append(slices.Clone(cited), ready)
		}
		unit := map[string]string{"kubelet": "kubelet", "container runtime": "containerd"}[service]
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain - confidenceLess(facts), Facts: cited,
			Message: fmt.Sprintf("the %s of %s is restarted again and again%s", service, nodeName(p), because(facts)),
			Fixes:   look("Read how its log ends each time", "journalctl -u "+unit+" -n 100 --no-pager"),
		})
	},
}

// loopStarts within loopWindow make a loop (node-problem-detector).
const (
	loopStarts = 5
	loopWindow = 20 * time.Minute
)

// stillLoops is how long after the last start the loop counts as over: the longest that systemd is set to wait.
const stillLoops = 5 * time.Minute

// services are what a node's pods need, and the names that their units have.
var services = []struct {
	name  string
	units []string
}{{"kubelet", []string{"kubelet"}}, {"container runtime", []string{"containerd", "docker", "crio"}}}

// loops returns what the service manager says of the one of them that it starts again and again, and why that ended; what was long
// ago on a node that is well is history.
func loops(p *diagnosis.Pass) (facts []evidence.Fact, service string) {
	for _, s := range services {
		of := func(sort string) []evidence.Fact {
			return slices.DeleteFunc(troubles(p, sort), func(f evidence.Fact) bool {
				return !holds(strings.ToLower(f.Text), s.units...) || strings.Contains(f.Text, ".service") && !ofUnit(f.Text, s.units...)
			})
		}
		if logged := append(burst(of("unit-start")), of("unit-loop")...); len(logged) > 0 {
			return slices.Concat(logged, of("unit-failed"), heard(p, "program-panic")), s.name
		}
	}
	return nil, ""
}

// starts returns the kubelet's own Events about its start, one for each that no boot of the node explains; none if the last
// one is long ago.
func starts(p *diagnosis.Pass) []evidence.Fact {
	boots := p.NodeEvents("Rebooted")
	var facts []evidence.Fact
	for _, e := range p.NodeEvents("Starting") {
		booted := slices.ContainsFunc(boots, func(b evidence.Event) bool { return b.Last.Sub(e.Last).Abs() <= time.Minute })
		if e.Message != "Starting kubelet." || booted || p.Now().Sub(e.Last) > loopWindow {
			continue
		}
		for range min(e.Count, loopStarts) {
			facts = append(facts, e.Fact())
		}
	}
	if len(facts) == 0 || p.Now().Sub(facts[len(facts)-1].At) > stillLoops {
		return nil
	}
	return facts
}

// burst returns the records if there are enough of them in the window.
func burst(facts []evidence.Fact) []evidence.Fact {
	for i := loopStarts - 1; i < len(facts); i++ {
		if facts[i].At.Sub(facts[i-loopStarts+1].At) <= loopWindow {
			return facts
		}
	}
	return nil
}

// confidenceLess lowers what only Events tell, which whoever may write Events can write.
func confidenceLess(facts []evidence.Fact) diagnosis.Confidence {
	for _, f := range facts {
		if f.Source >= evidence.FromStatus {
			return 0
		}
	}
	return 1
}

// because returns what the service said when it failed.
func because(facts []evidence.Fact) string {
	for _, f := range facts {
		if f.Name == "program-panic" || f.Name == "unit-failed" {
			return ": " + strings.TrimRight(f.Text, ".")
		}
	}
	return ""
}
