// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestNumbers holds that the evidence, the ledger and the names of the runtime number the runs of a status alike: also the one of which
// the kubelet lost the end, for which it counts the restart before the next run begins.
func TestNumbers(t *testing.T) {
	over := func(reason string, after time.Duration) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: reason, ContainerID: reason, StartedAt: metav1.NewTime(began), FinishedAt: metav1.NewTime(began.Add(after)),
		}}
	}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(began.Add(2 * time.Minute))}}
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	for name, c := range map[string]struct {
		state, last corev1.ContainerState
		numbers     []int
		ended       int
	}{
		"it runs":                            {runs, corev1.ContainerState{}, []int{3}, 2},
		"it runs again":                      {runs, over("Error", time.Minute), []int{2, 3}, 2},
		"it waits":                           {waits, over("Error", time.Minute), []int{3}, 3},
		"it ended twice":                     {over("OOMKilled", 2*time.Minute), over("Error", time.Minute), []int{2, 3}, 3},
		"it waits, and its end is not known": {waits, over("ContainerStatusUnknown", time.Minute), []int{2}, 2},
		"it runs, and its end is not known":  {runs, over("ContainerStatusUnknown", time.Minute), []int{2, 3}, 2},
	} {
		pod := podWith("a", 3, time.Time{})
		st := &pod.Status.ContainerStatuses[0]
		st.State, st.LastTerminationState, st.ContainerID = c.state, c.last, "runs"
		s := (&evidence.Snapshot{Taken: began.Add(time.Hour), Objects: []evidence.Object{pod}}).Freeze()
		var numbers []int
		for _, a := range s.Attempts(evidence.RefOf(pod)) {
			numbers = append(numbers, a.Of.Attempt)
		}
		if !slices.Equal(numbers, c.numbers) {
			t.Errorf("%s: the evidence has the runs %v, expected %v", name, numbers, c.numbers)
		}
		if named := slices.Sorted(maps.Keys(containersOf(pod, "app"))); !slices.Equal(named, c.numbers) {
			t.Errorf("%s: the runtime names the runs %v, expected %v", name, named, c.numbers)
		}
		if got := lastEnded(st); got != c.ended {
			t.Errorf("%s: the ledger has run %d as the last that ended, expected %d", name, got, c.ended)
		}
	}
}
