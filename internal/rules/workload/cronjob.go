// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CronJobIdle recognises a CronJob that starts nothing at all.
var CronJobIdle = &diagnosis.Rule{
	ID:    "WRK005",
	Title: "CronJob is suspended or its schedule cannot be read",
	Doc: `
The CronJob starts no Job: it is suspended, its schedule is no cron expression, or its time zone is not known to the
controller. No pod exists that could show the trouble.

**How it is told from its look-alikes.** suspend is true in the spec, or the controller says in an Event that it cannot read
the schedule or the zone. A CronJob whose next time has not come has neither; one that skips single runs is WRK006; one
whose Jobs start and fail is WRK003.

**What to do.** Set suspend to false, or write a schedule of five fields and a zone of the IANA list. What wrote suspend
last is kept by the API server.

The Events are written in kubernetes pkg/controller/cronjob/cronjob_controllerv2.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Also:   evidence.Events,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		cron, ok := p.Object(p.About()).(*batchv1.CronJob)
		if !ok {
			return
		}
		f := diagnosis.Finding{At: p.Now(), Confidence: diagnosis.Likely, Facts: last(p, cron)}
		events := p.Events("UnparseableSchedule", "UnParseableCronJobSchedule", "InvalidSchedule", "UnknownTimeZone")
		switch {
		case cron.Spec.Suspend != nil && *cron.Spec.Suspend:
			f.Message = fmt.Sprintf("cronjob %s is suspended and starts no job", cron.Name)
			by, fact := writer(cron, "f:suspend")
			if by != "" {
				f.Message += fmt.Sprintf("; %s wrote that last", by)
				f.Facts = append(f.Facts, fact)
			}
			if by != "" || cron.Status.LastScheduleTime != nil {
				f.Confidence = diagnosis.Certain
			}
			f.Facts = append(f.Facts, spec(p, "spec.suspend", "suspend true"))
			f.Fixes = []diagnosis.Fix{{
				Title: "Let it run again, unless it is meant to rest", Risk: diagnosis.Restart, Patch: patch(p, `{"spec":{"suspend":false}}`),
			}}
		case len(events) > 0:
			e := events[len(events)-1]
			f.At = e.First
			f.Message = fmt.Sprintf("cronjob %s starts no job: %s", cron.Name, e.Message)
			f.Facts = append(f.Facts, e.Fact(), spec(p, "spec.schedule", "schedule "+cron.Spec.Schedule))
			f.Fixes = []diagnosis.Fix{{Title: "Write a schedule of five fields, as \"*/5 * * * *\", and a time zone of the IANA list", Command: kubectl(p, "edit")}}
		default:
			return
		}
		p.Report(f)
	},
}

// CronJobSkips recognises a CronJob that leaves out runs.
var CronJobSkips = &diagnosis.Rule{
	ID:    "WRK006",
	Title: "CronJob skips its runs",
	Doc: `
The time for a run came and no Job was started: the run before is still going on and concurrencyPolicy is Forbid; the time
was missed by more than startingDeadlineSeconds; or so many times were missed that the controller would not count them
(more than a hundred), because it was down or the clock jumped.

**How it is told from its look-alikes.** The controller says so in an Event (JobAlreadyActive, MissSchedule,
TooManyMissedTimes), and a CronJob that is suspended writes none (WRK005). With Forbid the Job that is still active is in
the status, and what keeps it from ending is the cause.

**What to do.** End or mend the run that hangs, and give the Job an activeDeadlineSeconds so that it cannot block the next
ones. Raise startingDeadlineSeconds above the interval between two runs, or leave it out.

The Events are written in kubernetes pkg/controller/cronjob; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.Unavailable,
	CausedBy: podTrouble,
	Run: func(p *diagnosis.Pass) {
		cron, ok := p.Object(p.About()).(*batchv1.CronJob)
		events := p.Events("JobAlreadyActive", "MissSchedule", "TooManyMissedTimes", "FailedNeedsStart")
		if !ok || len(events) == 0 || cron.Spec.Suspend != nil && *cron.Spec.Suspend {
			return
		}
		e := events[len(events)-1]
		f := diagnosis.Finding{At: p.Now(), Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{e.Fact()}, last(p, cron)...)}
		switch {
		case recovered(cron, e):
			return
		case e.Reason == "JobAlreadyActive" && len(cron.Status.Active) > 0:
			f.Confidence = diagnosis.Certain
			job := cron.Status.Active[0].Name
			f.Message = fmt.Sprintf("cronjob %s skips runs because job %s is still active and concurrencyPolicy is Forbid", cron.Name, job)
			f.Facts = append(f.Facts, status(p, p.Now(), "status.active["+job+"].name", "name %s", job))
			f.Through = append(troubled(p, p.Siblings()), evidence.RefTo("Job", cron.Namespace, job))
			f.Fixes = []diagnosis.Fix{
				{Title: fmt.Sprintf("Look at why job %s does not end, and delete it if it hangs", job), Command: fmt.Sprintf("kubectl describe -n %s job %s", cron.Namespace, job)},
				{Title: "Give the job template an activeDeadlineSeconds"},
			}
		case e.Reason == "JobAlreadyActive":
			return // that run has ended
		default:
			f.At = e.First
			f.Message = fmt.Sprintf("cronjob %s missed its times: %s", cron.Name, e.Message)
			f.Fixes = []diagnosis.Fix{{Title: "Raise startingDeadlineSeconds above the interval of the schedule, and see whether the controller manager was down", Command: kubectl(p, "describe")}}
		}
		p.Report(f)
	},
}

// recovered tells whether a run was started after the Event.
func recovered(cron *batchv1.CronJob, e evidence.Event) bool {
	t := cron.Status.LastScheduleTime
	return t != nil && t.After(e.Last)
}

// last cites when a CronJob last started a Job; if it never did, since when it is there without.
func last(p *diagnosis.Pass, cron *batchv1.CronJob) []evidence.Fact {
	if t := cron.Status.LastScheduleTime; t != nil {
		return []evidence.Fact{status(p, t.Time, "status.lastScheduleTime", "lastScheduleTime %s", t.UTC().Format(time.RFC3339))}
	}
	if t := cron.CreationTimestamp; !t.IsZero() {
		return []evidence.Fact{status(p, t.Time, "metadata.creationTimestamp", "creationTimestamp %s", t.UTC().Format(time.RFC3339))}
	}
	return nil
}
