// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// NamesUnanswered recognises a program that cannot resolve the name of a Service that is there.
var NamesUnanswered = &diagnosis.Rule{
	ID:    "DEP006",
	Title: "Names are not resolved",
	Doc: `
The program could not resolve a name: the name servers of the cluster did not answer, answered with a failure, or do not know a Service
that exists. Every lookup of a short name is several queries (search domains, ndots), so that slow name servers show as time-outs here
first.

**How it is told from its look-alikes.** The Service of that name exists, or the call that timed out was one to port 53, or the resolver
says that the failure is temporary. A name whose Service is known not to exist is another rule's; so is a network policy that
does not let the pod out to port 53. Where the pods of the cluster's name server are known and none is ready, they are the reason. A warning
that search domains were left out (DNSConfigForming) is only a hint: names beyond the limit do not resolve.

**What to do.** Look at the pods k8s-app=kube-dns in kube-system and what they log, then at the path to them.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Logs | evidence.Spec | evidence.Events,
	Effect: diagnosis.NameUnresolved,
	CausedBy: []diagnosis.Effect{
		diagnosis.ProcessFailed, diagnosis.OutOfMemory, diagnosis.Killed, diagnosis.NotReady, diagnosis.LivenessFailed, diagnosis.NotScheduled, diagnosis.NotStarted,
		diagnosis.ConfigChanged, diagnosis.NodeLost, diagnosis.NodePressure, diagnosis.NetworkFailed, diagnosis.DependencyDown,
	},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != namesUnanswered {
			return
		}
		var facts []evidence.Fact
		if c.service != nil && c.Problem != signature.TimeOut {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: c.meant, Where: "spec.clusterIP", Text: "clusterIP " + c.service.Spec.ClusterIP,
			})
		}
		why := "its name is not resolved"
		if _, port := c.Host(); port == "53" {
			why = "the name server does not answer"
		}
		servers := nameServers(p)
		if len(servers) > 0 && !anyReady(servers) {
			why = "the cluster's name servers are not ready"
			for _, pod := range servers[:min(len(servers), 3)] {
				facts = append(facts, citePod(pod)...)
			}
		}
		f := c.finding(p, why, facts...)
		f.Through = refsOf(servers)
		for _, e := range p.EventsOf(p.About().Object(), "DNSConfigForming") {
			f.Facts = append(f.Facts, e.Fact())
		}
		f.Fixes = []diagnosis.Fix{{Title: "Look at the cluster's name servers and what they log", Command: "kubectl -n kube-system logs -l k8s-app=kube-dns --tail=50"}}
		p.Report(f)
	},
}

// nameServers returns the pods of the cluster's name server that are known.
func nameServers(p *diagnosis.Pass) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", "kube-system")) {
		if pod.Labels["k8s-app"] == "kube-dns" {
			pods = append(pods, pod)
		}
	}
	return pods
}
