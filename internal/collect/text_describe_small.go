// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// accessModes are what kubectl prints of each.
var accessModes = map[string]corev1.PersistentVolumeAccessMode{
	"RWO": corev1.ReadWriteOnce, "ROX": corev1.ReadOnlyMany, "RWX": corev1.ReadWriteMany, "RWOP": corev1.ReadWriteOncePod,
}

func readModes(s string) []corev1.PersistentVolumeAccessMode {
	var list []corev1.PersistentVolumeAccessMode
	for mode := range strings.SplitSeq(s, ",") {
		if m, ok := accessModes[strings.TrimSpace(mode)]; ok {
			list = append(list, m)
		}
	}
	return list
}

// describedClaim reads a claim. What it requests is printed only once it is bound.
func describedClaim(d *description, p *part) evidence.Object {
	o := &corev1.PersistentVolumeClaim{ObjectMeta: d.meta(p)}
	if class := d.value("StorageClass"); class != "" {
		o.Spec.StorageClassName = &class
	}
	o.Spec.VolumeName, o.Spec.AccessModes = d.value("Volume"), readModes(d.value("Access Modes"))
	o.Status.AccessModes = o.Spec.AccessModes
	if mode := corev1.PersistentVolumeMode(d.value("VolumeMode")); mode != "" {
		o.Spec.VolumeMode = &mode
	}
	o.Status.Phase = corev1.PersistentVolumeClaimPhase(d.value("Status"))
	d.claimDeletion(o, p)
	if amount, err := quantity.ParseQuantity(d.value("Capacity")); err == nil {
		o.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: amount}
		o.Spec.Resources.Requests = o.Status.Capacity
	}
	o.Finalizers = strings.Fields(strings.Trim(d.value("Finalizers"), "[]"))
	for _, line := range d.conditionLines() {
		if m := conditionRow.FindStringSubmatch(line); m != nil {
			o.Status.Conditions = append(o.Status.Conditions, corev1.PersistentVolumeClaimCondition{
				Type: corev1.PersistentVolumeClaimConditionType(m[1]), Status: corev1.ConditionStatus(m[2]),
				LastTransitionTime: metav1.NewTime(p.saw(parseTime(m[4]))), Reason: m[5], Message: m[6],
			})
		}
	}
	return o
}

func (d *description) claimDeletion(o *corev1.PersistentVolumeClaim, p *part) {
	m := terminating.FindStringSubmatch(string(o.Status.Phase))
	if m == nil {
		return
	}
	o.Status.Phase = ""
	o.DeletionTimestamp = &metav1.Time{}
	p.ago(parseAge(m[1]), func(t time.Time) { o.DeletionTimestamp.Time = t })
}

func describedVolume(d *description, p *part) evidence.Object {
	o := &corev1.PersistentVolume{ObjectMeta: d.meta(p)}
	o.Namespace = ""
	o.Spec.StorageClassName = d.value("StorageClass")
	o.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimPolicy(d.value("Reclaim Policy"))
	o.Spec.AccessModes = readModes(d.value("Access Modes"))
	o.Status.Phase, o.Status.Message = corev1.PersistentVolumePhase(d.value("Status")), d.value("Message")
	if namespace, name, ok := strings.Cut(d.value("Claim"), "/"); ok {
		o.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name}
	}
	if amount, err := quantity.ParseQuantity(d.value("Capacity")); err == nil {
		o.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: amount}
	}
	return o
}

func describedClass(d *description, p *part) evidence.Object {
	o := &storagev1.StorageClass{ObjectMeta: d.meta(p)}
	o.Provisioner = d.value("Provisioner")
	if mode := storagev1.VolumeBindingMode(d.value("VolumeBindingMode")); mode != "" {
		o.VolumeBindingMode = &mode
	}
	return o
}

// describedService reads a Service. Its endpoints are told as an EndpointSlice of the same name.
func describedService(d *description, p *part) evidence.Object {
	o := &corev1.Service{ObjectMeta: d.meta(p)}
	o.Spec.Type = corev1.ServiceType(d.value("Type"))
	o.Spec.Selector = (&section{value: strings.ReplaceAll(d.value("Selector"), ",", "\n")}).split().pairs()
	o.Spec.ClusterIP = d.value("IP")
	if port := d.value("Port"); port != "" {
		o.Spec.Ports = []corev1.ServicePort{servicePort(port, d.value("TargetPort"))}
	}
	if s := d.get("Endpoints"); s != nil {
		p.add(endpointsOf(d, s.value), described, 0)
	}
	return o
}

// split puts each line of a value into a line of its own.
func (s *section) split() *section {
	lines := strings.Split(s.value, "\n")
	return &section{key: s.key, value: lines[0], body: lines[1:]}
}

// servicePort reads "http  80/TCP" and "8080/TCP".
func servicePort(text, target string) corev1.ServicePort {
	f := strings.Fields(text)
	port := corev1.ServicePort{}
	if len(f) > 1 && f[0] != "<unset>" {
		port.Name = f[0]
	}
	if len(f) > 0 {
		n, protocol, _ := strings.Cut(f[len(f)-1], "/")
		port.Protocol = corev1.Protocol(protocol)
		if v, ok := number(n); ok {
			port.Port = *v
		}
	}
	if target, _, _ = strings.Cut(target, "/"); target != "" {
		port.TargetPort = intstr.Parse(target)
	}
	return port
}

// endpointsOf reads "10.0.0.1:80,10.0.0.2:80 + 3 more...". That there is none is told too.
func endpointsOf(d *description, text string) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: d.namespace, Name: d.name, Labels: map[string]string{discoveryv1.LabelServiceName: d.name},
	}}
	text, _, _ = strings.Cut(text, " + ")
	for address := range strings.SplitSeq(text, ",") {
		i := strings.LastIndexByte(address, ':')
		if i <= 0 || none(address) {
			continue
		}
		ready := true
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{address[:i]}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
		if n, err := strconv.ParseInt(address[i+1:], 10, 32); err == nil && len(o.Ports) == 0 {
			port := int32(n)
			o.Ports = []discoveryv1.EndpointPort{{Port: &port}}
		}
	}
	return o
}

// quotaRows returns the rows of used and hard amounts below a quota; nil when there are none.
func (d *description) quotaRows() [][]string {
	for i := range d.sections {
		if rows := quotaRowsIn(d.sections[i].body); rows != nil {
			return rows
		}
	}
	return nil
}

func quotaRowsIn(lines []string) [][]string {
	var rows [][]string
	head := false
	for _, line := range lines {
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[0] == "Resource" && f[1] == "Used":
			head = true
		case head && len(f) == 3 && !strings.HasPrefix(f[0], "-"):
			rows = append(rows, f)
		case head && len(f) == 0:
			return rows
		}
	}
	return rows
}

func quotaOf(namespace, name string, rows [][]string) *corev1.ResourceQuota {
	o := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	hard, used := corev1.ResourceList{}, corev1.ResourceList{}
	for _, row := range rows {
		if q, err := quantity.ParseQuantity(row[1]); err == nil {
			used[corev1.ResourceName(row[0])] = q
		}
		if q, err := quantity.ParseQuantity(row[2]); err == nil {
			hard[corev1.ResourceName(row[0])] = q
		}
	}
	o.Spec.Hard, o.Status.Hard, o.Status.Used = hard, hard, used
	return o
}

func describedQuota(d *description, _ *part) evidence.Object {
	return quotaOf(d.namespace, d.name, d.quotaRows())
}

// describedNamespace reads a namespace, and the quotas that are part of its description.
func describedNamespace(d *description, p *part) evidence.Object {
	o := &corev1.Namespace{ObjectMeta: d.meta(p)}
	o.Namespace, o.Status.Phase = "", corev1.NamespacePhase(d.value("Status"))
	var name string
	var block []string
	end := func() {
		if rows := quotaRowsIn(block); name != "" && rows != nil {
			p.add(quotaOf(d.name, name, rows), described, evidence.Spec)
		}
		block = nil
	}
	for i := range d.sections {
		for _, line := range d.sections[i].body {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && key == "Name" {
				end()
				name = strings.TrimSpace(value)
				continue
			}
			block = append(block, line)
		}
	}
	end()
	return o
}
