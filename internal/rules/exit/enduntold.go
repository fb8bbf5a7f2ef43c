// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// EndUntold recognises a container that began anew, where nobody tells how the run before ended.
var EndUntold = &diagnosis.Rule{
	ID:    "EXT028",
	Title: "Nobody tells how the last run of the container ended",
	Doc: `
The restart count says that the container runs anew, and the status has no end of the run before: lastState is empty, or says that that run
is running. A kubelet can make the next run before it has heard of the end of the last, as where the runtime lost what it has beside
the pod; mostly it tells the end within a second. Where the runtime has removed what was left before the kubelet looked, it never
does. That a run ended is certain, how is not known.

**How it is told from its look-alikes.** By the restart count, against the ends that the status and the node's agent tell of. Where either
tells how that run ended, the rules about ends speak; where the agent counted runs that it missed, another rule does. Where an Event says that the sandbox was replaced when the next run began,
that finding is the cause. What is older than an hour is history, and so is one restart that the container has been running well after
for ten minutes: a kubelet that is restarted, or a node that is tidied up, can lose the end of what ended long ago.

**What to do.** Ask again: the end may be told by now. Else read the log of that run as long as it is there, and the journal of the node's
kubelet of that minute; with an agent on the node the next end is on record.

The status is written in kubernetes pkg/kubelet/kubelet_pods.go (convertToAPIContainerStatuses); recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Events | evidence.Host,
	Effect: diagnosis.EndLost,
	CausedBy: []diagnosis.Effect{
		diagnosis.NodeRestarted, diagnosis.NodeLost, diagnosis.PodDeleted, diagnosis.RuntimeFailed, diagnosis.SandboxFailed,
		diagnosis.RestartIntended,
	},
	Run: func(p *diagnosis.Pass) {
		st := p.Status()
		if st == nil || !evidence.Untold(st, p.Attempts(), p.Now()) || len(missedRuns(p)) > 0 {
			return
		}
		began := st.State.Running.StartedAt.UTC()
		cite := func(where, text string, at time.Time) evidence.Fact {
			return evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: at, Where: p.StatusPath() + where, Text: text}
		}
		f := diagnosis.Finding{
			At: began, Confidence: diagnosis.Possible, Facts: []evidence.Fact{
				cite(".restartCount", fmt.Sprintf("restartCount %d", st.RestartCount), began),
				cite(".state.running", "startedAt "+began.Format(time.RFC3339), began),
			},
			Message: fmt.Sprintf("container %s ended and began anew, and nobody tells how run %d of it ended", p.About().Container, st.RestartCount),
			Fixes: []diagnosis.Fix{
				{Title: "Read the log of that run, as long as the node has it, and ask again", Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --previous", p.About().Namespace, p.About().Name, p.About().Container)},
				{Title: fmt.Sprintf("Read the journal of the kubelet of node %s of that minute; an agent on the node would have the end on record", p.NodeName())},
			},
		}
		if last := st.LastTerminationState.Running; last != nil {
			f.Facts = append(f.Facts, cite(".lastState.running", "startedAt "+last.StartedAt.UTC().Format(time.RFC3339), last.StartedAt.UTC()))
		}
		for _, e := range p.Events("Killing", "SandboxChanged") {
			if since := began.Sub(e.Last); since >= 0 && since < back {
				f.Facts = append(f.Facts, e.Fact())
			}
		}
		p.Report(f)
	},
}
