// SPDX-License-Identifier: Apache-2.0

// Package faults holds ways to make a real cluster misbehave, each with the cause that a diagnosis must find. A fault is
// a value: its manifests are in manifests/NAME.yaml and can be applied by hand, its checks ask the API server only, and
// its actions go through the API or, where a node has to suffer, through the lab's own program.
package faults

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Fault is one thing that goes wrong, or one that only looks so.
type Fault struct {
	Name  string // of the fault and of its manifest
	About string // one line: what goes wrong

	Prepare Action        // what is done before the manifest is applied; nil: nothing
	Ready   Check         // when Act may begin; nil: at once
	Act     Action        // what is done once the manifest is applied; nil: nothing
	So      Check         // the fault is established: the cluster shows what a person would ask about
	Within  time.Duration // the most that Ready and So may each take; 0: 3 min
	Undo    Action        // puts back what deleting the namespace does not; nil: nothing

	Ask        string   // what a person asks about: TYPE/NAME
	Want       []string // rule ids, any of which may be the first cause; empty: no cause at all
	And        []string // rule ids of a second cause, any of which must be among the first three; empty: there is one cause
	Least      string   // the least confidence of that cause; empty: certain
	Most       string   // the most that its confidence may be where nobody knows more; empty: certain
	NeedsNodes bool     // acts on the lab's node n2; elsewhere it cannot be made
	Alone      bool     // disturbs other pods: nothing else may run meanwhile
}

// Benign tells whether nothing is wrong: a diagnosis must stay silent.
func (f Fault) Benign() bool { return len(f.Want) == 0 }

// All returns every fault. Those that need to be alone come last, and of the others the slowest first.
func All() []Fault {
	all := slices.Concat(
		benign(), calm(), doubles(),
		exits(), strangers(), starts(), starting(), process(), runtimes(),
		memory(),
		probes(), moreProbes(), hooks(),
		images(), config(), storage(),
		scheduling(), admission(), crowding(), placing(),
		eviction(), deletion(), nodes(), machines(), changes(),
	)
	slices.SortStableFunc(all, func(a, b Fault) int {
		if a.Alone != b.Alone {
			return map[bool]int{true: 1, false: -1}[a.Alone]
		}
		return int(b.limit() - a.limit())
	})
	return all
}

// Find returns the fault of that name.
func Find(name string) (Fault, error) {
	var names []string
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return Fault{}, fmt.Errorf("there is no fault %s, expected one of %s", name, strings.Join(names, ", "))
}

// defaultLimit is how long a fault may take to establish itself unless it says otherwise. On an idle node most need a
// few seconds; the kubelet measures volumes once a minute.
const defaultLimit = 3 * time.Minute

func (f Fault) limit() time.Duration {
	if f.Within > 0 {
		return f.Within
	}
	return defaultLimit
}

//go:embed manifests/*.yaml
var files embed.FS

// Manifest returns the fault's objects as YAML documents. They name no namespace.
func (f Fault) Manifest() (string, error) {
	data, err := files.ReadFile("manifests/" + f.Name + ".yaml")
	if err != nil {
		return "", fmt.Errorf("read the manifest of fault %s: %w", f.Name, err)
	}
	return string(data), nil
}

// A Cluster is where faults are made: one namespace of a cluster.
type Cluster struct {
	kubernetes.Interface
	Objects   dynamic.Interface
	Namespace string
	Image     string // the image to run instead of the lab's own; empty: the lab's
	Lab       string // the lab's program, for faults that need nodes
	Mendable  bool   // pods are made by Deployments, where fixes can change them, and no program takes memory without end
}

// NewCluster returns the cluster that a client configuration reaches.
func NewCluster(config *rest.Config, namespace string) (Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100 // many faults are watched over at once
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("connect: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("connect: %w", err)
	}
	return Cluster{Interface: typed, Objects: objects, Namespace: namespace}, nil
}

// An Action changes the cluster.
type Action func(ctx context.Context, c Cluster) error

// A Check tells whether something is so now. An error ends the waiting: it means that this can no longer become so, or
// that the cluster does not answer.
type Check func(ctx context.Context, c Cluster) (bool, error)
