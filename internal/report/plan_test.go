// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func planned() *Plan {
	pod := Thing{Kind: "Pod", Namespace: "shop", Name: "web-0", Container: "app"}
	target := Thing{Kind: "Deployment", Namespace: "shop", Name: "web"}
	return &Plan{
		Subject: target, Number: 2, DryRun: "accepted",
		Cause: Claim{Rule: "MEM001", Confidence: "certain", About: pod, Message: "container app was killed by the kernel at its memory limit of 64Mi"},
		Fix:   Fix{Title: "Raise the memory limit of app from 64Mi to 164Mi", Risk: "restart", Patch: &Patch{Target: target, Type: "strategic", Data: `{"spec":{"paused":false}}`}},
		Diff:  []string{"@@ -1,3 +1,3 @@", " limits:", "-  memory: 64Mi", "+  memory: 164Mi"}, Restarts: []string{"1 pod of deployment/web made anew", "a budget"},
		Refuted: []string{"MEM001 once more"}, Undo: []any{}, Others: []Option{{Number: 1, Rule: "MEM001", Title: "Set GOMEMLIMIT", Patch: true}, {Number: 3, Rule: "MEM012", Title: "Look for a leak"}},
	}
}

func TestPlan(t *testing.T) {
	want := `deployment/web in namespace shop: fix 2 of 3

cause     MEM001 certain web-0[app]: container app was killed by the kernel at
          its memory limit of 64Mi
fix       Raise the memory limit of app from 64Mi to 164Mi (risk: restart)
dry run   accepted by the API server, which would make of it:
  @@ -1,3 +1,3 @@
   limits:
  -  memory: 64Mi
  +  memory: 164Mi
restarts  1 pod of deployment/web made anew
          a budget
refuted   MEM001 once more
undo      puts it back exactly, while what the fix sets is still so: inquest fix
          --undo ID

--fix 1   Set GOMEMLIMIT (MEM001)
--fix 3   for a person: Look for a leak (MEM012)
`
	if diff := cmp.Diff(want, planned().Text(Options{})); diff != "" {
		t.Errorf("the plan reads otherwise (-want +got):\n%s", diff)
	}
	p := planned()
	p.DryRun, p.Diff, p.Undo, p.NoUndo, p.Others, p.Refused = "refused", nil, nil, "it has grown", nil, "the API server refused the dry run: no"
	want = `deployment/web in namespace shop: fix 2 of 1

cause     MEM001 certain web-0[app]: container app was killed by the kernel at
          its memory limit of 64Mi
fix       Raise the memory limit of app from 64Mi to 164Mi (risk: restart)
dry run   refused by the API server; the object is not at hand
restarts  1 pod of deployment/web made anew
          a budget
refuted   MEM001 once more
undo      there is none: it has grown

not applied: the API server refused the dry run: no
  kubectl -n shop patch deployment/web --type strategic \
    '--patch={"spec":{"paused":false}}'
`
	got := p.Text(Options{})
	if head, _, _ := strings.Cut(want, "  kubectl"); !strings.HasPrefix(got, head) || !strings.Contains(got, "kubectl -n shop patch deployment/web") {
		t.Errorf("the plan that is refused reads otherwise:\n%s", cmp.Diff(want, got))
	}
}

// TestHostilePlan: nothing that comes from a cluster makes a terminal act, in whatever form.
func TestHostilePlan(t *testing.T) {
	p := planned()
	evil := Thing{Kind: "Deployment", Namespace: attack, Name: attack, Container: attack}
	p.Subject, p.Cause.About, p.Cause.Message, p.Fix.Title, p.Fix.Patch.Target, p.Fix.Patch.Data = evil, evil, attack, attack, evil, attack
	p.Diff, p.Restarts, p.Refuted, p.NoUndo, p.Refused, p.Owner = []string{"+" + attack}, []string{attack}, []string{attack}, attack, attack, attack
	p.Others[0].Title, p.Undo = attack, []any{map[string]any{"op": "replace", "path": attack, "value": attack}}
	js, err := p.Encode("json")
	if err != nil {
		t.Fatal(err)
	}
	ym, err := p.Encode("yaml")
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"text": p.Text(Options{}), "JSON": string(js), "YAML": string(ym)} {
		if at := strings.IndexFunc(text, acts); at >= 0 {
			t.Errorf("%s has %q", form, text[at:min(len(text), at+20)])
		}
	}
	var again Plan
	if err := yaml.Unmarshal(ym, &again); err != nil || again.Kind != "Plan" || again.APIVersion != APIVersion {
		t.Errorf("YAML cannot be read again: %v: %+v", err, again)
	}
	again = Plan{}
	if err := json.Unmarshal(js, &again); err != nil || again.Cause.Message != strings.ToValidUTF8(attack, "\ufffd") {
		t.Errorf("JSON does not keep the text: %v %q", err, again.Cause.Message)
	}
}
