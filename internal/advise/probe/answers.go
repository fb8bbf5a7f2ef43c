// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
)

// Answers is what was measured of how a container answers its probes, and of what holds it up.
type Answers struct {
	By      string             // who measured it, and over what time
	Slowest map[string]Slowest // by the kubelet's word for the probe
	Pauses  []Pause
	Unread  []string // what was not read, and why
}

// A Slowest bounds the answers of one probe.
type Slowest struct {
	Within           time.Duration // that the slowest took at most; Never: that is not known
	Answered, Failed int           // tries, where they were counted
}

// A Pause is how long the container stood still at most, and what stopped it.
type Pause struct {
	Lasts time.Duration
	By    string
}

// kinds are the kubelet's words for probes.
var kinds = []string{"Startup", "Liveness", "Readiness"}

// period is the time in which a CPU limit is accounted, unless a kubelet is told otherwise (cpuCFSQuotaPeriod): a container that has used up
// its share stands still for the rest of it.
const period = 100 * time.Millisecond

// pauses are what is known to stop the container, the longest first: what was measured, and what a record of throttling says.
func (a *Answers) pauses(starts []Start) []Pause {
	share := 0.0
	for i := range starts {
		share = max(share, starts[i].Throttled)
	}
	list := slices.Clone(a.Pauses)
	if share > 0 {
		list = append(list, Pause{period, fmt.Sprintf("its CPU limit, which stopped a run in %.0f%% of its periods, each time for less than one", 100*share)})
	}
	slices.SortStableFunc(list, func(x, y Pause) int { return cmp.Compare(y.Lasts, x.Lasts) })
	return list
}

// ByAnswers says in sentences how probes were answered and what held the container up, and what of that was not read.
func ByAnswers(a *Advice) (says []string) {
	for _, kind := range kinds {
		s, known := a.Answers.Slowest[kind]
		if q := a.Present.of(kind); q == nil || !known {
			continue
		}
		text := "its " + strings.ToLower(kind) + " probe "
		if s.Within == Never {
			text += "was asked, how long its answers took nobody knows"
		} else {
			text += "was answered within " + brief(s.Within)
		}
		if s.Answered+s.Failed > 0 {
			text += fmt.Sprintf(", %s, of which %d failed", tries(s.Answered+s.Failed), s.Failed)
		}
		says = append(says, text+", by "+a.Answers.By)
	}
	for _, p := range a.Pauses {
		says = append(says, fmt.Sprintf("it stood still for up to %s by %s", brief(p.Lasts), p.By))
	}
	if len(a.Pauses) == 0 && a.Answers.By == "" {
		says = append(says, "no throttling is known: neither a node agent nor a kubelet tells of any")
	}
	return append(says, a.Answers.Unread...)
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// brief is a short time as people read it.
func brief(d time.Duration) string {
	if d < time.Second {
		return max(d.Round(time.Millisecond), time.Millisecond).String()
	}
	return advise.Round(d)
}

// timeouts gives answers one and a half times what the slowest took together with the longest pause: a pause may fall on any of them. Where
// neither is known, and where there is more time than that, it stays as it is.
func (p *proposal) timeouts(present Probes, slowest map[string]Slowest, list []Pause) {
	pause := Pause{}
	if len(list) > 0 {
		pause = list[0]
	}
	for _, kind := range kinds {
		q, by := p.of(kind), slowest[kind]
		if kind == "Startup" && present.Startup == nil { // it asks what the liveness probe asks
			by = slowest["Liveness"]
		}
		if q == nil || by.Within == Never || by.Within+pause.Lasts == 0 {
			continue
		}
		needs := withMargin(by.Within + pause.Lasts)
		if seconds(q.TimeoutSeconds) >= needs {
			continue
		}
		p.giveTime(present, kind, q, int32(needs/time.Second), because(by, pause))
	}
}

// because says what answers need time for.
func because(by Slowest, pause Pause) string {
	var says []string
	if by.Within > 0 {
		says = append(says, "its slowest answer took up to "+brief(by.Within))
	}
	if pause.Lasts > 0 {
		says = append(says, fmt.Sprintf("it stood still for up to %s by %s", brief(pause.Lasts), pause.By))
	}
	return strings.Join(says, ", and ")
}

// giveTime sets a time-out, unless a hang would be noticed too late with it.
func (p *proposal) giveTime(present Probes, kind string, q *corev1.Probe, needs int32, why string) {
	before := q.TimeoutSeconds
	q.TimeoutSeconds = needs
	name := strings.ToLower(kind)
	if kind == "Liveness" && !p.inTime(present) {
		q.TimeoutSeconds = before
		p.because("%s: one and a half times that is %ds, but with that its %s probe would notice a hang in more than twice the time that it takes now, so its timeoutSeconds stays %d", why, needs, name, before)
		return
	}
	p.because("%s: its %s probe gets a timeoutSeconds of %d, one and a half times that, instead of %d", why, name, needs, before)
}
