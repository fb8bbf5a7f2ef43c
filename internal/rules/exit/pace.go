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

// How runs are told to be alike and to have a period.
const (
	sameLength = 2 * time.Second  // how much the lengths of runs that are alike may differ, or by a tenth
	longWait   = 20 * time.Minute // a period beside which back-off, five minutes at most, counts little
)

// lived says how long the attempt lived, how often the container was restarted in which time, and what the run has in
// common with the others that are known of it, in this pod and in its siblings: the length and the last line.
func lived(p *diagnosis.Pass, a evidence.Attempt) string {
	if a.Started.IsZero() || a.Finished.IsZero() {
		return ""
	}
	var more []string
	if start := p.PodStatus().StartTime; start != nil && a.Of.Attempt > 1 {
		since := a.Finished.Sub(start.Time)
		restarts := fmt.Sprintf("%d restarts in %s", a.Of.Attempt, roughly(since))
		if every := since / time.Duration(a.Of.Attempt+1); every > longWait && (a.Finished.Sub(a.Started)-every).Abs() < every/4 {
			restarts += fmt.Sprintf(", each after about %s", roughly(every))
		}
		more = append(more, restarts)
	}
	all, pods := alike(p, a, p.About().Object()), 1
	for _, pod := range p.Siblings() {
		if theirs := alike(p, a, evidence.RefOf(pod)); len(theirs) > 0 {
			all, pods = append(all, theirs...), pods+1
		}
	}
	if len(all) > 0 {
		more = append(more, common(p, a, all, pods))
	}
	text := " after " + a.Finished.Sub(a.Started).Round(time.Second).String()
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}

// common says what other runs have in common with the attempt.
func common(p *diagnosis.Pass, a evidence.Attempt, others []evidence.Attempt, pods int) string {
	text := "like another run"
	if len(others) > 1 {
		text = fmt.Sprintf("like %d other runs", len(others))
	}
	if pods > 1 {
		text += fmt.Sprintf(" in %d pods", pods)
	}
	line := lastSaid(p.LogOf(a))
	if line != "" && !slices.ContainsFunc(others, func(o evidence.Attempt) bool { return lastSaid(p.LogOf(o)) != line }) {
		text += " with the same last line"
	}
	return text
}

// roughly rounds a time to what is worth saying.
func roughly(d time.Duration) string {
	if d < 5*time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// alike returns the other runs of the attempt's container in a pod that ended with the same code after the same time.
func alike(p *diagnosis.Pass, a evidence.Attempt, pod evidence.Ref) []evidence.Attempt {
	length := a.Finished.Sub(a.Started)
	return slices.DeleteFunc(p.AttemptsOf(pod.InContainer(a.Of.Container)), func(o evidence.Attempt) bool {
		differs := (o.Finished.Sub(o.Started) - length).Abs()
		return o.Of == a.Of || !o.Ended() || o.Started.IsZero() || o.ExitCode != a.ExitCode || differs > max(sameLength, length/10)
	})
}

// lastSaid returns the last line of a log without what changes from run to run: times and other numbers.
func lastSaid(l evidence.Log) string {
	text := strings.TrimSpace(l.Text)
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text[strings.LastIndexByte(text, '\n')+1:])
}
