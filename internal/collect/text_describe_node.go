// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// describedNode reads kubectl describe node, and the lease that is part of it.
func describedNode(d *description, p *part) evidence.Object {
	node := &corev1.Node{ObjectMeta: d.meta(p)}
	node.Namespace = ""
	node.Spec.Unschedulable = d.value("Unschedulable") == "true"
	node.Spec.ProviderID, node.Spec.PodCIDR = d.value("ProviderID"), d.value("PodCIDR")
	node.Spec.Taints = readTaints(d.get("Taints").all())
	node.Status.Capacity, node.Status.Allocatable = d.amounts("Capacity"), d.amounts("Allocatable")
	for _, line := range d.get("Addresses").all() {
		if kind, address, ok := strings.Cut(line, ":"); ok {
			node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{
				Type: corev1.NodeAddressType(kind), Address: strings.TrimSpace(address),
			})
		}
	}
	info := fieldsOf(d.get("System Info").all())
	for key, into := range map[string]*string{
		"Machine ID": &node.Status.NodeInfo.MachineID, "System UUID": &node.Status.NodeInfo.SystemUUID,
		"Boot ID": &node.Status.NodeInfo.BootID, "Kernel Version": &node.Status.NodeInfo.KernelVersion,
		"OS Image": &node.Status.NodeInfo.OSImage, "Operating System": &node.Status.NodeInfo.OperatingSystem,
		"Architecture": &node.Status.NodeInfo.Architecture, "Kubelet Version": &node.Status.NodeInfo.KubeletVersion,
		"Container Runtime Version": &node.Status.NodeInfo.ContainerRuntimeVersion,
	} {
		*into = info[key]
	}
	for _, line := range d.conditionLines() {
		if c, ok := nodeCondition(line, p); ok {
			node.Status.Conditions = append(node.Status.Conditions, c)
		}
	}
	d.lease(p)
	return node
}

// fieldsOf reads "Boot ID:  x" lines.
func fieldsOf(lines []string) map[string]string {
	m := map[string]string{}
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, ":"); ok {
			m[key] = strings.TrimSpace(value)
		}
	}
	return m
}

// amounts reads "cpu:  4" lines of a section.
func (d *description) amounts(key string) corev1.ResourceList {
	if s := d.get(key); s != nil {
		return quantities(s.body)
	}
	return nil
}

func (d *description) conditionLines() []string {
	if s := d.get("Conditions"); s != nil {
		return s.body
	}
	return nil
}

// longTime is a time as kubectl describe prints it.
const longTime = `[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}`

var (
	// conditionRow is a condition of a node: type, status, heartbeat, transition, reason and message.
	conditionRow = regex.New(`^\s*(\S+)\s+(True|False|Unknown)\s+(` + longTime + `)\s+(` + longTime + `)\s+(\S+)(?:\s+(.*))?$`)
	// shortConditionRow is a condition of a workload: type, status and reason.
	shortConditionRow = regex.New(`^\s*(\S+)\s+(True|False|Unknown)\s+(\S+)\s*$`)
	// taintText matches "key=value:NoSchedule" and "key:NoSchedule".
	taintText = regex.New(`^([^=:\s]+)(?:=([^:\s]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$`)
)

func nodeCondition(line string, p *part) (corev1.NodeCondition, bool) {
	m := conditionRow.FindStringSubmatch(line)
	if m == nil {
		return corev1.NodeCondition{}, false
	}
	return corev1.NodeCondition{
		Type: corev1.NodeConditionType(m[1]), Status: corev1.ConditionStatus(m[2]),
		LastHeartbeatTime:  metav1.NewTime(p.saw(parseTime(m[3]))),
		LastTransitionTime: metav1.NewTime(p.saw(parseTime(m[4]))),
		Reason:             m[5], Message: strings.TrimSpace(m[6]),
	}, true
}

func readTaints(lines []string) []corev1.Taint {
	var list []corev1.Taint
	for _, line := range lines {
		if m := taintText.FindStringSubmatch(line); m != nil {
			list = append(list, corev1.Taint{Key: m[1], Value: m[2], Effect: corev1.TaintEffect(m[3])})
		}
	}
	return list
}

// lease adds the node's lease, which tells when its kubelet was last heard of.
func (d *description) lease(p *part) {
	fields := fieldsOf(d.get("Lease").all())
	renewed := p.saw(parseTime(fields["RenewTime"]))
	if renewed.IsZero() {
		return
	}
	at, holder := metav1.NewMicroTime(renewed), fields["HolderIdentity"]
	p.add(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: d.name},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &at},
	}, described, evidence.Node)
}
