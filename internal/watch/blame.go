// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// blame gives verdicts whose cause is in another pod what is on record of that one, so that both are one incident: its log, which is read
// where it is looked at itself, says more than its status here.
func (r *Recorder) blame(ctx context.Context, s *evidence.Snapshot, deaths []unsettled) {
	for _, d := range deaths {
		if o := s.Object(d.about); o != nil && d.about.Kind == "Pod" && d.about.Object() != d.Of.Object() {
			r.blameOn(ctx, d.about, o.GetUID(), d.Verdict)
		}
	}
}

func (r *Recorder) blameOn(ctx context.Context, about evidence.Ref, uid types.UID, v *history.Verdict) {
	page, err := r.Store.Deaths(ctx, history.Filter{Cluster: r.Cluster, Pod: string(uid), From: r.Now().Add(-time.Hour), Limit: 20})
	if err != nil {
		return // its own words will do
	}
	for _, d := range page.Items {
		if own := d.Verdict; own != nil && own.Settled && own.Rule != "" && (about.Container == "" || d.Of.Container == about.Container) {
			v.Rule, v.Confidence, v.Message, v.Names, v.Thing = own.Rule, own.Confidence, own.Message, own.Names, own.Thing
			return
		}
	}
}
