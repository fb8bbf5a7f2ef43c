// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Source gives snapshots: the live cluster, a bundle, pasted text, manifests. It returns an error only when nothing
// at all can be said; evidence that cannot be had is a Gap.
type Source interface {
	Snapshot(ctx context.Context, sel evidence.Selection) (*evidence.Snapshot, error)
}

// A Report is the answer to one question.
type Report struct {
	Taken        time.Time
	Subject      evidence.Ref
	Asked        int // how many pods were looked at
	Causes       []Cause
	Undetermined []Undetermined
	Skipped      []Skip
	Gaps         []evidence.Gap  // what the snapshot lacks, and what its logs do
	Measured     []evidence.Fact // of a control plane that was asked about: its figures, well or not
}

// Diagnose is the whole program.
func Diagnose(ctx context.Context, src Source, sel evidence.Selection, rules []*Rule) (*Report, error) {
	s, err := src.Snapshot(ctx, sel)
	if err != nil {
		return nil, err
	}
	return Examine(s, rules), nil
}

// Examine answers from evidence that is already at hand.
func Examine(s *evidence.Snapshot, rules []*Rule) *Report {
	result := Run(s, rules)
	causes := telling(s, Rank(s, result.Findings))
	report := &Report{
		Taken: s.Taken, Subject: s.Subject, Causes: causes, Undetermined: undetermined(s, result.things, causes),
		Skipped: result.Skipped, Gaps: slices.Concat(s.Gaps, cutLogs(s)),
	}
	for _, ref := range asked(s) {
		if ref.Kind == "Pod" {
			report.Asked++
		}
	}
	for _, f := range s.Facts {
		if f.Kind == evidence.Control && s.Subject.Kind == "ControlPlane" {
			report.Measured = append(report.Measured, f)
		}
	}
	return report
}

// cutLogs names the logs of which only a part was read. The rules had a log, so that is no gap of the snapshot.
func cutLogs(s *evidence.Snapshot) []evidence.Gap {
	var gaps []evidence.Gap
	for _, l := range s.Logs {
		if l.Missing != "" {
			gaps = append(gaps, evidence.Gap{Kind: evidence.Logs, About: l.Of, Why: l.Missing + " was not read"})
		}
	}
	return gaps
}

// telling leaves out changes that nothing followed from, as that a node was restarted an hour ago, and what is about
// the context alone.
func telling(s *evidence.Snapshot, causes []Cause) []Cause {
	beside := besides(s)
	return slices.DeleteFunc(causes, func(c Cause) bool {
		return c.Rule.Change && len(c.Leads) == 0 || aside(s, beside, &c)
	})
}

// aside tells whether neither the finding nor anything that follows from it bears on what was asked.
func aside(s *evidence.Snapshot, beside []evidence.Ref, c *Cause) bool {
	return slices.ContainsFunc(beside, func(ref evidence.Ref) bool { return s.Covers(ref, c.About) }) &&
		!slices.ContainsFunc(c.Leads, func(lead Cause) bool { return !aside(s, beside, &lead) })
}

// undetermined lists every death that no finding explains at least as likely: neither one about it, nor one that such a
// finding follows from; and every pod in trouble that nothing else is about, so that silence is not taken for health.
func undetermined(s *evidence.Snapshot, things [Cluster + 1][]target, causes []Cause) []Undetermined {
	explained, told := map[evidence.Ref]bool{}, map[evidence.Ref]bool{}
	var walk func(causes []Cause, likely bool)
	walk = func(causes []Cause, likely bool) {
		for i := range causes {
			sure := likely || causes[i].Confidence >= Likely
			explained[causes[i].About] = explained[causes[i].About] || sure
			told[causes[i].About.Object()] = true
			walk(causes[i].Leads, sure)
		}
	}
	walk(causes, false)
	var list []Undetermined
	beside := besides(s)
	for _, t := range things[Attempt] {
		if a := t.attempt; !explained[a.Of] && !slices.Contains(beside, a.Of.Object()) {
			told[a.Of.Object()] = true
			list = append(list, Undetermined{
				About: a.Of, At: a.Finished, SettledBy: settledBy(s, a),
				Message: fmt.Sprintf("container %s ended with exit code %d, reason %s, and nothing that could be read says who ended it",
					a.Of.Container, a.ExitCode, a.Reason),
			})
		}
	}
	for _, t := range things[Pod] {
		isTold := slices.ContainsFunc(s.Above(t.about), func(ref evidence.Ref) bool { return told[ref] })
		if pod := s.Object(t.about).(*corev1.Pod); !isTold && !slices.Contains(beside, t.about) && evidence.Troubled(pod, s.Taken) {
			message := fmt.Sprintf("pod %s (%s) is not as it should be, and no rule recognises why", pod.Name, pod.Status.Phase)
			list = append(list, Undetermined{About: t.about, Message: message})
		}
	}
	return list
}

// settledBy names the evidence that would settle a death, by what it could tell.
func settledBy(s *evidence.Snapshot, a *evidence.Attempt) []string {
	tells := []struct {
		kind evidence.Kind
		text string
	}{
		{evidence.Events, "the Killing Event of that minute, which names the kubelet's reason"},
		{evidence.Logs, "the log of that attempt"},
		{evidence.Node, "the node's conditions and boot time"},
		{evidence.Host, "the node's kernel log and the record of who sent the signal"},
	}
	var list []string
	for _, t := range tells {
		if s.Lacks(t.kind, a.Of) != 0 {
			list = append(list, t.text+" ("+why(s, t.kind, a.Of)+")")
		}
	}
	return list
}
