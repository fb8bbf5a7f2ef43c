// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// JobFailed recognises a Job that has given up.
var JobFailed = &diagnosis.Rule{
	ID:    "WRK003",
	Title: "Job failed",
	Doc: `
The Job has given up: its pods failed more often than backoffLimit allows, one of them failed in a way for which its
podFailurePolicy says that trying again is of no use, or too many of its indexes failed. It makes no more pods.

**How it is told from its look-alikes.** The Job has the condition Failed (or FailureTarget, while its last pods end) and a
reason of these; DeadlineExceeded is WRK004. A Job some of whose pods failed and which goes on has no such condition, and
one that completed after failures is well. Why a pod failed is the cause where the pod is still there.

**What to do.** Read the log of a failed pod, mend the cause, and create the Job anew: a Job that failed is not resumed.

The reasons are those of batch/v1, written in kubernetes pkg/controller/job; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.Unavailable,
	CausedBy: podTrouble,
	Run: func(p *diagnosis.Pass) {
		job, c := failedJob(p)
		if c == nil || c.Reason == batchv1.JobReasonDeadlineExceeded {
			return
		}
		through := troubled(p, own(p))
		facts := []evidence.Fact{jobFact(p, c)}
		if job.Status.Failed > 0 {
			facts = append(facts, status(p, time.Time{}, "status.failed", "failed %d", job.Status.Failed))
		}
		p.Report(diagnosis.Finding{
			At: since(p, c.LastTransitionTime.Time, through), Confidence: diagnosis.Certain, Through: through,
			Message: fmt.Sprintf("job %s failed: %s", job.Name, reasonOf(job, c)),
			Facts:   facts,
			Fixes: []diagnosis.Fix{
				{Title: "Read the log of a pod that failed", Command: fmt.Sprintf("kubectl logs -n %s job/%s --all-containers --tail=50", job.Namespace, job.Name)},
				{Title: "Create the Job anew when the cause is mended: a failed one is not resumed"},
			},
		})
	},
}

// JobDeadline recognises a Job that took longer than it may.
var JobDeadline = &diagnosis.Rule{
	ID:    "WRK004",
	Title: "Job was active for longer than its deadline",
	Doc: `
The Job was active for longer than its activeDeadlineSeconds, counted from its start: the controller deleted its running
pods and gave up. Time that a pod spent Pending, pulling or backing off counts as well.

**How it is told from its look-alikes.** The Job's condition Failed has the reason DeadlineExceeded. The same reason in the
status of a pod is that pod's own deadline (WRK013), and of a Deployment's progress it is another thing (WRK001). A Job that
gave up because its pods failed has BackoffLimitExceeded (WRK003).

**What to do.** Find out what took the time: a pod that never started, retries, or the work itself. Raise the deadline if
the work needs longer, and create the Job anew.

The condition is set in kubernetes pkg/controller/job/job_controller.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.DeadlinePassed,
	CausedBy: []diagnosis.Effect{
		diagnosis.NotAdmitted, diagnosis.NotScheduled, diagnosis.VolumeFailed, diagnosis.SandboxFailed, diagnosis.ConfigMissing,
		diagnosis.ImageUnavailable, diagnosis.InitBlocked, diagnosis.Throttled, diagnosis.DependencyDown,
	},
	Run: func(p *diagnosis.Pass) {
		job, c := failedJob(p)
		if c == nil || c.Reason != batchv1.JobReasonDeadlineExceeded {
			return
		}
		f := diagnosis.Finding{
			At: c.LastTransitionTime.Time, Confidence: diagnosis.Certain, Facts: []evidence.Fact{jobFact(p, c)},
			Message: fmt.Sprintf("job %s was active for longer than its deadline", job.Name),
			Fixes:   []diagnosis.Fix{{Title: "Find out what took the time, or raise activeDeadlineSeconds, and create the Job anew"}},
		}
		f.Through = troubled(p, own(p))
		if s := job.Spec.ActiveDeadlineSeconds; s != nil {
			f.Message += " of " + (time.Duration(*s) * time.Second).String()
			f.Facts = append(f.Facts, spec(p, "spec.activeDeadlineSeconds", fmt.Sprintf("activeDeadlineSeconds %d", *s)))
		}
		if job.Status.Failed > 0 {
			f.Message += ", and " + pods(job.Status.Failed) + " of it had failed or was ended"
		}
		p.Report(f)
	},
}

// failedJob returns the pass's Job and the condition by which it gave up, or nil.
func failedJob(p *diagnosis.Pass) (*batchv1.Job, *batchv1.JobCondition) {
	job, ok := p.Object(p.About()).(*batchv1.Job)
	if !ok {
		return nil, nil
	}
	var found *batchv1.JobCondition
	for i := range job.Status.Conditions {
		c := &job.Status.Conditions[i]
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget) { // that comes first
			found = c
		}
	}
	return job, found
}

// reasonOf says why a Job gave up.
func reasonOf(job *batchv1.Job, c *batchv1.JobCondition) string {
	message := strings.TrimSuffix(strings.TrimSpace(c.Message), ".")
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		limit := int32(6)
		if job.Spec.BackoffLimit != nil {
			limit = *job.Spec.BackoffLimit
		}
		return fmt.Sprintf("%s failed, which is more than its backoffLimit of %d allows", pods(job.Status.Failed), limit)
	case batchv1.JobReasonPodFailurePolicy:
		return "its podFailurePolicy ends it: " + message
	case batchv1.JobReasonMaxFailedIndexesExceeded, batchv1.JobReasonFailedIndexes:
		if s := job.Status.FailedIndexes; s != nil {
			return fmt.Sprintf("its indexes %s failed", *s)
		}
	}
	if message == "" {
		return c.Reason
	}
	return message
}

func jobFact(p *diagnosis.Pass, c *batchv1.JobCondition) evidence.Fact {
	return status(p, c.LastTransitionTime.Time, fmt.Sprintf("status.conditions[%s]", c.Type), "%s", conditionText("True", c.Reason, c.Message))
}
