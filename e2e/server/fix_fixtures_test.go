// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/rules"
)

// TestFixtures has a real API server try every patch of every fixture of the rules, carries it out, and takes it back.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("../../internal/rules/*/testdata/*.txtar")
	must(t, err)
	tried, all := 0, rules.Everything()
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		must(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if !slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "fixed/") }) {
			continue
		}
		if name == "STP101-sleep" { // of which the API server takes only what the fix has made of it
			continue
		}
		of := slices.IndexFunc(all, func(r *diagnosis.Rule) bool { return strings.HasPrefix(name, r.ID) })
		t.Run(name, func(t *testing.T) {
			s := ruletest.Read(t, archive)
			for _, f := range diagnosis.Run(s, all[of:of+1]).Findings {
				for i, fix := range f.Fixes {
					if fix.Patch != nil {
						tried++
						control.fixture(t, s, &f, fix, fmt.Sprintf("fixture-%d-%d", tried, i))
					}
				}
			}
		})
	}
	if tried < 95 {
		t.Errorf("%d patches were tried, expected more", tried)
	}
	t.Logf("%d patches", tried)
}

// fixture makes the object that a fix changes, in a namespace of its own, and changes it, and takes that back.
func (c *cluster) fixture(t *testing.T, s *evidence.Snapshot, f *diagnosis.Finding, fix diagnosis.Fix, namespace string) {
	object, ok := s.Object(fix.Patch.Target).DeepCopyObject().(evidence.Object)
	if !ok {
		t.Fatalf("%s is no object", fix.Patch.Target)
	}
	cluster := c.remedies(t, "admin")
	if fix.Patch.Target.Namespace != "" {
		_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		must(t, err)
		patch := *fix.Patch
		patch.Target.Namespace = namespace
		fix.Patch = &patch
	}
	c.classes(t, cluster, s)
	if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
		c.growing(t, s, claim)
	}
	before := c.put(t, cluster, object, fix.Patch.Target)
	plan, err := cluster.Plan(t.Context(), remedy.Proposal{Finding: f, Fix: fix}, diagnosis.NodeRestart)
	must(t, err)
	if plan.Refused != nil {
		t.Errorf("%s: %s: %s", fix.Title, fix.Patch.Data, plan.Refused.Why)
		return
	}
	if len(plan.Diff) == 0 || len(plan.Restarts) == 0 || len(plan.Refuted) == 0 {
		t.Errorf("%s: the plan lacks something: %+v", fix.Title, plan)
	}
	journal := &remedy.Journal{File: filepath.Join(t.TempDir(), "audit.jsonl")}
	act, notice, err := cluster.Apply(t.Context(), plan, journal)
	if err != nil || notice != "" {
		t.Errorf("%s: %v %s", fix.Title, err, notice)
		return
	}
	if plan.Undo.Never != "" {
		return
	}
	if _, _, err := cluster.Undo(t.Context(), act, journal); err != nil {
		t.Errorf("undo %s: %v", fix.Title, err)
		return
	}
	after, err := c.resource(cluster, before, namespace).Get(t.Context(), before.GetName(), metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(asSet(before), asSet(after)); diff != "" {
		t.Errorf("undo %s does not restore the object (-before +after):\n%s", fix.Title, diff)
	}
}

// asSet is an object without what the API server keeps for itself.
func asSet(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	delete(u.Object, "status")
	for _, f := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", f)
	}
	return u.Object
}

// classes makes the storage classes of a fixture: whether a claim may grow is theirs to say.
func (c *cluster) classes(t *testing.T, cluster *remedy.Cluster, s *evidence.Snapshot) {
	for _, o := range s.Objects {
		if ref := evidence.RefOf(o); ref.Kind == "StorageClass" {
			_ = cluster.Objects.Resource(schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}).Delete(t.Context(), ref.Name, metav1.DeleteOptions{})
			c.put(t, cluster, o.DeepCopyObject().(evidence.Object), ref)
		}
	}
}

// growing has a claim grow of which the fixture does not tell whether its class lets it.
func (c *cluster) growing(t *testing.T, s *evidence.Snapshot, claim *corev1.PersistentVolumeClaim) {
	name := "fixture"
	if claim.Spec.StorageClassName != nil {
		name = *claim.Spec.StorageClassName
	}
	claim.Spec.StorageClassName = &name
	if s.Object(evidence.RefTo("StorageClass", "", name)) != nil {
		return
	}
	grows := true
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "example.com/disk", AllowVolumeExpansion: &grows}
	classes := c.StorageV1().StorageClasses()
	if err := classes.Delete(t.Context(), name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		must(t, err)
	}
	_, err := classes.Create(t.Context(), class, metav1.CreateOptions{})
	must(t, err)
}

// put makes an object of a fixture. What a fixture leaves out because no rule asks for it, is filled in.
func (c *cluster) put(t *testing.T, cluster *remedy.Cluster, o evidence.Object, target evidence.Ref) *unstructured.Unstructured {
	t.Helper()
	o.SetResourceVersion("")
	o.SetUID("")
	o.SetOwnerReferences(nil)
	o.SetManagedFields(nil)
	o.SetNamespace(target.Namespace)
	switch o := o.(type) {
	case *appsv1.Deployment:
		o.Spec.Selector = complete(&o.Spec.Template, o.Spec.Selector)
	case *appsv1.StatefulSet:
		o.Spec.Selector = complete(&o.Spec.Template, o.Spec.Selector)
	case *appsv1.DaemonSet:
		o.Spec.Selector = complete(&o.Spec.Template, o.Spec.Selector)
	case *corev1.Service:
		o.Spec.ClusterIP, o.Spec.ClusterIPs = "", nil
	case *corev1.PersistentVolumeClaim:
		if len(o.Spec.AccessModes) == 0 {
			o.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		}
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	must(t, err)
	u := &unstructured.Unstructured{Object: fields}
	u.SetKind(reflect.TypeOf(o).Elem().Name())
	client := c.resource(cluster, u, target.Namespace)
	u.SetAPIVersion(groups[u.GetKind()])
	made, err := client.Create(t.Context(), u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		made, err = client.Get(t.Context(), u.GetName(), metav1.GetOptions{})
	}
	must(t, err)
	if claim, ok := o.(*corev1.PersistentVolumeClaim); ok { // only one that is bound may grow
		made.Object["status"] = map[string]any{"phase": string(corev1.ClaimBound), "capacity": map[string]any{"storage": claim.Spec.Resources.Requests.Storage().String()}}
		made, err = client.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
		must(t, err)
	}
	return made
}

// complete fills in what the API server demands of a workload.
func complete(template *corev1.PodTemplateSpec, selector *metav1.LabelSelector) *metav1.LabelSelector {
	if selector == nil || len(selector.MatchLabels) == 0 {
		selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "fixture"}}
	}
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	maps.Copy(template.Labels, selector.MatchLabels)
	if len(template.Spec.Containers) == 0 {
		template.Spec.Containers = []corev1.Container{{Name: "app"}}
	}
	for i := range template.Spec.Containers {
		if template.Spec.Containers[i].Image == "" {
			template.Spec.Containers[i].Image = "registry.example/fixture:1"
		}
	}
	return selector
}

// resource returns a client of the objects that one is among.
func (c *cluster) resource(cluster *remedy.Cluster, u *unstructured.Unstructured, namespace string) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(groups[u.GetKind()], u.GetKind()))
	if u.GetNamespace() == "" {
		return cluster.Objects.Resource(plural)
	}
	return cluster.Objects.Resource(plural).Namespace(namespace)
}

// groups says of which API the kinds are that fixes change.
var groups = map[string]string{
	"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "CronJob": "batch/v1", "Job": "batch/v1", "PersistentVolumeClaim": "v1", "Service": "v1", "ResourceQuota": "v1",
	"HorizontalPodAutoscaler": "autoscaling/v2", "StorageClass": "storage.k8s.io/v1",
}
