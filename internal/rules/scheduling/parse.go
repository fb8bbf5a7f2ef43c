// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// The scheduler writes "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint(s). preemption:
// …" (kubernetes pkg/scheduler/framework/types.go, FitError). Before 1.24 a taint's text had a comma in it, and before
// 1.20 a claim that is not bound was told as an error of the plugin, without a count of nodes.
var (
	available = regex.New(`(?s)\b0/(\d+) nodes are (?:un)?available:? *(.*)`)
	counted   = regex.New(`^(\d+) (.+)$`)
	noCount   = regex.New(`(?:unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]*" (?:not found|is being deleted|bound to non-existent)|resourceclaim[^,]* not (?:found|created)|no nodes available to schedule pods)`)
)

// words tell the reasons apart (kubernetes pkg/scheduler/framework/plugins, the ErrReason constants, in the wordings since
// 1.18). The first that occurs counts.
var words = []struct {
	part string
	kind kind
}{
	{"no nodes available to schedule", noNode},
	{"unbound immediate PersistentVolumeClaims", claim},
	{"persistentvolumeclaim ", claim},
	{"were unschedulable", cordon},
	{"node.kubernetes.io/unschedulable", cordon},
	{"untolerated taint", taint},
	{"that the pod didn't tolerate", taint},
	{"scheduler-enforced node affinity", other}, // of the scheduler's own configuration
	{"the requested node name", selector},
	{"plugin(s) [NodeAffinity]", selector},
	{"PersistentVolume's node affinity", volumePlace},
	{"volume node affinity conflict", volumePlace},
	{"no available volume zone", volumePlace},
	{"bound to non-existent pv", volumePlace},
	{"available persistent volumes to bind", volumePlace},
	{"enough free storage", volumePlace},
	{"max volume count", volumeCount},
	{"maximum number of volumes", volumeCount},
	{"ReadWriteOncePod", volumeUsed},
	{"had no available disk", volumeUsed},
	{"free ports", port},
	{"topology spread constraints", spread},
	{"anti-affinity rules", apart},
	{"pod affinity rules", together},
	{"pod affinity/anti-affinity", apart},
	{"node affinity", selector},
	{"node selector", selector},
	{"Too many pods", podCount},
	{"Insufficient ", room},
}

// parse reads what the scheduler said; false for words that are no verdict.
func parse(message string) (verdict, bool) {
	m := available.FindStringSubmatch(message)
	if m == nil {
		said := noCount.FindString(message)
		return verdict{reasons: []reason{{kind: kindOf(said), text: said}}}, said != ""
	}
	list, _, _ := strings.Cut(m[2], " preemption: ")
	if strings.HasPrefix(m[2], "preemption: ") {
		list = ""
	}
	list = strings.TrimRight(strings.TrimSpace(list), ".,")
	v := verdict{nodes: number(m[1])}
	for part := range strings.SplitSeq(list, ", ") {
		part, _, _ = strings.Cut(part, ". ")
		if c := counted.FindStringSubmatch(part); c != nil {
			v.reasons = append(v.reasons, reason{nodes: number(c[1]), text: c[2]})
		} else if n := len(v.reasons); n > 0 {
			v.reasons[n-1].text += ", " + part
		} else if part != "" { // of all nodes alike, as a claim that is not bound
			v.reasons = append(v.reasons, reason{nodes: v.nodes, text: part})
		}
	}
	for i := range v.reasons {
		v.reasons[i].kind = kindOf(v.reasons[i].text)
	}
	if v.nodes == 0 {
		v.reasons = []reason{{kind: noNode, text: "0/0 nodes are available"}}
	}
	return v, len(v.reasons) > 0
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

func kindOf(text string) kind {
	for _, w := range words {
		if !strings.Contains(text, w.part) {
			continue
		}
		if name, ok := strings.CutPrefix(text, "Insufficient "); ok && extended(name) {
			return device
		}
		return w.kind
	}
	return other
}

// extended tells whether a resource is one that a device plugin or an administrator adds: only those have a domain in
// their name, beside the few that end in kubernetes.io; huge pages are reserved at boot.
func extended(name string) bool {
	return strings.Contains(name, "/") || strings.HasPrefix(name, "hugepages-")
}
