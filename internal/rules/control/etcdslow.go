// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// EtcdSlow recognises that etcd answers slowly.
var EtcdSlow = &diagnosis.Rule{
	ID:    "CTL001",
	Title: "etcd answers slowly",
	Doc: `
Every write to the cluster waits until etcd has it on disk on most of its members, and every consistent read asks it. When that takes long, leases are renewed late, controllers lose their leadership and restart, nodes
look dead that are well, and everything else is slow.

**How it is told from its look-alikes.** By how long the API server waits for etcd (etcd_request_duration_seconds), in the mean over what came between two looks at its metrics: below 10 ms is normal, above 100 ms abnormal. Where too few requests came between them it is the mean since the server
began, which may be of the past: then the finding is only possible. If the API server is slow and
etcd is not, the reason is in the API server: its load, its admission webhooks. One check that fails ("etcd" in /readyz) means that it does not answer at all.

**What to do.** Look at the disk of etcd's members first: etcd_disk_wal_fsync_duration_seconds above 0.5 s at the 99th percentile is a disk that is too slow or is shared; then at the network between members, the size of the
database and whether it needs to be defragmented.

The metric is written in kubernetes staging/src/k8s.io/apiserver/pkg/storage/etcd3/metrics.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Control,
	Effect: diagnosis.ControlPlaneSlow,
	Run: func(p *diagnosis.Pass) {
		f, ok := slow(p, "etcd-latency", etcdMark.abnormal)
		if !ok {
			return
		}
		took, sure := taken(f)
		p.Report(diagnosis.Finding{
			Confidence: sure, Facts: []evidence.Fact{f},
			Message: fmt.Sprintf("etcd %s for a request of the API server (%s): everything that writes waits for it", took, etcdMark),
			Fixes:   look("Look at the disks and the network of etcd's members", "etcdctl endpoint status --cluster -w table; etcdctl endpoint health --cluster"),
		})
	},
}
