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
	for data, want := range map[string]string{
		`{"spec":{"replicas":3}}`:                                                " (restarts nothing: starts or ends pods until there are 3)",
		`[{"op":"replace","path":"/spec/replicas","value":0}]`:                   " (restarts nothing: starts or ends pods until there are 0)",
		`{"spec":{"replicas":3,"paused":false}}`:                                 " (risk: restart)",
		`{"spec":{"replicas":null}}`:                                             " (risk: restart)",
		`{"spec":{"paused":false}}`:                                              " (risk: restart)",
		`[{"op":"replace","path":"/spec/replicas"},{"op":"remove","path":"/a"}]`: " (risk: restart)",
		`[{"op":"remove","path":"/spec/replicas"}]`:                              " (risk: restart)",
	} {
		f := &Fix{Risk: "restart", Patch: &Patch{Target: Thing{Kind: "Deployment"}, Data: data}}
		if got := f.disturbs(); got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
	if got := (&Fix{Risk: "advice"}).disturbs(); got != "" {
		t.Errorf("advice: %q", got)
	}
}
