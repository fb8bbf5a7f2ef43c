// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// find gives the run of a death the number that it has in a snapshot, which is another one where the restart count fell meanwhile.
// It returns false where that number is of another run by now.
func (d *unsettled) find(s *evidence.Snapshot) bool {
	pod, ok := s.Object(d.run.Of.Object()).(*corev1.Pod)
	if !ok || d.id == "" {
		return true
	}
	all := containersOf(pod, d.run.Of.Container)
	for number, id := range all {
		if id == d.id {
			d.run.Of = d.run.Of.InAttempt(number)
			return true
		}
	}
	return all[d.run.Of.Attempt] == ""
}

// containersOf returns, by the numbers of the runs of a container that a status tells of, what the runtime names them.
func containersOf(pod *corev1.Pod, name string) map[int]string {
	all := map[int]string{}
	for st := range statuses(pod) {
		if st.Name != name {
			continue
		}
		n := int(st.RestartCount)
		if t := st.LastTerminationState.Terminated; t != nil {
			all[evidence.LastRun(st)] = t.ContainerID
		}
		switch {
		case st.State.Terminated != nil:
			all[n] = st.State.Terminated.ContainerID
		case st.State.Running != nil:
			all[n] = st.ContainerID
		}
	}
	return all
}

// withRuns returns the snapshot with runs that its statuses no longer tell of, and with all looked at that an agent tells of: of those that
// are alike, as in a loop, the newest would stand for the others.
func withRuns(s *evidence.Snapshot, deaths []unsettled) *evidence.Snapshot {
	var lost []evidence.Attempt
	var each []evidence.Ref
	for _, d := range deaths {
		is := func(a evidence.Attempt) bool { return a.Of == d.run.Of }
		switch pod := d.run.Of.Object(); {
		case d.Kind != history.Died || slices.ContainsFunc(s.Deaths(pod), is):
		case slices.ContainsFunc(s.Attempts(pod), is):
			each = append(each, d.run.Of)
		default:
			lost = append(lost, d.run)
		}
	}
	if len(lost)+len(each) == 0 {
		return s
	}
	more := &evidence.Snapshot{
		Taken: s.Taken, Subject: s.Subject, Asked: s.Asked, Each: each, Context: s.Context, Has: s.Has, Gaps: s.Gaps, Absent: s.Absent,
		Objects: s.Objects, Events: s.Events, Logs: s.Logs, Facts: s.Facts, Runs: append(slices.Clone(s.Runs), lost...),
	}
	for _, a := range lost {
		more.Gaps = append(more.Gaps, evidence.Gap{Kind: evidence.Logs, About: a.Of, Why: "it had been started again before its log was read"})
	}
	return more.Freeze()
}

// answerAlike is answerFor, and of a run that is looked at though a newer stands for it, as both ended in the same way: if more is known of why
// that ended, as from the state in which a service is now, the same.
func (t telling) answerAlike(of, workload evidence.Ref) answer {
	a := t.answerFor(of, workload)
	if !slices.Contains(t.s.Each, of) {
		return a
	}
	if a.rule == "" {
		if newer := t.newerLike(of); newer.Kind != "" {
			if b := t.answerFor(newer, workload); b.rule != "" {
				return b
			}
		}
		return a
	}
	for i := range t.report.Causes {
		if c := &t.report.Causes[i]; leadsTo(c, a.rule, of.InAttempt(evidence.NoAttempt)) {
			return answerOf(c, t.thingOf(c.About, of, workload))
		}
	}
	return a
}

// newerLike returns the newest run of a container after one that ended in the same way, or nothing.
func (t telling) newerLike(of evidence.Ref) (newest evidence.Ref) {
	all := t.s.Attempts(of.Object())
	i := slices.IndexFunc(all, func(a evidence.Attempt) bool { return a.Of == of })
	if i < 0 {
		return newest
	}
	for _, b := range all[i+1:] { // the oldest of a container comes first
		if b.Of.Container == of.Container && !b.Finished.IsZero() && b.ExitCode == all[i].ExitCode && b.Reason == all[i].Reason {
			newest = b.Of
		}
	}
	return newest
}

// leadsTo tells whether what a rule finds of a container follows from a cause.
func leadsTo(c *diagnosis.Cause, rule string, of evidence.Ref) bool {
	return slices.ContainsFunc(c.Leads, func(lead diagnosis.Cause) bool {
		return lead.Rule.ID == rule && bears(lead.About, of) || leadsTo(&lead, rule, of)
	})
}
