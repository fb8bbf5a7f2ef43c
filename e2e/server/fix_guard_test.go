// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
)

// writes are the requests of a user that wrote, or would have: neither dry runs, nor questions of what the user may or is.
func (c *cluster) writes(t *testing.T, user string) []request {
	t.Helper()
	reads := []string{"get", "list", "watch"}
	return slices.DeleteFunc(c.requests(t, "audit.log", user), func(r request) bool {
		question := r.ObjectRef.Resource == "selfsubjectaccessreviews" || r.ObjectRef.Resource == "selfsubjectreviews"
		return slices.Contains(reads, r.Verb) || question || strings.Contains(r.RequestURI, "dryRun=All")
	})
}

// A guarded is a case in which nothing may be written.
type guarded struct {
	name   string
	make   func(*appsv1.Deployment) // how the Deployment is
	ask    []string                 // what is asked instead of to fix it
	says   string                   // part of the one sentence
	rights []string                 // verbs on Deployments that the user has, beside reading; nil: all
}

// TestFixGuards asks for what must not be done. The audit log of the API server is witness that nothing is written, not even what it
// would refuse.
func TestFixGuards(t *testing.T) {
	for _, g := range []guarded{
		{name: "paused", make: func(d *appsv1.Deployment) { d.Spec.Paused = true }, says: "is paused"},
		{name: "owned", make: func(d *appsv1.Deployment) {
			d.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
			d.Annotations = map[string]string{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "fix-owned"}
		}, says: "Helm"},
		{name: "forbidden", rights: []string{}, says: "may not patch deployment/web"},
		{name: "risky", ask: []string{"fix", "deploy/web", "--max-risk", "advice"}, says: "--max-risk"},
		{name: "empty", ask: []string{"fix", "-l", "app=none"}, says: "no pod has the labels app=none"},
		{name: "absent", ask: []string{"fix", "deploy/wbe"}, says: "wbe"},
		{name: "unasked", ask: []string{"fix", "deploy/web", "--yes=false"}, says: "no terminal"},
		{name: "beyond", ask: []string{"fix", "deploy/web", "--fix", "99"}, says: "there is no fix 99"},
	} {
		t.Run(g.name, func(t *testing.T) { control.guards(t, g) })
	}
}

func (c *cluster) guards(t *testing.T, g guarded) {
	namespace, user := "fix-"+g.name, "guard-"+g.name
	c.outOfMemory(t, namespace, g.make)
	token := c.person(t, namespace, user, g.rights)
	ask := g.ask
	if ask == nil {
		ask = []string{"fix", "deploy/web"}
	}
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	args := append([]string{ask[0]}, append([]string{"--apply", "--yes", "-n", namespace, "--audit-file", file}, ask[1:]...)...)
	got := c.inquest(t, token, args...)
	if got.status != 1 || strings.Count(got.errs, "\n") != 1 || !strings.Contains(got.errs, g.says) {
		t.Errorf("status %d, expected one sentence with %q: %s%s", got.status, g.says, got.out, got.errs)
	}
	t.Logf("%s", got.errs)
	c.wroteNothing(t, "system:serviceaccount:"+namespace+":"+user)
}

// wroteNothing has the audit log as witness.
func (c *cluster) wroteNothing(t *testing.T, user string) {
	t.Helper()
	if asked := c.requests(t, "audit.log", user); len(asked) == 0 {
		t.Error("the audit log has no request of this user")
	}
	for _, r := range c.writes(t, user) {
		t.Errorf("it wrote: %s %s, answered with %d", r.Verb, r.RequestURI, r.ResponseStatus.Code)
	}
}

// person makes an account that may read a namespace and use these verbs on Deployments; nil: all. It returns its token.
func (c *cluster) person(t *testing.T, namespace, name string, verbs []string) string {
	t.Helper()
	if verbs == nil {
		verbs = []string{"patch"}
	}
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: append(verbs, "get")},
		{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}},
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	_, err := c.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
	bound := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: name}},
	}
	_, err = c.RbacV1().RoleBindings(namespace).Create(t.Context(), bound, metav1.CreateOptions{})
	must(t, err)
	_, err = c.CoreV1().ServiceAccounts(namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(t, err)
	return c.tokenOf(t, namespace, name)
}

// TestFixRaces changes the object between the plan and the act, which a command line alone cannot be made to do.
func TestFixRaces(t *testing.T) {
	for name, race := range map[string]struct {
		change func(ctx context.Context, c *cluster, namespace string) error
		want   remedy.Reason
	}{
		"changed": {func(ctx context.Context, c *cluster, namespace string) error {
			return c.patchWeb(ctx, namespace, `{"spec":{"replicas":2}}`)
		}, remedy.Changed},
		"recreated": {recreate, remedy.Recreated},
		"gone": {func(ctx context.Context, c *cluster, namespace string) error {
			return c.AppsV1().Deployments(namespace).Delete(ctx, "web", metav1.DeleteOptions{})
		}, remedy.Gone},
	} {
		t.Run(name, func(t *testing.T) { control.race(t, "fix-race-"+name, race.change, race.want, true) })
	}
	for name, race := range map[string]struct {
		change func(ctx context.Context, c *cluster, namespace string) error
		want   remedy.Reason
	}{
		"stale": {func(ctx context.Context, c *cluster, namespace string) error {
			return c.patchWeb(ctx, namespace, `{"spec":{"replicas":2}}`)
		}, remedy.Stale},
		"renewed": {recreate, remedy.Recreated},
	} {
		t.Run(name, func(t *testing.T) { control.race(t, "fix-race-"+name, race.change, race.want, false) })
	}
}

// race has something happen to the object between the plan and the act, or between the diagnosis and the plan.
func (c *cluster) race(t *testing.T, namespace string, change func(context.Context, *cluster, string) error, want remedy.Reason, planned bool) {
	seen := c.outOfMemory(t, namespace, nil)
	user := "racer"
	cluster := c.remedies(t, c.person(t, namespace, user, nil))
	proposal := raise(namespace)
	proposal.Seen = seen
	if !planned {
		must(t, change(t.Context(), c, namespace))
	}
	plan, err := cluster.Plan(t.Context(), proposal, diagnosis.Restart)
	must(t, err)
	if planned {
		if plan.Refused != nil {
			t.Fatalf("the plan is refused: %s", plan.Refused.Why)
		}
		must(t, change(t.Context(), c, namespace))
	}
	_, _, err = cluster.Apply(t.Context(), plan, &remedy.Journal{File: filepath.Join(t.TempDir(), "audit.jsonl")})
	refusal, ok := errors.AsType[*remedy.RefusedError](err)
	if !ok || refusal.Because != want {
		t.Fatalf("%v, expected a refusal because it is %s", err, want)
	}
	t.Logf("%s", refusal.Why)
	c.wroteNothing(t, "system:serviceaccount:"+namespace+":"+user)
}

// remedies returns the cluster as whoever has a token carries fixes out in it.
func (c *cluster) remedies(t *testing.T, token string) *remedy.Cluster {
	t.Helper()
	objects, err := dynamic.NewForConfig(&rest.Config{Host: c.url, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAFile: c.file("certs/apiserver.crt")}})
	must(t, err)
	return &remedy.Cluster{Objects: objects, Mask: collect.RedactObject, Now: time.Now}
}

func (c *cluster) patchWeb(ctx context.Context, namespace, patch string) error {
	_, err := c.AppsV1().Deployments(namespace).Patch(ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// recreate deletes the Deployment and makes it again.
func recreate(ctx context.Context, c *cluster, namespace string) error {
	d, err := c.AppsV1().Deployments(namespace).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	if err := c.AppsV1().Deployments(namespace).Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	d.ObjectMeta = metav1.ObjectMeta{Name: d.Name, Namespace: d.Namespace, Labels: d.Labels, Annotations: d.Annotations}
	if _, err := c.AppsV1().Deployments(namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make it again: %w", err)
	}
	return nil
}

// TestFixWhileStatusMoves: what a controller writes into the status between the plan and the act does not keep the fix from being applied.
func TestFixWhileStatusMoves(t *testing.T) {
	const namespace = "fix-status"
	control.outOfMemory(t, namespace, nil)
	cluster := control.remedies(t, "calm")
	plan, err := cluster.Plan(t.Context(), raise(namespace), diagnosis.Restart)
	must(t, err)
	d, err := control.AppsV1().Deployments(namespace).Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	d.Status.ObservedGeneration, d.Status.Replicas = d.Generation, 1
	_, err = control.AppsV1().Deployments(namespace).UpdateStatus(t.Context(), d, metav1.UpdateOptions{})
	must(t, err)
	if act, _, err := cluster.Apply(t.Context(), plan, &remedy.Journal{File: filepath.Join(t.TempDir(), "audit.jsonl")}); err != nil || act.After == d.ResourceVersion {
		t.Errorf("%v: %+v", err, act)
	}
}

// TestFixRejected: what admission says of the dry run is told, and nothing is written.
func TestFixRejected(t *testing.T) {
	const namespace, says = "fix-rejected", "limits are raised by the platform team alone"
	control.outOfMemory(t, namespace, nil)
	never := admissionv1.Fail
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &never,
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Update}, Rule: admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
			}}}},
			Validations: []admissionv1.Validation{{Expression: "false", Message: says}},
		},
	}
	admission := control.AdmissionregistrationV1()
	_, err := admission.ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{})
	must(t, err)
	bound := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}},
		},
	}
	_, err = admission.ValidatingAdmissionPolicyBindings().Create(t.Context(), bound, metav1.CreateOptions{})
	must(t, err)
	eventually(t, time.Minute, "the policy is in force", func() bool {
		_, err := control.AppsV1().Deployments(namespace).Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	})
	user := "racer"
	got := control.inquest(t, control.person(t, namespace, user, nil), "fix", "deploy/web", "-n", namespace, "--apply", "--yes", "--audit-file", filepath.Join(t.TempDir(), "audit.jsonl"))
	if got.status != 1 || !strings.Contains(got.errs, says) {
		t.Errorf("status %d, expected the words of the policy: %s%s", got.status, got.out, got.errs)
	}
	control.wroteNothing(t, "system:serviceaccount:"+namespace+":"+user)
}

// raise is the fix of the death that outOfMemory makes.
func raise(namespace string) remedy.Proposal {
	return remedy.Proposal{Fix: diagnosis.Fix{Title: "Raise the memory limit of app to 128Mi", Risk: diagnosis.Restart, Patch: &diagnosis.Patch{
		Target: evidence.RefTo("Deployment", namespace, "web"), Type: diagnosis.Strategic,
		Data: `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"128Mi"}}}]}}}}`,
	}}}
}
