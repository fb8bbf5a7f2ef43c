// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// UnknownPod recognises kills at the limit of pods that nothing else is known of.
var UnknownPod = &diagnosis.Rule{
	ID:    "MEM017",
	Title: "Kernel killed processes at the memory limit of pods that are not part of the evidence",
	Doc: `
The log of a node tells of kills for want of memory in the control group of a container or a pod, and no pod is part of the evidence:
somebody looks at dmesg alone. The record has the UID of the pod and the id of the container, and what the process held.

**How it is told from its look-alikes.** Where the pods are known, the rules about their ends use the record. A kill without a limit of a
container or pod is the node's affair, and one in a group that is none of Kubernetes' is a stranger's.

**What to do.** Find the pod by its UID, and ask about it. The kill need not have ended the container: a child of process 1 may
have been the victim.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Status | evidence.Spec,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		if len(diagnosis.List[*corev1.Pod](p)) > 0 {
			return
		}
		last, n := kill{}, map[string]int{}
		for _, f := range p.Facts(evidence.Host, "oom-kill") {
			if k := parseKill(f); (k.level() == ofContainer || k.level() == ofPod) && podGroup.MatchString(k.cgroup) {
				last = k
				n[podGroup.FindStringSubmatch(k.cgroup)[1]]++
			}
		}
		if last.cgroup == "" {
			return
		}
		uid := podGroup.FindStringSubmatch(last.cgroup)[1]
		told := strings.ReplaceAll(uid, "_", "-") // as systemd's driver does not write it
		f := diagnosis.Finding{
			At: last.At, Confidence: diagnosis.Possible, Facts: []evidence.Fact{last.Fact},
			Message: fmt.Sprintf("the kernel of node %s killed process %s (%d) at the memory limit of a pod that is not part of this evidence, of UID %s", p.About().Name, last.task, last.pid, told),
			Fixes: []diagnosis.Fix{{
				Title: "Find the pod and ask about it", Command: "kubectl get pods -A -o custom-columns=UID:.metadata.uid,NAMESPACE:.metadata.namespace,NAME:.metadata.name",
			}},
		}
		if last.Source >= evidence.FromStatus {
			f.Confidence = diagnosis.Certain
		}
		if held := last.anon + last.file + last.shmem; held > 0 {
			f.Message += fmt.Sprintf(", holding %d MiB", held>>10)
		}
		if times := n[uid]; times > 1 {
			f.Message += fmt.Sprintf(", %d times", times)
		}
		if len(n) > 1 {
			f.Message += fmt.Sprintf("; so it did in %d pods", len(n))
		}
		if f.At.IsZero() {
			f.At = p.Now()
		}
		p.Report(f)
	},
}
