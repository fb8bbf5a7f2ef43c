// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Manifest is one object as a file asks for it, and where in the file each of its fields stands.
type Manifest struct {
	File       string // as the reader names it
	Source     string // the file that a program rendered it from, as helm tells it
	Line       int    // where its document begins, from 1
	Offset     int64  // of its document, in bytes
	Item       int    // its place in a List; 0 otherwise
	APIVersion string
	Kind       string
	Ref        evidence.Ref
	Object     evidence.Object // nil where the kind is not known here, as that of a custom resource
	Facts      []evidence.Fact // what decoding told: fields that there are not, versions that are gone, secrets
	Waivers    []Waiver
	pod        *corev1.Pod // that the template would become
	text       []byte
	root       *yamlv3.Node
	steps      *int // left of its document for decoding
}

// A Place is where something stands in a file; lines and columns count from 1.
type Place struct{ Line, Column int }

// The names of the facts that decoding a manifest tells, for the rules of family manifest.
const (
	FactUnreadable   = "manifest-unreadable"
	FactUnknownField = "manifest-unknown-field"
	FactTwice        = "manifest-duplicate-field"
	FactWrongType    = "manifest-wrong-type"
	FactRemoved      = "manifest-version-removed"
	FactDeprecated   = "manifest-version-deprecated"
	FactPlainSecret  = "manifest-plain-secret"
)

// templatePaths is where the kinds that make pods have their template.
var templatePaths = map[string]string{"CronJob": "spec.jobTemplate.spec.template", "Pod": ""}

// Place returns where a field stands: the field, or the nearest thing above it that is written. A field is named as
// facts name it, "spec.containers[app].image"; one of a pod is looked for in the template that the pod would be made of.
func (m *Manifest) Place(of evidence.Ref, field string) Place {
	if m.root == nil {
		return Place{m.Line, 1}
	}
	if of.Kind == "Pod" && m.Kind != "Pod" {
		field = cmp.Or(templatePaths[m.Kind], "spec.template") + "." + field
	}
	if of.Container != "" && !strings.Contains(field, "ontainers[") {
		field = "spec.containers[" + of.Container + "]." + field
	}
	at := place(m.root, field)
	return Place{max(at.Line, 1), max(at.Column, 1)}
}

// place follows a path of fields from a node as far as it is written.
func place(n *yamlv3.Node, path string) Place {
	at := Place{n.Line, n.Column}
	for path != "" {
		var step string
		var next *yamlv3.Node
		step, path = cutPath(path)
		at, next = below(n, step, at)
		if next == nil {
			return at
		}
		n = next
	}
	return at
}

// cutPath takes the first step of a path: a name, or what is between brackets.
func cutPath(path string) (step, rest string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "[") {
		if end := strings.IndexByte(path, ']'); end > 0 {
			return path[1:end], path[end+1:]
		}
	}
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end], path[end:]
	}
	return path, ""
}

// below returns the value of a key of a mapping or of an element of a list, which is named by its place, its name or itself.
func below(n *yamlv3.Node, step string, at Place) (Place, *yamlv3.Node) {
	n = behind(n)
	switch n.Kind {
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; key.Value == step {
				return Place{key.Line, key.Column}, n.Content[i+1]
			}
		}
	case yamlv3.SequenceNode:
		for i, item := range n.Content {
			if strconvEqual(i, step) || behind(item).Value == step || goesBy(behind(item), step) {
				return Place{item.Line, item.Column}, item
			}
		}
	}
	return at, nil
}

func strconvEqual(i int, step string) bool {
	return step != "" && step[0] >= '0' && step[0] <= '9' && fmt.Sprint(i) == step
}

// goesBy tells whether an element of a list has that name, as containers, ports, volumes and variables have.
func goesBy(item *yamlv3.Node, name string) bool {
	if item.Kind != yamlv3.MappingNode {
		return false
	}
	for i := 0; i+1 < len(item.Content); i += 2 {
		if item.Content[i].Value == "name" && item.Content[i+1].Value == name {
			return true
		}
	}
	return false
}

// behind returns what an alias stands for.
func behind(n *yamlv3.Node) *yamlv3.Node {
	for range maxNesting {
		if n.Kind != yamlv3.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// SnapshotOf returns what is known by manifests: their objects, and the pods that their templates would become. Its rules look
// at the objects whatever their kinds.
func SnapshotOf(manifests ...*Manifest) *evidence.Snapshot {
	s := &evidence.Snapshot{Has: evidence.Spec}
	for _, m := range manifests {
		s.Facts = append(s.Facts, m.Facts...)
		if m.Object == nil {
			continue
		}
		s.Objects, s.Asked = append(s.Objects, m.Object), append(s.Asked, m.Ref)
		if m.pod != nil {
			s.Objects, s.Asked = append(s.Objects, m.pod), append(s.Asked, evidence.RefOf(m.pod))
		}
	}
	return s.Freeze()
}

// templateOf returns the template of a kind that makes pods, or nil.
func templateOf(o runtime.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *corev1.ReplicationController:
		return o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	}
	return nil
}

// templatePod returns the pod that an object's template would become, owned by the object; nil where it has none.
func templatePod(o evidence.Object) *corev1.Pod {
	t := templateOf(o)
	if t == nil {
		return nil
	}
	owner, yes := evidence.RefOf(o), true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: owner.Name, Namespace: owner.Namespace, Labels: t.Labels, Annotations: t.Annotations,
			OwnerReferences: []metav1.OwnerReference{{Kind: owner.Kind, Name: owner.Name, Controller: &yes}},
		},
		Spec: t.Spec,
	}
}
