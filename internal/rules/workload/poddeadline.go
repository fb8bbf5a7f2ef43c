// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PodDeadline recognises a pod that its kubelet ended because it ran for longer than it may.
var PodDeadline = &diagnosis.Rule{
	ID:    "WRK013",
	Title: "Pod was active for longer than its deadline",
	Doc: `
The pod's spec has activeDeadlineSeconds, and so much time had passed since the kubelet took it on: the kubelet ended its
containers, and the pod failed for good. Time spent pulling images and in init containers counts.

**How it is told from its look-alikes.** The pod's status has the reason DeadlineExceeded with the kubelet's words about an
active pod. A Job's own deadline deletes the pod and is told by the Job (WRK004). A container killed by a probe is
restarted; here none is. Exit codes 137 and 143 are how the containers ended and not why.

**What to do.** Raise the deadline if the work needs longer, or find out what took the time.

The wording is in kubernetes pkg/kubelet/active_deadline.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.DeadlinePassed,
	CausedBy: []diagnosis.Effect{
		diagnosis.VolumeFailed, diagnosis.SandboxFailed, diagnosis.ConfigMissing, diagnosis.ImageUnavailable, diagnosis.InitBlocked,
	},
	Run: func(p *diagnosis.Pass) {
		st := p.PodStatus()
		if !strings.Contains(st.Message, "active on the node longer") {
			return
		}
		f := diagnosis.Finding{
			Confidence: diagnosis.Certain,
			Facts:      []evidence.Fact{status(p, time.Time{}, "status", "phase %s, reason %s, message %s", st.Phase, st.Reason, st.Message)},
			Message:    fmt.Sprintf("pod %s was ended by its kubelet because it was active for longer than its deadline", p.About().Name),
			Fixes:      []diagnosis.Fix{{Title: "Raise activeDeadlineSeconds if the work needs longer, or find out what took the time"}},
		}
		if s := p.PodSpec().ActiveDeadlineSeconds; s != nil {
			f.Message += " of " + (time.Duration(*s) * time.Second).String()
			f.Facts = append(f.Facts, p.CiteSpec("activeDeadlineSeconds", *s))
			if st.StartTime != nil {
				f.At = st.StartTime.Add(time.Duration(*s) * time.Second)
			}
		}
		for _, e := range p.Events("DeadlineExceeded") {
			f.At = e.First
			f.Facts = append(f.Facts, e.Fact())
		}
		p.Report(f)
	},
}
