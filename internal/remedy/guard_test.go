// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// raising is a patch of the Deployment web.
func raising() *diagnosis.Patch {
	return &diagnosis.Patch{Target: web, Type: diagnosis.Strategic, Data: `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"128Mi"}}}]}}}}`}
}

// deployment is web as the API server has it.
func deployment(uid types.UID, generation int64, memory string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "spec": map[string]any{"template": map[string]any{"memory": memory}},
	}}
	u.SetName("web")
	u.SetNamespace("shop")
	u.SetUID(uid)
	u.SetGeneration(generation)
	return u
}

func TestUnfit(t *testing.T) {
	masked := raising()
	masked.Data = `{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"TOKEN","value":"[masked]"}]}]}}}}`
	node := raising()
	node.Target = evidence.RefTo("Node", "", "n1")
	for name, test := range map[string]struct {
		fix  diagnosis.Fix
		want Reason
	}{
		"a command":      {diagnosis.Fix{Command: "kubectl rollout undo deploy/web"}, NoPatch},
		"advice":         {diagnosis.Fix{Title: "Look for a leak"}, NoPatch},
		"a masked value": {diagnosis.Fix{Patch: masked}, Masked},
		"another kind":   {diagnosis.Fix{Patch: node}, Unknown},
		"a patch":        {diagnosis.Fix{Patch: raising()}, ""},
	} {
		got := unfit(&Proposal{Fix: test.fix})
		if (got == nil) != (test.want == "") || got != nil && (got.Because != test.want || got.Why == "") {
			t.Errorf("%s: %+v, expected %q", name, got, test.want)
		}
	}
	if got := unfit(&Proposal{Fix: diagnosis.Fix{Command: "kubectl rollout undo deploy/web"}}); !strings.Contains(got.Why, "kubectl rollout undo") {
		t.Errorf("the command is not shown: %s", got.Why)
	}
	f := &diagnosis.Finding{About: evidence.RefTo("Pod", "prod", "web-0"), Facts: []evidence.Fact{{Source: evidence.FromEvent, Where: "events"}, {
		Source: evidence.FromSpec, About: evidence.RefTo("Deployment", "prod", "web"), Where: "spec.template.spec.containers[app].image",
	}}}
	got := unfit(&Proposal{Finding: f, Fix: diagnosis.Fix{Title: "Raise the memory limit of app"}})
	want := "there is no patch for this fix of pod/web-0 in namespace prod (spec.template.spec.containers[app].image of deployment/web in namespace prod), " +
		"and a person has to carry it out: Raise the memory limit of app; then watch whether it helps with inquest verify"
	if got.Why != want {
		t.Errorf("the refusal is %q", got.Why)
	}
}

func TestGuard(t *testing.T) {
	seen := func(uid types.UID, generation int64) evidence.Object {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation}}
	}
	cluster := &Cluster{Mask: func(runtime.Object) int { return 0 }}
	going := deployment("d", 3, "64Mi")
	now := metav1.Now()
	going.SetDeletionTimestamp(&now)
	for name, test := range map[string]struct {
		seen evidence.Object
		live *unstructured.Unstructured
		risk diagnosis.Risk
		want Reason
	}{
		"as it was seen":      {seen("d", 3), deployment("d", 3, "64Mi"), diagnosis.Restart, ""},
		"never seen":          {nil, deployment("d", 3, "64Mi"), diagnosis.Restart, ""},
		"changed since":       {seen("d", 2), deployment("d", 3, "64Mi"), diagnosis.Restart, Stale},
		"made anew":           {seen("other", 3), deployment("d", 3, "64Mi"), diagnosis.Restart, Recreated},
		"being deleted":       {seen("d", 3), going, diagnosis.Restart, Gone},
		"more than is wanted": {seen("d", 3), deployment("d", 3, "64Mi"), diagnosis.Evict, TooRisky},
	} {
		plan := &Plan{Proposal: Proposal{Seen: test.seen, Fix: diagnosis.Fix{Risk: test.risk, Patch: raising()}}, Live: test.live}
		got := cluster.guard(t.Context(), plan, diagnosis.Restart)
		if (got == nil) != (test.want == "") || got != nil && got.Because != test.want {
			t.Errorf("%s: %+v, expected %q", name, got, test.want)
		}
	}
}

// TestStale: what has no generation is compared by what people have set, as its status moves all the time.
func TestStale(t *testing.T) {
	cluster := &Cluster{Mask: func(runtime.Object) int { return 0 }}
	service := func(version, port string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "spec": map[string]any{"externalName": port}}}
		u.SetName("web")
		u.SetNamespace("shop")
		u.SetUID("s")
		u.SetResourceVersion(version)
		return u
	}
	moved := service("8", "a")
	moved.Object["status"] = map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "10.0.0.1"}}}}
	moved.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "controller", Subresource: "status"}})
	seen, err := typed(service("7", "a"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		live *unstructured.Unstructured
		want Reason
	}{
		"as it was":       {service("7", "a"), ""},
		"only its status": {moved, ""},
		"its spec":        {service("8", "b"), Stale},
	} {
		patch := &diagnosis.Patch{Target: evidence.RefTo("Service", "shop", "web"), Type: diagnosis.Strategic, Data: `{"spec":{"externalName":"c"}}`}
		plan := &Plan{Proposal: Proposal{Seen: seen, Fix: diagnosis.Fix{Patch: patch}}, Live: test.live}
		got := cluster.guard(t.Context(), plan, diagnosis.Restart)
		if (got == nil) != (test.want == "") || got != nil && got.Because != test.want {
			t.Errorf("%s: %+v, expected %q", name, got, test.want)
		}
	}
}

func TestMoved(t *testing.T) {
	looked := deployment("d", 3, "64Mi")
	written := deployment("d", 3, "64Mi")
	written.SetResourceVersion("9")
	written.Object["status"] = map[string]any{"readyReplicas": int64(1)}
	for name, test := range map[string]struct {
		live *unstructured.Unstructured
		want Reason
	}{
		"only its status": {written, ""},
		"its template":    {deployment("d", 4, "1Gi"), Changed},
		"made anew":       {deployment("e", 1, "64Mi"), Recreated},
	} {
		got := moved(looked, test.live, nil)
		if (got == nil) != (test.want == "") || got != nil && got.Because != test.want {
			t.Errorf("%s: %+v, expected %q", name, got, test.want)
		}
	}
}

// TestHolding: a patch that is sent names the object as it was looked at, in whatever form it is.
func TestHolding(t *testing.T) {
	live := deployment("d", 3, "64Mi")
	live.SetResourceVersion("77")
	strategic, err := holding(raising(), live)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct{ Metadata, Spec map[string]any }
	if err := json.Unmarshal([]byte(strategic.Data), &fields); err != nil || fields.Metadata["uid"] != "d" || fields.Metadata["resourceVersion"] != "77" || fields.Spec == nil {
		t.Errorf("%v: %s", err, strategic.Data)
	}
	ops := raising()
	ops.Type, ops.Data = diagnosis.JSONPatch, `[{"op":"replace","path":"/spec/paused","value":false}]`
	list, err := holding(ops, live)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"/metadata/uid","value":"d"`, `"/metadata/resourceVersion","value":"77"`, `"/spec/paused"`} {
		if !strings.Contains(list.Data, part) {
			t.Errorf("it lacks %s: %s", part, list.Data)
		}
	}
	ops.Data = "{"
	if _, err := holding(ops, live); err == nil {
		t.Error("a patch that is no JSON is sent")
	}
}

// TestUnasked: a plan that the API server is not asked about, as whoever asks may not, says what it restarts and what would refute it, too.
func TestUnasked(t *testing.T) {
	seen, err := typed(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app"}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	found := &diagnosis.Finding{Rule: &diagnosis.Rule{ID: "MEM001", Title: "Container exceeded its memory limit"}}
	plan := &Plan{Proposal: Proposal{Finding: found, Seen: seen, Fix: diagnosis.Fix{Patch: raising()}}}
	if err := plan.locally(); err != nil || len(plan.Diff) == 0 || len(plan.Restarts) != 1 || len(plan.Refuted) != 2 {
		t.Errorf("%v: %+v", err, plan)
	}
}
