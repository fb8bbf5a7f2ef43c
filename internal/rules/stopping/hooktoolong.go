// SPDX-License-Identifier: Apache-2.0

package stopping

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// HookTooLong recognises a preStop hook that leaves the program no time.
var HookTooLong = &diagnosis.Rule{
	ID:    "STP101",
	Title: "Hook takes the whole grace period",
	Doc: `
The preStop hook sleeps for as long as the grace period or longer. The period begins with the hook, so nothing is left for the program: it
gets two seconds after SIGTERM and is then killed (kubelet, minimumGracePeriodInSeconds), in the middle of what it was doing.

**How it is told from its look-alikes.** The hook is a sleep whose length can be read, of kind sleep or a command. What another command takes cannot be known here.

**What to do.** Raise terminationGracePeriodSeconds to the length of the hook and what the program needs to finish.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Killed,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
			return
		}
		grace := int64(30)
		if g := p.PodSpec().TerminationGracePeriodSeconds; g != nil {
			grace = *g
		}
		sleeps, where := slept(c.Lifecycle.PreStop)
		if sleeps == 0 || sleeps < grace-1 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("the preStop hook of container %s sleeps for %ds of a grace period of %ds: the program is killed before it can finish", c.Name, sleeps, grace),
			Facts:      []evidence.Fact{p.CiteSpec("lifecycle.preStop."+where, fmt.Sprintf("%ds", sleeps))},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Raise terminationGracePeriodSeconds to %d", sleeps+30), Risk: diagnosis.Restart,
				Patch: p.PatchPodSpec(map[string]any{"terminationGracePeriodSeconds": sleeps + 30}),
			}},
		})
	},
}

var sleepWord = regex.New(`(?:^|[;&| /])sleep[ ]+(\d+)`)

// slept returns for how many seconds a hook sleeps, and the field that says so.
func slept(h *corev1.LifecycleHandler) (seconds int64, where string) {
	if h.Sleep != nil {
		return h.Sleep.Seconds, "sleep.seconds"
	}
	if h.Exec == nil {
		return 0, ""
	}
	if m := sleepWord.FindStringSubmatch(strings.Join(h.Exec.Command, " ")); m != nil {
		seconds, _ = strconv.ParseInt(m[1], 10, 32) // digits
	}
	return seconds, "exec.command"
}
