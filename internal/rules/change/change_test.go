// SPDX-License-Identifier: Apache-2.0

package change

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules) }

func TestWriter(t *testing.T) {
	entry := func(manager string, minute int, fields string) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC))
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	timeless, fieldless := entry("timeless", 9, `{"f:data":{}}`), entry("fieldless", 9, "")
	timeless.Time, fieldless.FieldsV1 = nil, nil
	replicas := `{"f:spec":{"f:replicas":{}}}`
	for name, c := range map[string]struct {
		section, field string
		entries        []metav1.ManagedFieldsEntry
		want           string
	}{
		"nobody":                   {"f:data", "", nil, ""},
		"the last one":             {"f:data", "", []metav1.ManagedFieldsEntry{entry("a", 3, `{"f:data":{}}`), entry("b", 2, `{"f:data":{}}`)}, "a"},
		"not of another section":   {"f:data", "", []metav1.ManagedFieldsEntry{entry("a", 1, `{"f:data":{}}`), entry("b", 2, `{"f:binaryData":{}}`)}, "a"},
		"not of another field":     {"f:spec", "f:template", []metav1.ManagedFieldsEntry{entry("a", 1, `{"f:spec":{"f:template":{}}}`), entry("b", 2, replicas)}, "a"},
		"not what cannot be read":  {"f:data", "", []metav1.ManagedFieldsEntry{entry("a", 1, `{"f:data":{}}`), entry("b", 2, `{"f:data":{},"f:spec":[]}`)}, "a"},
		"not what has no time":     {"f:data", "", []metav1.ManagedFieldsEntry{entry("a", 1, `{"f:data":{}}`), timeless}, "a"},
		"not what names no fields": {"f:data", "", []metav1.ManagedFieldsEntry{entry("a", 1, `{"f:data":{}}`), fieldless}, "a"},
		"an autoscaler":            {"f:spec", "f:replicas", []metav1.ManagedFieldsEntry{entry("kube-controller-manager", 1, replicas)}, "a HorizontalPodAutoscaler"},
	} {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ManagedFields: c.entries}}
		if by, _ := writer(cm, c.section, c.field); by != c.want {
			t.Errorf("%s: %q", name, by)
		}
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{entry("a", 3, `{"f:data":{}}`)}}}
	if _, fact := writer(cm, "f:data", ""); fact.Where != "metadata.managedFields[a]" {
		t.Errorf("a ConfigMap is cited at %s", fact.Where)
	}
}

func TestRuleFor(t *testing.T) {
	rule := func(operator corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
		return corev1.ContainerRestartRule{ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: operator, Values: codes}}
	}
	for name, c := range map[string]struct {
		rules []corev1.ContainerRestartRule
		want  int
	}{
		"none":                  {nil, -1},
		"of the code":           {[]corev1.ContainerRestartRule{rule("In", 3, 7)}, 0},
		"of other codes":        {[]corev1.ContainerRestartRule{rule("In", 3)}, -1},
		"of all but others":     {[]corev1.ContainerRestartRule{rule("In", 3), rule("NotIn", 0)}, 1},
		"of all but it":         {[]corev1.ContainerRestartRule{rule("NotIn", 7)}, -1},
		"of a version to come":  {[]corev1.ContainerRestartRule{{}, rule("In", 7)}, 1},
		"the first that counts": {[]corev1.ContainerRestartRule{rule("In", 7), rule("In", 7)}, 0},
	} {
		if got := ruleFor(&corev1.Container{RestartPolicyRules: c.rules}, 7); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := codes(&corev1.ContainerRestartRule{}); got != "that it does not name" {
		t.Error(got)
	}
}

// TestDifferences compares a template with one that is unlike it in a single thing.
func TestDifferences(t *testing.T) {
	template := func(change func(*corev1.PodTemplateSpec, *corev1.Container)) *corev1.PodTemplateSpec {
		tmpl := &corev1.PodTemplateSpec{}
		tmpl.Annotations = map[string]string{"note": "a"}
		tmpl.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "m:1"}}
		tmpl.Spec.Containers = []corev1.Container{{Name: "app", Image: "a:1", Args: []string{"serve"}, Env: []corev1.EnvVar{
			{Name: "A", Value: "1"},
			{Name: "KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "k"}}},
		}}}
		change(tmpl, &tmpl.Spec.Containers[0])
		return tmpl
	}
	before := template(func(*corev1.PodTemplateSpec, *corev1.Container) {})
	for want, change := range map[string]func(*corev1.PodTemplateSpec, *corev1.Container){
		"":                                 func(*corev1.PodTemplateSpec, *corev1.Container) {},
		"image a:1 changed to a:2":         func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Image = "a:2" },
		"args of container app changed":    func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Args = nil },
		"ports of container app changed":   func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Ports = []corev1.ContainerPort{{}} },
		"environment variable A changed":   func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Env[0].Value = "2" },
		"environment variable KEY changed": func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Env[1].ValueFrom.SecretKeyRef.Key = "l" },
		"environment variable A removed":   func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.Env = c.Env[1:] },
		"environment variable B added": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.Env = append(c.Env, corev1.EnvVar{Name: "B"})
		},
		"container migrate removed": func(t *corev1.PodTemplateSpec, _ *corev1.Container) { t.Spec.InitContainers = nil },
		"container proxy added": func(t *corev1.PodTemplateSpec, _ *corev1.Container) {
			t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: "proxy"})
		},
		"volumes changed":         func(t *corev1.PodTemplateSpec, _ *corev1.Container) { t.Spec.Volumes = []corev1.Volume{{}} },
		"annotation note changed": func(t *corev1.PodTemplateSpec, _ *corev1.Container) { t.Annotations["note"] = "b" },
	} {
		if got := told(differences(before, template(change))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	many := template(func(t *corev1.PodTemplateSpec, c *corev1.Container) {
		c.Image, c.Args, c.Env, t.Annotations["note"] = "a:2", nil, c.Env[:1], "b"
	})
	if got := told(differences(before, many)); got != "environment variable KEY removed, image a:1 changed to a:2, args of container app changed, and 1 more" {
		t.Error(got)
	}
}

func TestReadByEnv(t *testing.T) {
	c := &corev1.Container{
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{}}, {ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "all"}}}},
		Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", ValueFrom: &corev1.EnvVarSource{}}, {Name: "C", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "one"}},
		}}},
	}
	if got := readByEnv(c); len(got) != 2 || got[0] != "all" || got[1] != "one" {
		t.Error(got)
	}
}

func TestCiteEnd(t *testing.T) {
	if facts := citeEnd(&corev1.Pod{}); facts != nil {
		t.Errorf("a pod without containers: %v", facts)
	}
}

func TestCite(t *testing.T) {
	old, now := revision{number: 1}, revision{number: 2}
	long := make([]byte, longest+1)
	for name, c := range map[string]struct {
		now  revision
		d    difference
		want string
	}{
		"a ReplicaSet":             {now, difference{where: "spec.x", is: "x 1"}, "spec.template.spec.x"},
		"a ControllerRevision":     {revision{number: 2, hash: "b"}, difference{where: "spec.x", is: "x 1"}, "data.spec.template.spec.x"},
		"what is too long":         {now, difference{where: "spec.x", is: string(long)}, "metadata.annotations"},
		"what is not in a line":    {now, difference{}, "metadata.annotations"},
		"of a set, not in a line":  {revision{number: 2, hash: "b"}, difference{}, "revision"},
		"what is gone, as it was":  {now, difference{where: "spec.x", was: "x 1"}, "spec.template.spec.x"},
		"what was and what is now": {now, difference{where: "spec.x", was: "x 1", is: "x 2"}, "spec.template.spec.x"},
	} {
		facts := c.now.cite(c.d, old)
		if facts[0].Where != c.want {
			t.Errorf("%s: %s", name, facts[0].Where)
		}
	}
}

func TestHas(t *testing.T) {
	set := revision{hash: "db-2b"}
	set.ref.Name = "db"
	pod := &appsv1.ReplicaSet{}
	pod.Labels = map[string]string{appsv1.ControllerRevisionHashLabelKey: "db-1a"}
	pod.OwnerReferences = []metav1.OwnerReference{{Name: "db"}}
	if set.has(&pod.ObjectMeta) {
		t.Error("a pod of another revision of a set is told to be of this one")
	}
}

func TestRan(t *testing.T) {
	for reason, want := range map[string]bool{"Error": true, "StartError": false, "ContainerCannotRun": false} {
		if got := ran(evidence.Attempt{Reason: reason}); got != want {
			t.Errorf("%s: %v", reason, got)
		}
	}
}

func TestBetweenResources(t *testing.T) {
	with := func(memory string) placed {
		c := &corev1.Container{Name: "app"}
		if memory != "" {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}
		}
		return placed{c, "spec.containers[app]"}
	}
	for _, c := range []struct{ from, to, was, is, text string }{
		{"96Mi", "24Mi", "memory 96Mi", "memory 24Mi", "memory limit changed from 96Mi to 24Mi"},
		{"", "24Mi", "", "memory 24Mi", "memory limit changed from none to 24Mi"},
		{"96Mi", "", "memory 96Mi", "", "memory limit changed from 96Mi to none"},
	} {
		list := betweenResources(with(c.from), with(c.to))
		if len(list) != 1 || list[0].was != c.was || list[0].is != c.is || list[0].text != c.text {
			t.Errorf("from %q to %q: %v", c.from, c.to, list)
		}
	}
	if list := betweenResources(with("96Mi"), with("96Mi")); len(list) != 0 {
		t.Errorf("what is the same differs: %v", list)
	}
}
