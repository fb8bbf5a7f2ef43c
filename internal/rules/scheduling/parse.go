// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"regexp"
	"strconv"
	"strings"
)

// The scheduler writes "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint(s). preemption:
// …" (kubernetes pkg/scheduler/framework/types.go, FitError). Before 1.24 a taint's text had a comma in it.
var (
	available = regexp.MustCompile(`^0/(\d+) nodes are available: (.*)`)
	counted   = regexp.MustCompile(`^(\d+) (.+)$`)
)

// words tell the reasons apart (kubernetes pkg/scheduler/framework/plugins, the ErrReason constants).
var words = []struct {
	part string
	kind kind
}{
	{"Insufficient ", room},
	{"Too many pods", room},
	{"untolerated taint", taint},
	{"that the pod didn't tolerate", taint},
	{"were unschedulable", taint},
	{"node affinity/selector", selector},
	{"plugin(s) [NodeAffinity]", selector},
}

// parse reads the message of the condition; false for a message without a count of nodes.
func parse(message string) (verdict, bool) {
	m := available.FindStringSubmatch(message)
	if m == nil {
		return verdict{}, false
	}
	list, _, _ := strings.Cut(m[2], ". ")
	v := verdict{nodes: number(m[1])}
	for part := range strings.SplitSeq(strings.TrimSuffix(list, "."), ", ") {
		if c := counted.FindStringSubmatch(part); c != nil {
			v.reasons = append(v.reasons, reason{nodes: number(c[1]), text: c[2]})
		} else if n := len(v.reasons); n > 0 {
			v.reasons[n-1].text += ", " + part
		}
	}
	for i := range v.reasons {
		v.reasons[i].kind = kindOf(v.reasons[i].text)
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
		if strings.Contains(text, w.part) {
			return w.kind
		}
	}
	return later
}
