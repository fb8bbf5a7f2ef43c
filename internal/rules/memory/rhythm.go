// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// How long runs are that tell a start that needs too much from memory that grows until the limit; and by how much the
// lengths of such runs may differ.
const (
	startUp  = time.Minute
	growth   = 10 * time.Minute
	likeness = 4 // the shorter is at least three quarters of the longer
)

// rhythm says what the lengths of the container's runs tell about why it needs so much, "" where they tell nothing: it
// needs more than its limit to start, or it grows until it reaches it, at the same pace each time.
func rhythm(p *diagnosis.Pass, a evidence.Attempt) string {
	if p.Status().RestartCount < 2 || a.Of.Attempt < 1 {
		return ""
	}
	return pace(a, cmp.Or(p.PodStatus().StartTime, &metav1.Time{}).Time)
}

// pace is the rhythm of a run that is not the first, in a pod that began at that time.
func pace(a evidence.Attempt, began time.Time) string {
	if a.Started.IsZero() || a.Finished.IsZero() {
		return ""
	}
	last := a.Finished.Sub(a.Started)
	mean := a.Started.Sub(began) / time.Duration(a.Of.Attempt) // back-off included
	switch {
	case last <= startUp:
		return fmt.Sprintf(", %s after its start: it needs more than that to start", last.Round(time.Second))
	case last >= growth && mean >= last-last/likeness && mean <= last+last/likeness+10*time.Minute:
		return fmt.Sprintf(", %s after its start, about as long as each of its %d runs took on average: its memory grows until it reaches the limit", last.Round(time.Second), a.Of.Attempt+1)
	}
	return ""
}

// holding says what the killed process held, where the kernel told.
func (k kill) holding() string {
	if k.anon+k.shmem == 0 {
		return ""
	}
	return fmt.Sprintf(", holding %s", mebibytes(k.anon+k.shmem))
}

func mebibytes(kib int64) string { return fmt.Sprintf("%dMi", (kib+1023)/1024) }

var goSign = regex.New(`^(?:GOGC|GODEBUG|GOMAXPROCS|GOTRACEBACK)$`)

// goLimit proposes GOMEMLIMIT for a container that is known to run a Go program by the variables that only its runtime
// reads: the garbage collector lets the heap double, up to any size, unless it is told where to end (Go runtime/debug,
// SetMemoryLimit). Nine tenths leave room for what it does not count.
func goLimit(p *diagnosis.Pass, limit *resource.Quantity) []diagnosis.Fix {
	c := specOf(p)
	if limit == nil {
		return nil
	}
	isGo := slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return goSign.MatchString(v.Name) })
	if set := slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "GOMEMLIMIT" }); set || !isGo {
		return nil
	}
	to := fmt.Sprintf("%dMiB", limit.Value()*9/10>>20)
	return []diagnosis.Fix{{
		Title: "Set GOMEMLIMIT to " + to + ": it is a Go program, and its garbage collector does not know the limit", Risk: diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"env": []any{map[string]any{"name": "GOMEMLIMIT", "value": to}}}),
	}}
}
