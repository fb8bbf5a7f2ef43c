// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CollectorFailed recognises a kubelet that cannot make room on its disk.
var CollectorFailed = &diagnosis.Rule{
	ID:    "NOD010",
	Title: "Kubelet cannot free disk space",
	Doc: `
The kubelet removes unused images and dead containers when the disk gets full, and could not free what it wanted to. The next step is eviction: pods are ended to free what they
wrote.

**How it is told from its look-alikes.** By ImageGCFailed, ContainerGCFailed or FreeDiskSpaceFailed Events, or the same in the kubelet's log. Right after a start "unable to find data in memory cache" and "invalid capacity 0" come once: the
kubelet had no figures yet, and that is no fault; nor is it the disk's that a runtime which is begun anew cannot be asked. A disk that is full of logs or of a pod's files has no images to remove, which is why freeing fails.

**What to do.** See what fills the disk, and whether images are in use that are not needed; give the node a larger disk.

The Events are written in kubernetes pkg/kubelet/kubelet.go and pkg/kubelet/images/image_gc_manager.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Events,
	Also:   evidence.Host | evidence.Node | evidence.Spec | evidence.Status,
	Effect: diagnosis.StorageFull,
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, e := range p.NodeEvents("ImageGCFailed", "ContainerGCFailed", "FreeDiskSpaceFailed") {
			if p.Now().Sub(e.Last) <= 4*lately {
				facts = append(facts, e.Fact())
			}
		}
		facts = append(facts, troubles(p, "image-gc-failed")...)
		facts = slices.DeleteFunc(facts, func(f evidence.Fact) bool {
			return holds(f.Text, "unable to find data in memory cache", "invalid capacity 0", "non-existent label", "missing image stats",
				"code = Unavailable", "connection refused", "context deadline exceeded") // the runtime did not answer, whatever the disk has
		})
		if len(facts) == 0 {
			return
		}
		cited := few(facts)
		if full, _ := condition(p.Node(), corev1.NodeDiskPressure); full.Status == corev1.ConditionTrue {
			pressure, _ := p.CiteNodeCondition(corev1.NodeDiskPressure)
			cited = append(slices.Clone(cited), pressure)
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain - confidenceLess(facts), Facts: cited,
			Message: fmt.Sprintf("the kubelet of %s cannot free disk space: it will evict pods next", nodeName(p)),
			Fixes:   look("See what fills the disk of "+nodeName(p), "df -h; crictl images; crictl rmi --prune; du -xsh /var/log/pods/* | sort -h | tail"),
		})
	},
}
