// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A rejection is what the kubelet said of a pod that it would not take.
type rejection struct {
	reason, said string
	fact         evidence.Fact
}

// rejected returns why the kubelet of the pod's node turned the pod away. It does so before any container, and writes
// reason and message into the status of the pod (kubernetes pkg/kubelet/kubelet.go, rejectPod). Since 1.26 the message
// begins with "Pod was rejected: ", before with "Pod ". Where it did not there is no such reason.
func rejected(p *diagnosis.Pass) rejection {
	st := p.PodStatus()
	if len(p.Attempts()) > 0 {
		return rejection{}
	}
	r := rejection{reason: st.Reason, said: st.Message}
	for _, prefix := range []string{"Pod was rejected: ", "Pod "} {
		r.said = strings.TrimPrefix(r.said, prefix)
	}
	r.fact = evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status", Text: fmt.Sprintf("phase %s, reason %s", st.Phase, st.Reason)}
	if st.StartTime != nil {
		r.fact.At = st.StartTime.UTC()
	}
	if st.Message != "" {
		r.fact.Text += ", message " + st.Message
	}
	return r
}

// where names the node, if it is known.
func where(p *diagnosis.Pass) string {
	if name := p.NodeName(); name != "" {
		return "node " + name
	}
	return "its node"
}

func (r rejection) report(p *diagnosis.Pass, message string, facts []evidence.Fact, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{Confidence: diagnosis.Certain, Message: message, Facts: append([]evidence.Fact{r.fact}, facts...), Fixes: fixes})
}

// again is the fix of a pod that its controller has replaced already, or that nobody does.
func again(p *diagnosis.Pass) diagnosis.Fix {
	fix := diagnosis.Fix{Title: "Delete the pod: it does not run again by itself", Command: "kubectl delete pod -n " + p.About().Namespace + " " + p.About().Name}
	if len(p.PodMeta().OwnerReferences) > 0 {
		fix.Title = "Delete what is left of the pod: its controller has made another"
	}
	return fix
}

// pinned cites that the pod was given its node by its manifest, past the scheduler: no scheduler has noted that it placed it.
func pinned(p *diagnosis.Pass) []evidence.Fact {
	_, t := p.Workload()
	alone := len(p.PodMeta().OwnerReferences) == 0 && len(p.PodStatus().Conditions) == 0
	if p.NodeName() == "" || !alone && (t == nil || t.Spec.NodeName == "") {
		return nil
	}
	return []evidence.Fact{p.CiteSpec("nodeName", p.NodeName())}
}
