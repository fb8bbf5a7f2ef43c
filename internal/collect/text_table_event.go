// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// eventTableRow reads a row of kubectl get events or kubectl events. Before 1.14 the object is in two columns, and the
// name in NAME is that of the object too.
func eventTableRow(r row, p *part) bool {
	e := textEvent{kind: r["TYPE"], reason: r["REASON"], message: r["MESSAGE"]}
	var span string
	e.last, e.first, e.count = parseSpan(r["LAST SEEN"])
	if span = r["FIRST SEEN"]; span != "" {
		e.first = parseAge(span)
	}
	if n, err := strconv.Atoi(cmp.Or(r["COUNT"], "0")); err == nil && n > 0 {
		e.count = n
	}
	e.from(cmp.Or(r["SOURCE"], r["FROM"]))
	about, ok := refNamed(r["OBJECT"], r["NAMESPACE"])
	if kind := r["KIND"]; !ok && kind != "" && r["NAME"] != "" {
		name, _, _ := strings.Cut(r["NAME"], ".")
		about, ok = refNamed(kind+"/"+name, r["NAMESPACE"])
	}
	if !ok || e.reason == "" || e.kind != "Normal" && e.kind != "Warning" {
		return false
	}
	if sub := fieldPath.FindStringSubmatch(r["SUBOBJECT"]); sub != nil {
		about = about.InContainer(sub[1])
	}
	e.about = inContainer(about, &e)
	p.wide = true
	p.event(e)
	return true
}

// topRow reads a row of kubectl top pods, with or without --containers, and of kubectl top nodes.
func topRow(kind string, r row, p *part) bool {
	about := evidence.RefTo("Node", "", r["NAME"])
	if kind == "top pod" {
		about = evidence.RefTo("Pod", r["NAMESPACE"], cmp.Or(r["POD"], r["NAME"]))
		if r["POD"] != "" && r["NAME"] != "" {
			about = about.InContainer(r["NAME"])
		}
	}
	if !isName(about.Name) {
		return false
	}
	u := textUsage{about: about, amounts: corev1.ResourceList{}}
	for name, cell := range map[corev1.ResourceName]string{corev1.ResourceCPU: r["CPU(cores)"], corev1.ResourceMemory: r["MEMORY(bytes)"]} {
		if amount, err := quantity.ParseQuantity(cell); err == nil {
			u.amounts[name] = amount
		}
	}
	p.usage = append(p.usage, u)
	return len(u.amounts) > 0
}
