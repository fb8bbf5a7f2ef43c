// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// NodePressure recognises a pod that its kubelet evicted, or turned away, because the node ran low.
var NodePressure = &diagnosis.Rule{
	ID:    "EVC001",
	Title: "Pod was evicted because its node ran low on a resource",
	Doc: `
The node had less memory, disk space, inodes or process ids left than the kubelet's eviction threshold, and the kubelet
ended this pod to reclaim some. It takes pods that use more than they request first, then by priority, then by how much
more they use; a pod without requests always uses more. The pod is Failed for good; its controller makes a new one. A pod
that arrives while the pressure lasts is turned away with the same reason.

**How it is told from its look-alikes.** The pod's status has the reason Evicted and "The node was low on resource", and
the condition DisruptionTarget has TerminationByKubelet. A pod that exceeded a limit of its own local storage is Evicted
too (EVC002), in other words and without the condition. An OOM kill ends one process and leaves the pod; an eviction
through the API (a drain) deletes the pod and leaves no such status.

**What to do.** Find what took the resource; that need not be the pod that paid for it. Request what the pod really uses
so that it is not among the first. For disk pressure look at logs, emptyDir volumes and images.

The messages are written in kubernetes pkg/kubelet/eviction/helpers.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events | evidence.Node | evidence.Usage,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodePressure, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		e := read(p)
		low, condition := lowOn.FindStringSubmatch(e.message), hadCondition.FindStringSubmatch(e.message)
		if low == nil && condition == nil {
			return
		}
		for _, kind := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
			if f, _ := p.CiteNodeCondition(kind); strings.HasPrefix(f.Text, "status True") {
				e.facts = append(e.facts, f)
			}
		}
		f := diagnosis.Finding{At: e.at, Confidence: diagnosis.Certain, Facts: e.facts}
		if low == nil {
			f.Message = fmt.Sprintf("pod %s was turned away by node %s, which was under pressure: %s", p.About().Name, p.NodeName(), condition[1])
		} else {
			f.Message = fmt.Sprintf("pod %s was evicted because node %s ran low on %s%s", p.About().Name, p.NodeName(), plain(low[1]), figures(e.message))
			f.Facts = append(f.Facts, quality(p)...)
			f.Fixes = request(p, low[1], e.message)
			if strings.Contains(low[1], "storage") || strings.Contains(low[1], "fs") {
				names, facts := writers(p)
				f.Message += names
				f.Facts = append(f.Facts, facts...)
			}
		}
		f.Fixes = append(f.Fixes, diagnosis.Fix{
			Title:   fmt.Sprintf("Find what fills node %s, and move or limit it", p.NodeName()),
			Command: "kubectl describe node " + p.NodeName(),
		})
		p.Report(f)
	},
}

var (
	lowOn        = regex.New(`^The node was low on (?:resource: |compute resources)?\[?([^\s\]]*?)\]?\.`)
	hadCondition = regex.New(`The node had condition: \[([^\]]+)\]`)
	threshold    = regex.New(`Threshold quantity: ([^\s,]+), available: (\S+)\.`)
	// Until 1.26: "Container app was using 19212Ki, which exceeds its request of 0.".
	consumer = regex.New(`Container (\S+) was using ([^\s,]+), (?:request is ([^\s,]+), has larger consumption of (\S+)\.|which exceeds its request of (\S+)\.)`)
)

// figures repeats how low the node was and which containers used more than they request. The kubelet leaves both out
// where it has no measurements.
func figures(message string) string {
	var text string
	if m := threshold.FindStringSubmatch(message); m != nil {
		text = fmt.Sprintf(" (%s left, threshold %s)", mebibytes(m[2]), mebibytes(m[1]))
	}
	for _, m := range consumer.FindAllStringSubmatch(message, -1) {
		request := cmp.Or(m[3], m[5])
		asked := "requests " + request
		if request == "0" {
			asked = "requests none"
		}
		text += fmt.Sprintf("; container %s used %s and %s", m[1], mebibytes(m[2]), asked)
	}
	return text
}

// plain says what a resource or condition is where its name does not.
func plain(resource string) string {
	means := map[string]string{
		"": "memory", "MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "process ids", "pids": "process ids",
		"ephemeral-storage": "ephemeral-storage, its disk", "nodefs": "nodefs, its disk", "imagefs": "imagefs, the disk of its images",
		"inodes": "inodes: there are too many files", "nodefsInodes": "inodes: there are too many files", "imagefsInodes": "inodes: its images have too many files",
	}
	return cmp.Or(means[resource], resource)
}

// writers names what keeps most on the pod's node, by the kubelet's summary.
func writers(p *diagnosis.Pass) (names string, facts []evidence.Fact) {
	for _, f := range p.Facts(evidence.Usage, "ephemeral-storage") {
		if f.Value >= 10*mib {
			facts = append(facts, f)
		}
	}
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return cmp.Compare(b.Value, a.Value) })
	for _, f := range facts {
		pod, _, _ := strings.Cut(f.Text, " ")
		names += fmt.Sprintf(", %s (%.0fMi)", pod, f.Value/mib)
	}
	if names != "" {
		names = "; most is kept now by " + names[2:]
	}
	return names, facts
}

// quality cites the pod's quality of service: those without requests are evicted first, those within theirs last.
func quality(p *diagnosis.Pass) []evidence.Fact {
	class := p.PodStatus().QOSClass
	if class == "" {
		return nil
	}
	return []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.qosClass", Text: "qosClass " + string(class),
	}}
}

const mib = 1 << 20

// mebibytes writes a large quantity in whole MiB, and any other, as a count of inodes, as it is.
func mebibytes(quantity string) string {
	q, _ := resource.ParseQuantity(quantity)
	if q.Value() < 10*mib {
		return quantity
	}
	return fmt.Sprintf("%dMi", (q.Value()+mib-1)/mib)
}

// request proposes that the containers request the memory they used: a pod that stays within its requests is evicted
// last. For storage the kubelet's figure leaves out the emptyDir volumes, so nothing can be proposed.
func request(p *diagnosis.Pass, low, message string) []diagnosis.Fix {
	var fixes []diagnosis.Fix
	for _, m := range consumer.FindAllStringSubmatch(message, -1) {
		if cmp.Or(m[4], low) != string(corev1.ResourceMemory) {
			continue
		}
		to := mebibytes(m[2])
		list := "containers"
		for _, c := range p.PodSpec().InitContainers {
			if c.Name == m[1] {
				list = "initContainers"
			}
		}
		fields := map[string]any{"name": m[1], "resources": map[string]any{"requests": map[string]any{string(corev1.ResourceMemory): to}}}
		fix := diagnosis.Fix{
			Title: fmt.Sprintf("Let container %s request the %s of memory that it uses, so that it is not evicted first", m[1], to),
			Patch: p.PatchPodSpec(map[string]any{list: []any{fields}}),
		}
		if fix.Patch != nil {
			fix.Risk = diagnosis.Restart
		}
		fixes = append(fixes, fix)
	}
	return fixes
}
