// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// A Proposal is a fix with the finding that it is to remedy.
type Proposal struct {
	Finding *diagnosis.Finding
	Fix     diagnosis.Fix
	Seen    evidence.Object // what the fix changes, as the diagnosis saw it; nil where it did not
	Lived   time.Duration   // the longest that an attempt lived which ended as the finding says; 0: none is known
}

// A Plan is all there is to know of a fix before it is applied.
type Plan struct {
	Proposal
	Live     *unstructured.Unstructured // the object as it is; nil where no cluster was asked
	Would    *unstructured.Unstructured // as the API server would make it; nil where that could not be asked
	Diff     []string                   // lines of a unified diff, secrets masked, not escaped
	Restarts []string                   // sentences: what restarts, and how much of it at once
	Refuted  []string                   // what would show that the fix is wrong
	Undo     Undo
	Owner    Owner    // who would put the old value back; zero: nobody
	Git      Git      // where the owner has it from, as far as that could be read
	Undoes   *Record  // the act that it takes back; nil: it is a fix
	Warned   []string // what else to know before it is applied
	Refused  *Refusal // why it may not be applied; nil: it may

	told Undo // the undo with secrets masked
}

// A Refusal is why a fix is not applied.
type Refusal struct {
	Because Reason
	Why     string // a sentence that names the thing and the remedy
}

// A RefusedError is a refusal as the error of who asked for an act.
type RefusedError struct{ Refusal }

// Error says why, in a sentence that names the thing and the remedy.
func (e *RefusedError) Error() string { return e.Why }

func (r *Refusal) err() error { return &RefusedError{*r} }

// A Reason is the kind of a refusal.
type Reason string

// The reasons.
const (
	NoPatch   Reason = "no-patch"   // only a person can carry it out
	Unknown   Reason = "unknown"    // not of a kind that fixes change
	Gone      Reason = "gone"       // the object is not there, or is being deleted
	Recreated Reason = "recreated"  // it is another object of the same name
	Stale     Reason = "stale"      // it has changed since the diagnosis
	Changed   Reason = "changed"    // it has changed since the plan
	Forbidden Reason = "forbidden"  // whoever asks may not
	Paused    Reason = "paused"     // its rollout is paused, so that nothing would come of it
	Owned     Reason = "owned"      // somebody would put the old value back
	Masked    Reason = "masked"     // the patch has a masked secret in place of the secret
	TooRisky  Reason = "too-risky"  // it disturbs more than was allowed
	Nothing   Reason = "nothing"    // it would change nothing
	Rejected  Reason = "rejected"   // the API server refused the dry run
	NoCluster Reason = "no-cluster" // the evidence is a recording
)

func refuse(why Reason, format string, args ...any) *Refusal {
	return &Refusal{why, fmt.Sprintf(format, args...)}
}

// Offline returns the plan of a fix to an object that was recorded: what the patch makes of it, and no more.
func Offline(p Proposal) (*Plan, error) {
	plan := &Plan{Proposal: p, Refuted: refutation(p, nil)}
	if plan.Refused = unfit(&p); plan.Refused != nil {
		return plan, nil
	}
	plan.Refused = refuse(NoCluster, "the evidence is a recording: ask the cluster itself to apply the fix, or take the patch")
	if recorded := asRead(p.Seen); recorded != nil { // whoever takes the patch is to know, too
		if o, owned := OwnerOf(recorded, p.Fix.Patch); owned {
			plan.Owner, plan.Refused = o, ownedBy(p.Fix.Patch.Target, o)
		} else {
			plan.Warned = doubts(recorded)
		}
	}
	return plan, plan.locally()
}

// asRead returns an object of the evidence as an API server gives it; nil where there is none.
func asRead(seen evidence.Object) *unstructured.Unstructured {
	if seen == nil {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(seen)
	if err != nil {
		return nil // cannot happen: it was read
	}
	u, ref := &unstructured.Unstructured{Object: fields}, evidence.RefOf(seen)
	u.SetKind(ref.Kind)
	u.SetAPIVersion(kinds[ref.Kind].resource.GroupVersion().String())
	return u
}

// Own names in a report who would put back what its fixes change, by the objects that it was made of.
func Own(s *evidence.Snapshot, causes []report.Cause) {
	for i := range causes {
		for j := range causes[i].Fixes {
			OwnFix(s, &causes[i].Fixes[j])
		}
		Own(s, causes[i].Leads)
	}
}

// OwnFix does so in one fix, which may be nil.
func OwnFix(s *evidence.Snapshot, f *report.Fix) {
	if f == nil || f.Patch == nil {
		return
	}
	target := evidence.RefTo(f.Patch.Target.Kind, f.Patch.Target.Namespace, f.Patch.Target.Name)
	recorded := asRead(s.Object(target))
	if recorded == nil {
		return
	}
	if o, owned := OwnerOf(recorded, &diagnosis.Patch{Target: target, Type: diagnosis.PatchType(f.Patch.Type), Data: f.Patch.Data}); owned {
		f.Owner = o.String()
	}
}

// locally makes the diff from the object that the diagnosis saw.
func (plan *Plan) locally() error {
	if plan.Seen == nil {
		return nil
	}
	patch := plan.Fix.Patch
	after, err := (&report.Patch{Type: string(patch.Type), Data: patch.Data}).Apply(plan.Seen)
	if err != nil {
		return fmt.Errorf("patch %s: %w", named(patch.Target), err)
	}
	plan.Restarts, plan.Refuted = restarts(plan.Seen, after, nil), refutation(plan.Proposal, after)
	plan.Diff, err = report.Diff(plan.Seen, after)
	return err
}

// Plan asks the cluster what a fix would do to it, and writes nothing. What keeps it from being applied is in the plan;
// an error says that nothing could be planned. Most is the risk that is accepted.
func (c *Cluster) Plan(ctx context.Context, p Proposal, most diagnosis.Risk) (*Plan, error) {
	plan := &Plan{Proposal: p}
	if plan.Refused = unfit(&p); plan.Refused != nil {
		plan.Refuted = refutation(p, nil)
		return plan, nil
	}
	target := p.Fix.Patch.Target
	live, err := c.of(target).Get(ctx, target.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		plan.Refused = refuse(Gone, "%s is not there any more: ask again", named(target))
		return plan, nil
	case apierrors.IsForbidden(err):
		plan.Refused = refuse(Forbidden, "%s may not be read by this user, so that no change of it can be shown: ask for the role inquest-reader", named(target))
		return plan, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", named(target), err)
	}
	plan.Live = live
	plan.Refused = c.guard(ctx, plan, most)
	c.locate(ctx, plan)
	return plan, c.try(ctx, plan)
}

// try has the API server answer what it would make of the patch, and fills in what follows from the answer.
func (c *Cluster) try(ctx context.Context, plan *Plan) error {
	target := plan.Fix.Patch.Target
	allowed, err := c.may(ctx, "patch", target)
	if err != nil {
		return err
	}
	if !allowed {
		if plan.Refused == nil {
			plan.Refused = forbidden(target)
		}
		return plan.locally()
	}
	if plan.Would, err = c.patch(ctx, plan.Fix.Patch, metav1.PatchOptions{FieldManager: Manager, DryRun: []string{metav1.DryRunAll}}); err != nil {
		return plan.rejected(err)
	}
	before, err := c.shown(plan.Live)
	if err != nil {
		return err
	}
	after, err := c.shown(plan.Would)
	if err != nil {
		return err
	}
	if plan.Diff, err = report.Diff(before, after); err != nil {
		return fmt.Errorf("compare %s: %w", named(target), err)
	}
	plan.Warned = append(plan.Warned, unshown(plan, before, after)...)
	plan.Undo = undo(plan.Live, plan.Would)
	plan.told = undoOf(before, after)
	plan.Restarts = restarts(before, after, c.budgets(ctx, target.Namespace))
	plan.Refuted = refutation(plan.Proposal, after)
	if plan.Refused == nil {
		plan.Refused = barren(plan, before, after)
	}
	return nil
}

func forbidden(target evidence.Ref) *Refusal {
	return refuse(Forbidden, "this user may not patch %s: ask for the role %s of deploy/rbac/fix.yaml, or give the patch to somebody who may", named(target), Role(target.Kind))
}

// rejected makes a refusal of what the API server answered to a dry run.
func (plan *Plan) rejected(err error) error {
	target := plan.Fix.Patch.Target
	var status apierrors.APIStatus
	switch {
	case !errors.As(err, &status), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("dry run of the patch of %s: %w", named(target), err)
	case plan.Refused != nil: // what was found before comes first
	case plan.Undoes != nil: // what the act has set was so a moment ago
		plan.Refused = refuse(Rejected, "the API server refused the dry run of taking %s back, so nothing was undone in %s: %s", plan.Undoes.ID, named(target), words(err))
	default:
		plan.Refused = refuse(Rejected, "the API server refused the dry run, so the fix is not applied as it stands: %s", words(err))
	}
	return plan.locally()
}

// patch sends a patch.
func (c *Cluster) patch(ctx context.Context, p *diagnosis.Patch, o metav1.PatchOptions) (*unstructured.Unstructured, error) {
	form := types.StrategicMergePatchType
	if p.Type == diagnosis.JSONPatch {
		form = types.JSONPatchType
	}
	return c.of(p.Target).Patch(ctx, p.Target.Name, form, []byte(p.Data), o)
}

// refutation says what would show that the fix is wrong.
func refutation(p Proposal, after evidence.Object) []string {
	var all []string
	if f := p.Finding; f != nil && f.Rule != nil {
		again := fmt.Sprintf("%s once more (%s) after it", f.Rule.ID, strings.ToLower(f.Rule.Title[:1])+f.Rule.Title[1:])
		if p.Lived > 0 {
			again += fmt.Sprintf(": earlier attempts lived for %s at most", round(p.Lived))
		}
		all = append(all, again)
		for _, fact := range f.Against {
			all = append(all, "what speaks against the cause already: "+fact.Text)
		}
	}
	if after != nil {
		all = append(all, "a rollout that does not complete, or another death of a new pod")
	}
	return all
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// Report returns the plan as it is shown. Subject is what was asked about, number that of the fix.
func (plan *Plan) Report(subject evidence.Ref, number int, others []report.Option) report.Plan {
	fix := report.NewFix(&plan.Fix)
	r := report.Plan{
		Subject: report.ThingOf(subject), Number: number, Fix: fix, DryRun: "none", Diff: plan.Diff,
		Restarts: plan.Restarts, Refuted: plan.Refuted, NoUndo: plan.Undo.Never, Owner: plan.Owner.String(), Warned: plan.Warned, Others: others,
	}
	if plan.Undoes != nil {
		r.Undoes = plan.Undoes.ID
	}
	if f := plan.Finding; f != nil {
		r.Cause = report.Claim{Rule: f.Rule.ID, Confidence: f.Confidence.String(), About: report.ThingOf(f.About), Message: f.Message}
	}
	if len(plan.told.Patch) > 0 && r.NoUndo == "" {
		r.Undo = plan.told.Patch
	}
	if plan.Would != nil {
		r.DryRun = "accepted"
	}
	if plan.Refused != nil {
		r.Refused, r.Because = plan.Refused.Why, string(plan.Refused.Because)
		if plan.Refused.Because == Rejected {
			r.DryRun = "refused"
		}
	}
	return r
}
