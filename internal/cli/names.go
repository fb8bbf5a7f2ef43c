// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A kind is a kind of thing that can be asked about. Names are resolved without asking the API server: there are few,
// they never change, and they hold for a bundle too.
type kind struct {
	name    string
	plural  string
	short   string
	api     string // the URL path of its API
	cluster bool   // it has no namespace
}

var kinds = []kind{
	{"Pod", "pods", "po", "/api/v1", false},
	{"Deployment", "deployments", "deploy", "/apis/apps/v1", false},
	{"ReplicaSet", "replicasets", "rs", "/apis/apps/v1", false},
	{"StatefulSet", "statefulsets", "sts", "/apis/apps/v1", false},
	{"DaemonSet", "daemonsets", "ds", "/apis/apps/v1", false},
	{"Job", "jobs", "job", "/apis/batch/v1", false},
	{"CronJob", "cronjobs", "cj", "/apis/batch/v1", false},
	{"ReplicationController", "replicationcontrollers", "rc", "/api/v1", false},
	{"Node", "nodes", "no", "/api/v1", true},
	{"Namespace", "namespaces", "ns", "/api/v1", true},
	{"PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "/api/v1", false},
}

// kindOf finds a kind by any of the names that kubectl knows it by, also with its group: "deployments.apps".
func kindOf(word string) (kind, bool) {
	word, _, _ = strings.Cut(strings.ToLower(word), ".")
	for _, k := range kinds {
		if word == strings.ToLower(k.name) || word == k.plural || word == k.short {
			return k, true
		}
	}
	return kind{}, false
}

func unknownKind(word string) error {
	var names []string
	for _, k := range kinds {
		names = append(names, strings.ToLower(k.name))
	}
	if near, ok := nearest(strings.ToLower(word), names); ok {
		return fmt.Errorf("unknown type %q, did you mean %q?", word, near)
	}
	return fmt.Errorf("unknown type %q, expected one of %s", word, strings.Join(names, ", "))
}

func (k kind) ref(namespace, name string) evidence.Ref {
	if k.cluster {
		namespace = ""
	}
	return evidence.RefTo(k.name, namespace, name)
}

// refsOf reads kubectl's grammar of names: TYPE/NAME …, TYPE NAME …, and a bare NAME … for pods. "pods" alone asks
// for all that are in trouble, as no argument does, and "control-plane" alone for the control plane: a pod of that name
// is pod/control-plane.
func refsOf(args []string, namespace string) ([]evidence.Ref, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if len(args) == 1 && args[0] == collect.ControlPlane.Name {
		return []evidence.Ref{collect.ControlPlane}, nil
	}
	of := kinds[0]
	if k, ok := kindOf(args[0]); ok {
		if len(args) == 1 {
			return nil, all(k)
		}
		of, args = k, args[1:]
	}
	var refs []evidence.Ref
	for _, arg := range args {
		k, name := of, arg
		if before, after, ok := strings.Cut(arg, "/"); ok {
			if k, ok = kindOf(before); !ok {
				return nil, unknownKind(before)
			}
			name = after
		}
		if name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("%q is not a name, expected TYPE/NAME such as pod/web-0", arg)
		}
		refs = append(refs, k.ref(namespace, name))
	}
	return refs, nil
}

func all(k kind) error {
	if k.name == "Pod" {
		return nil
	}
	return errors.New("name the " + strings.ToLower(k.name) + ": " + k.short + "/NAME")
}
