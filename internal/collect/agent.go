// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// attemptOfRun makes an attempt of a run that an agent tells of.
func attemptOfRun(r *record.Run) evidence.Attempt {
	a := evidence.Attempt{
		Of: r.Of, Started: r.Started.UTC(), Finished: r.Finished.UTC(), ExitCode: r.ExitCode, Reason: r.Reason, Message: r.Message,
		Where: evidence.FromRuntime.String(),
	}
	if a.ExitCode > 128 && a.ExitCode <= 128+64 {
		a.Signal = a.ExitCode - 128
	}
	return a
}

// runOfAttempt is the inverse of attemptOfRun, as far as an attempt tells.
func runOfAttempt(a evidence.Attempt) *record.Run {
	r := &record.Run{Of: a.Of, State: record.Running, Started: a.Started, Finished: a.Finished, ExitCode: a.ExitCode, Reason: a.Reason, Message: a.Message}
	if a.Ended() {
		r.State = record.Exited
	}
	return r
}
