// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"
)

// A Kind is a set of kinds of evidence. A rule says which kinds it needs, a snapshot which kinds it has.
type Kind uint16

// The kinds of evidence.
const (
	Spec    Kind = 1 << iota // manifests of the pod and its owners
	Status                   // container states, exit codes, restart counts, conditions
	Events                   // Kubernetes Events
	Logs                     // the log of the attempt that ended
	Usage                    // CPU, memory, throttling, pressure over time
	Node                     // node object: conditions, capacity, lease
	Host                     // what the agent saw: CRI, kubelet, kernel, disk
	Control                  // API server, etcd, scheduler, controller manager
	Changes                  // rollouts and configuration changes
	Signals                  // who sent SIGKILL and SIGTERM, as the node's agent traced it
)

var kindNames = []string{"spec", "status", "events", "logs", "usage", "node", "host", "control", "changes", "signals"}

// Kinds returns the single kinds in the set, in their order of declaration.
func (k Kind) Kinds() []Kind {
	var single []Kind
	for i := range kindNames {
		if k&(1<<i) != 0 {
			single = append(single, 1<<i)
		}
	}
	return single
}

// String returns the names of the kinds in the set, separated by commas; "none" for the empty set.
func (k Kind) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

// ParseKind is the inverse of String. Names it does not know are left out, so that a bundle of a newer version
// stays readable.
func ParseKind(s string) Kind {
	var k Kind
	for want := range strings.SplitSeq(s, ",") {
		if i := slices.Index(kindNames, strings.TrimSpace(want)); i >= 0 {
			k |= 1 << i
		}
	}
	return k
}
