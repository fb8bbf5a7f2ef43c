// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// NoAttempt is the Attempt of a Ref that does not mean one run of a container.
const NoAttempt = -1

// A Ref names one thing. Container is empty for anything larger than a container; Attempt is NoAttempt unless one run
// is meant. Kind is the kind of the API ("Pod", "Node", "Deployment"). The zero Ref is the whole cluster.
type Ref struct {
	Kind, Namespace, Name, Container string
	Attempt                          int
}

// Cluster is the whole cluster.
var Cluster = Ref{}

// RefTo names an object that is not a container.
func RefTo(kind, namespace, name string) Ref {
	return Ref{Kind: kind, Namespace: namespace, Name: name, Attempt: NoAttempt}
}

// InContainer names a container of the pod r.
func (r Ref) InContainer(name string) Ref {
	return Ref{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Container: name, Attempt: NoAttempt}
}

// InAttempt names run n, counted from 0, of the container r.
func (r Ref) InAttempt(n int) Ref {
	r.Attempt = n
	return r
}

// Object names the object that r is or is part of: the pod of a container or attempt, anything else itself.
func (r Ref) Object() Ref {
	if r.Kind == "" {
		return r
	}
	return RefTo(r.Kind, r.Namespace, r.Name)
}

// String returns kubectl's form of the name with the container in brackets: "pod/web-0[app]#3", "node/n1".
func (r Ref) String() string {
	if r.Kind == "" {
		return "cluster"
	}
	s := strings.ToLower(r.Kind) + "/" + r.Name
	if r.Container != "" {
		s += "[" + r.Container + "]"
		if r.Attempt != NoAttempt {
			s += fmt.Sprintf("#%d", r.Attempt)
		}
	}
	return s
}

// Compare orders Refs by kind, namespace, name, container and attempt.
func (r Ref) Compare(o Ref) int {
	if c := strings.Compare(r.Kind, o.Kind); c != 0 {
		return c
	}
	c := cmp.Or(strings.Compare(r.Namespace, o.Namespace), strings.Compare(r.Name, o.Name))
	return cmp.Or(c, strings.Compare(r.Container, o.Container), cmp.Compare(r.Attempt, o.Attempt))
}

// An Object is any typed API object, as a pointer: *corev1.Pod, *appsv1.Deployment.
type Object interface {
	metav1.Object
	runtime.Object
}

// RefOf names an object by its Go type, because decoded objects carry no kind.
func RefOf(o Object) Ref {
	return RefTo(reflect.TypeOf(o).Elem().Name(), o.GetNamespace(), o.GetName())
}
