// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// unfit says why a fix cannot be applied to whatever object, or returns nil.
func unfit(p *Proposal) *Refusal {
	fix := &p.Fix
	switch {
	case fix.Patch == nil && fix.Command != "":
		return refuse(NoPatch, "only a person can carry this fix of %s out; this begins it: %s", concerned(p), fix.Command)
	case fix.Patch == nil:
		return refuse(NoPatch, "there is no patch for this fix of %s, and a person has to carry it out: %s; then watch whether it helps with inquest verify", concerned(p), fix.Title)
	case kinds[fix.Patch.Target.Kind].empty == nil:
		return refuse(Unknown, "fixes do not change objects of kind %s: apply the patch by hand", fix.Patch.Target.Kind)
	case strings.Contains(fix.Patch.Data, mask):
		return refuse(Masked, "the patch of %s repeats a value that was masked as a secret, and would write the mask: apply it by hand, with the value", named(fix.Patch.Target))
	}
	return nil
}

// concerned names what a fix without a patch is about: the thing, and the field of it that the finding stands on.
func concerned(p *Proposal) string {
	f := p.Finding
	if f == nil {
		return "an object that is not named"
	}
	what := named(f.About.Object())
	if f.About.Object().Kind == "" {
		what = "the cluster"
	}
	for i := range f.Facts {
		if fact := &f.Facts[i]; fact.Source == evidence.FromSpec && fact.Where != "" {
			at := fact.Where
			if about := fact.About.Object(); about.Kind != "" && about != f.About.Object() {
				at += " of " + named(about)
			}
			return what + " (" + at + ")"
		}
	}
	return what
}

// guard says why a plan may not be applied to the object as it is, before the API server is asked what it would make of it.
func (c *Cluster) guard(ctx context.Context, plan *Plan, most diagnosis.Risk) *Refusal {
	target := plan.Fix.Patch.Target
	if refusal := c.stale(plan); refusal != nil {
		return refusal
	}
	if plan.Live.GetDeletionTimestamp() != nil {
		return refuse(Gone, "%s is being deleted", named(target))
	}
	if owner, owned := c.ownerOf(ctx, plan); owned {
		return ownedBy(target, owner)
	}
	if plan.Fix.Risk > most {
		return refuse(TooRisky, "its risk is %s and --max-risk allows %s", plan.Fix.Risk, most)
	}
	return nil
}

// stale says how an object differs from what the diagnosis saw. One that was not seen is as it was when the plan was made, which the act
// holds for.
func (c *Cluster) stale(plan *Plan) *Refusal {
	target, seen, live := plan.Fix.Patch.Target, plan.Seen, plan.Live
	switch {
	case seen == nil:
		return nil
	case seen.GetUID() != "" && seen.GetUID() != live.GetUID():
		return refuse(Recreated, "%s was deleted and made again since it was diagnosed: ask again", named(target))
	case seen.GetResourceVersion() != "" && seen.GetResourceVersion() == live.GetResourceVersion():
		return nil
	case seen.GetGeneration() != live.GetGeneration():
		return refuse(Stale, "%s has changed since it was diagnosed (generation %d, now %d): ask again", named(target), seen.GetGeneration(), live.GetGeneration())
	case live.GetGeneration() == 0 && !c.asSeen(seen, live):
		// Services, claims, quotas, autoscalers and classes have no generation, and whoever keeps their status moves the resource version.
		return refuse(Stale, "%s has changed since it was diagnosed: ask again", named(target))
	}
	return nil
}

// asSeen tells whether two states of an object, the one by its Go type, differ in nothing that a person has set and that may be shown.
func (c *Cluster) asSeen(seen evidence.Object, live *unstructured.Unstructured) bool {
	old := asRead(seen)
	if old == nil {
		return false
	}
	a, errA := c.shown(old)
	b, errB := c.shown(live)
	return errA == nil && errB == nil && equality.Semantic.DeepEqual(a, b)
}

func ownedBy(target evidence.Ref, o Owner) *Refusal {
	return refuse(Owned, "%s would put the old value of %s back: change it %s instead, for which --output-dir writes what it can", o, named(target), o.place())
}

// barren says why a plan may not be applied, from what the API server made of it.
func barren(plan *Plan, before, after evidence.Object) *Refusal {
	target := plan.Fix.Patch.Target
	if same(plan.Live, plan.Would) {
		return refuse(Nothing, "the fix would change nothing: %s is so already", named(target))
	}
	old, ok := before.(*appsv1.Deployment)
	if now, is := after.(*appsv1.Deployment); ok && is && now.Spec.Paused && !reflect.DeepEqual(old.Spec.Template, now.Spec.Template) {
		return refuse(Paused, "%s is paused, so that nothing would come of the change: let it go on first (kubectl -n %s rollout resume %s)", named(target), target.Namespace, target)
	}
	return nil
}

// same tells whether two states of an object differ in nothing that a person has set.
func same(a, b *unstructured.Unstructured) bool {
	return reflect.DeepEqual(settled(a).Object, settled(b).Object)
}
