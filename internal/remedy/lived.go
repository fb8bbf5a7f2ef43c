// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Lived returns the longest that an attempt lived which ended as a finding says: of its container where it names one, else
// of any pod in the evidence. Without a finding every end counts that needs explaining. It is 0 where none is known.
func Lived(s *evidence.Snapshot, f *diagnosis.Finding) time.Duration {
	longest := time.Duration(0)
	for _, pod := range evidence.List[*evidence.Pod](s) {
		ref := evidence.RefOf(pod)
		if f != nil && f.About.Kind == "Pod" && f.About.Object() != ref {
			continue
		}
		for _, a := range s.Attempts(ref) {
			if a.Ended() && a.Expected == "" && !a.Started.IsZero() && !a.Finished.IsZero() && endsLike(s, a, f) {
				longest = max(longest, a.Finished.Sub(a.Started))
			}
		}
	}
	return longest
}

// endsLike tells whether an attempt ended as the one that a finding is about.
func endsLike(s *evidence.Snapshot, a evidence.Attempt, f *diagnosis.Finding) bool {
	if f == nil || f.About.Container == "" {
		return true
	}
	if a.Of.Container != f.About.Container {
		return false
	}
	if f.About.Attempt == evidence.NoAttempt {
		return true
	}
	for _, of := range s.Attempts(f.About) {
		return a.ExitCode == of.ExitCode && a.Reason == of.Reason
	}
	return true
}
