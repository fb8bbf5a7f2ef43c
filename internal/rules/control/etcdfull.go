// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// EtcdFull recognises that the database of etcd is about to be full.
var EtcdFull = &diagnosis.Rule{
	ID:    "CTL012",
	Title: "etcd's database is nearly full",
	Doc: `
The database of etcd nears its quota. When that is reached, etcd raises an alarm (NOSPACE) and takes no writes: "mvcc: database space exceeded". Nothing can be changed or healed then, not even deleted.

**How it is told from its look-alikes.** By the size that the API server reports, against the quota of 2 GiB that etcd has by default; a cluster may have set more (8 GiB is the most that is advised), so this is only possible. A disk that is full stops etcd
with another error.

**What to do.** Find what fills it (Events, Leases, large ConfigMaps, custom resources), compact and defragment, raise --quota-backend-bytes, then disarm the alarm.

The metric is apiserver_storage_size_bytes; 95 % is the mark of the etcd mixin.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Control,
	Effect: diagnosis.StorageFull,
	Run: func(p *diagnosis.Pass) {
		for _, f := range measured(p, "etcd-size") {
			near2, near8 := f.Value >= fullShare*defaultQuota && f.Value <= defaultQuota*1.05, f.Value >= fullShare*4*defaultQuota
			if near2 || near8 {
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Possible, Facts: []evidence.Fact{f},
					Message: fmt.Sprintf("etcd's database has %.0f MiB and may be at its quota: no write is taken after that", f.Value/(1<<20)),
					Fixes:   look("See its quota and alarms, then compact and defragment it", "etcdctl endpoint status --cluster -w table; etcdctl alarm list; etcdctl defrag --cluster"),
				})
			}
		}
	},
}

const (
	defaultQuota = 2 << 30 // etcd's --quota-backend-bytes
	fullShare    = 0.95
)
