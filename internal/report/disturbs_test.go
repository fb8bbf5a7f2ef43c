// SPDX-License-Identifier: Apache-2.0

package report

import "testing"

// TestDisturbs: what a fix disturbs is told to people, and of a CronJob that it restarts nothing.
func TestDisturbs(t *testing.T) {
	for kind, want := range map[string]string{"Deployment": " (risk: restart)", "CronJob": " (restarts nothing: from the next run on)"} {
		f := &Fix{Risk: "restart", Patch: &Patch{Target: Thing{Kind: kind}}}
		if got := f.disturbs(); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	if got := (&Fix{Risk: "advice"}).disturbs(); got != "" {
		t.Errorf("advice: %q", got)
	}
}
