// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BetweenLooks recognises a container whose runs came and went between two looks of the node's agent.
var BetweenLooks = &diagnosis.Rule{
	ID:    "EXT027",
	Title: "Runs of the container began and ended unseen",
	Doc: `
The restart count rose by more than the runs whose end is known: the container died and came back between two looks at the runtime, or
while the node's agent did not run, and the runtime had removed what was left before the next look. That there were such runs is
certain, how they ended nobody knows.

**How it is told from its look-alikes.** The node's agent counts such runs and says since when; without it only the restart count would
tell. Where a run of the last hour is known that ended and needs explaining, that one speaks for the others. A run whose end was
seen but made up by the runtime has another rule. What is older than an hour is history.

**What to do.** Watch the pod until it dies again: the next end is recorded. If runs are that short, look at the previous log at once.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status | evidence.Host,
	Effect: diagnosis.EndLost,
	CausedBy: []diagnosis.Effect{
		diagnosis.NodeRestarted, diagnosis.NodeLost, diagnosis.RuntimeFailed, diagnosis.SandboxFailed, diagnosis.RestartIntended,
	},
	Run: func(p *diagnosis.Pass) {
		f := diagnosis.Finding{Confidence: diagnosis.Possible, Facts: missedRuns(p)}
		if len(f.Facts) == 0 {
			return
		}
		runs := 0
		for _, gap := range f.Facts {
			runs += int(gap.Value)
		}
		f.Message = fmt.Sprintf("container %s ended unseen and began anew within the last hour, runs: %d: the restart count tells that there were some, and nobody saw how they ended", p.About().Container, runs)
		f.Fixes = []diagnosis.Fix{{Title: "Watch the pod until it ends again, and read the log of that run", Command: fmt.Sprintf("kubectl -n %s get pod %s -w", p.About().Namespace, p.About().Name)}}
		p.Report(f)
	},
}

func recent(p *diagnosis.Pass, at time.Time) bool { return p.Now().Sub(at) <= time.Hour }

// missedRuns returns what the node's agent says of runs of the pass's container that it did not see within the last hour, where no
// end of one is known.
func missedRuns(p *diagnosis.Pass) []evidence.Fact {
	if slices.ContainsFunc(p.Attempts(), func(a evidence.Attempt) bool { return a.Ended() && a.Expected == "" && recent(p, a.Finished) }) {
		return nil
	}
	return slices.DeleteFunc(p.Facts(evidence.Host, missed), func(gap evidence.Fact) bool {
		return gap.About.Container != p.About().Container || gap.Value <= 0 || !strings.HasPrefix(gap.Text, "runtime: ") || !recent(p, gap.At)
	})
}
