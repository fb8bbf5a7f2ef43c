// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A kind is what ruled nodes out. Their order is the one in which the scheduler asks (kubernetes
// pkg/scheduler/apis/config/v1, default_plugins.go): whatever ruled a node out, it had passed what comes before.
type kind int

const (
	none        kind = iota
	noNode           // there is no node at all
	cordon           // the node is cordoned
	taint            // a taint
	selector         // the pod's own nodeSelector or node affinity
	port             // a host port is taken
	device           // too little of an extended resource
	room             // too little of cpu, memory or ephemeral-storage
	podCount         // as many pods as the kubelet takes
	volumeUsed       // the volume may be used by one pod only
	volumeCount      // as many volumes as can be attached
	claim            // a claim is missing or not bound
	volumePlace      // the volume is elsewhere
	spread           // topology spread constraints
	apart            // anti-affinity between pods
	together         // affinity between pods
	other
)

// says is each kind as a reason why nodes were ruled out besides.
var says = map[kind]string{
	cordon: "a cordon", taint: "a taint", selector: "the pod's own node selector or affinity", room: "too little room",
	port: "a host port that is taken", device: "too few devices", podCount: "the number of their pods",
	volumeCount: "the number of their volumes", volumePlace: "a volume that is elsewhere", spread: "the topology spread",
	apart: "anti-affinity to other pods", together: "affinity to other pods",
}

// A reason is why the scheduler ruled out some nodes.
type reason struct {
	kind  kind
	nodes int
	text  string
}

// A verdict is what the scheduler last said of the pass's pod.
type verdict struct {
	nodes   int  // that it looked at
	decided kind // none where the pod waits for no verdict
	reasons []reason
	facts   []evidence.Fact
	sure    diagnosis.Confidence
}

// read returns the scheduler's verdict: from the pod's condition, or, where that has no words, as in what kubectl
// describe prints, from its last Event.
func read(p *diagnosis.Pass) verdict {
	said, facts, sure := hear(p)
	v, ok := parse(said)
	if !ok {
		return verdict{}
	}
	v.facts, v.sure, v.decided = facts, sure, v.decides(p)
	return v
}

// hear returns the words of the verdict, the facts that hold them, and how sure they make it.
func hear(p *diagnosis.Pass) (said string, facts []evidence.Fact, sure diagnosis.Confidence) {
	status := p.PodStatus()
	if p.NodeName() != "" || p.PodMeta().DeletionTimestamp != nil {
		return "", nil, 0
	}
	sure = diagnosis.Likely
	for _, c := range status.Conditions {
		if c.Type != corev1.PodScheduled {
			continue
		}
		if c.Status != corev1.ConditionFalse || c.Reason == corev1.PodReasonSchedulingGated {
			return "", nil, 0
		}
		fact, _ := p.CitePodCondition(corev1.PodScheduled)
		facts, sure = append(facts, fact), diagnosis.Certain
		if c.Message != "" {
			return c.Message, facts, sure
		}
	}
	events := p.Events("FailedScheduling")
	if len(events) == 0 {
		return "", nil, 0
	}
	last := events[len(events)-1]
	if len(facts) == 0 {
		facts = unplaced(p)
	}
	return last.Message, append([]evidence.Fact{last.Fact()}, facts...), sure
}

// of returns the reasons of one kind.
func (v verdict) of(k kind) []reason {
	return slices.DeleteFunc(slices.Clone(v.reasons), func(r reason) bool { return r.kind != k })
}

// on says how many nodes were ruled out for that: "2 of 3 nodes"; "no node" where the scheduler gives no number.
func (v verdict) on(k kind) string {
	n := 0
	for _, r := range v.of(k) {
		n = max(n, r.nodes)
	}
	return fmt.Sprintf("%d of %d nodes", n, v.nodes)
}

// others tells of the nodes that were ruled out for something else than k, or returns "".
func (v verdict) others(k kind) string {
	var list []string
	for _, r := range v.reasons {
		if r.kind == k {
			continue
		}
		by := says[r.kind]
		if by == "" {
			by = strings.TrimPrefix(r.text, "node(s) ")
		}
		list = append(list, fmt.Sprintf("%d of %d nodes by %s", r.nodes, v.nodes, by))
	}
	if len(list) == 0 {
		return ""
	}
	return "; ruled out besides: " + strings.Join(list, ", ")
}

func (v verdict) report(p *diagnosis.Pass, k kind, message string, facts []evidence.Fact, fixes ...diagnosis.Fix) {
	v.through(p, k, message, facts, nil, fixes...)
}

// through reports trouble that comes through other things, as the nodes that the node controller has tainted.
func (v verdict) through(p *diagnosis.Pass, k kind, message string, facts []evidence.Fact, things []evidence.Ref, fixes ...diagnosis.Fix) {
	f := diagnosis.Finding{
		Confidence: v.sure, Message: message + v.others(k), Through: things,
		Facts: slices.Concat(v.facts, facts), Fixes: fixes,
	}
	if n := p.PodStatus().NominatedNodeName; n != "" {
		f.Message += fmt.Sprintf("; it is to have node %s, once pods of less priority there have ended", n)
		f.Facts = append(f.Facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.nominatedNodeName", Text: "nominatedNodeName " + n,
		})
	}
	if e, ok := coming(p); ok {
		f.Message += "; the autoscaler is adding a node for it"
		f.Facts = append(f.Facts, e.Fact())
		f.Fixes = slices.Insert(f.Fixes, 0, diagnosis.Fix{
			Title: "Wait some minutes for the new node; if none joins look at the autoscaler's log and at the quota for machines", Command: "kubectl get nodes --watch",
		})
	}
	if k == claim || k == volumePlace { // the API writes whole seconds, and what is wrong with a claim was so before
		f.At = v.facts[0].At.Add(time.Second)
	}
	p.Report(f)
}

// edit returns the command that changes where the pass's pods are made.
func edit(p *diagnosis.Pass) string {
	workload, template := p.Workload()
	if template == nil {
		return "kubectl get pod " + p.About().Name + " -n " + p.About().Namespace + " -o yaml"
	}
	return fmt.Sprintf("kubectl edit -n %s %s", workload.Namespace, workload)
}
