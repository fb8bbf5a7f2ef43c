// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// OutOfRoom recognises a pod that its node turned away for want of room.
var OutOfRoom = &diagnosis.Rule{
	ID:    "ADM014",
	Title: "The kubelet turned the pod away because its node has no room",
	Doc: `
The kubelet counts the requests of its pods itself before it takes one, and finds that this one does not fit. The scheduler
should not have sent it: it did not know of a static pod, of a pod that was just being started or had not quite ended, or of a
change of the node; or the manifest names the node and bypasses the scheduler. The pod is Failed for good.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason OutOfcpu, OutOfmemory, OutOfpods or
the like, and no container ever ran. A pod that the scheduler cannot place is Pending and has no node (SCH001). One that was evicted
has run. A container that was killed for memory is another matter altogether.

**What to do.** A controller makes another pod, which as a rule fits: then only what is left has to be deleted. If nodeName is
set, leave it out. If it happens again and again, look what takes the room of the node that the scheduler does not see.

The words are written in kubernetes pkg/kubelet/lifecycle/predicate.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeRestarted, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		res, room := strings.CutPrefix(r.reason, "OutOf")
		if !room {
			return
		}
		message := fmt.Sprintf("the kubelet of %s turned pod %s away: there is too little %s left", where(p), p.About().Name, res)
		if m := shortage.FindStringSubmatch(r.said); m != nil {
			asked, used, all := quantity(m[1], m[2]), quantity(m[1], m[3]), quantity(m[1], m[4])
			message = fmt.Sprintf("the kubelet of %s turned pod %s away: of %s %s the other pods have %s, and it asks for %s", where(p), p.About().Name, all, m[1], used, asked)
		}
		fixes := []diagnosis.Fix{again(p), {Title: "If it happens again, look what the pods of the node request", Command: "kubectl describe node " + p.NodeName()}}
		facts := pinned(p)
		if len(facts) > 0 {
			message += "; its manifest names the node, so no scheduler looked for room"
			fixes[0] = diagnosis.Fix{Title: "Leave nodeName out, so that the scheduler finds a node with room"}
		}
		r.report(p, message, facts, fixes...)
	},
}

var shortage = regex.New(`Node didn't have enough resource: ([^,]+), requested: (\d+), used: (\d+), capacity: (\d+)`)

// quantity writes a number of the kubelet: thousandths of a CPU, bytes, or pieces.
func quantity(res, digits string) string {
	n, _ := strconv.ParseInt(digits, 10, 64)
	switch {
	case res == "cpu":
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	case res == "memory", res == "ephemeral-storage", strings.HasPrefix(res, "hugepages-"):
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<20)), ".0") + "Mi"
	}
	return digits
}
