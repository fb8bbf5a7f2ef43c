// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// PlanUndo plans to put the object of an act back as it was before. What keeps it from being done, as that what the act has set is not so
// any more, is in the plan.
func (c *Cluster) PlanUndo(ctx context.Context, of *Record) (*Plan, error) {
	target := of.Object.Ref()
	plan := &Plan{Undoes: of}
	plan.Fix = diagnosis.Fix{Title: "Undo: " + of.Title, Risk: diagnosis.Restart, Patch: &diagnosis.Patch{Target: target, Type: diagnosis.JSONPatch}}
	switch {
	case of.Undo.Never != "":
		plan.Refused = refuse(Unknown, "%s cannot be undone: %s", of.ID, of.Undo.Never)
		return plan, nil
	case of.State == Failed || len(of.Undo.Patch) == 0 || kinds[target.Kind].empty == nil:
		plan.Refused = refuse(Nothing, "%s changed nothing, so there is nothing to undo", of.ID)
		return plan, nil
	}
	data, err := json.Marshal(of.Undo.Patch)
	if err != nil {
		return nil, fmt.Errorf("undo %s: %w", of.ID, err)
	}
	plan.Fix.Patch.Data = string(data)
	plan.Live, err = c.of(target).Get(ctx, target.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		plan.Refused = refuse(Gone, "%s is not there any more: nothing was undone", named(target))
		return plan, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", named(target), err)
	}
	if plan.Refused = c.guardUndo(ctx, plan); plan.Refused != nil {
		return plan, nil
	}
	err = c.try(ctx, plan)
	plan.Refuted = nil // it is no cure
	return plan, err
}

// guardUndo says why an act may not be undone, from its object as it is.
func (c *Cluster) guardUndo(ctx context.Context, plan *Plan) *Refusal {
	of, target := plan.Undoes, plan.Fix.Patch.Target
	if string(plan.Live.GetUID()) != of.Object.UID {
		return refuse(Recreated, "%s was deleted and made again since %s: nothing was undone", named(target), of.ID)
	}
	if plan.Live.GetDeletionTimestamp() != nil {
		return refuse(Gone, "%s is being deleted: nothing was undone", named(target))
	}
	if path, _ := strays(plan.Live.Object, of.Undo.Patch); path != "" {
		by := ""
		if name := writerOf(plan.Live, path); name != "" {
			by = " (" + name + " wrote it)"
		}
		return refuse(Changed, "%s of %s is not so any more as %s has set it%s%s: nothing was undone", path, named(target), of.ID, by, orNever(of))
	}
	if owner, owned := c.ownerOf(ctx, plan); owned {
		return refuse(Owned, "%s sets this of %s now, and would put back what is undone: change it %s instead; nothing was undone", owner, named(target), owner.place())
	}
	return nil
}

// orNever is said of an act that may not have been carried out.
func orNever(of *Record) string {
	if of.State == Applied {
		return ""
	}
	return ", or was never set"
}

// Undo puts the object of an act back as it was before, if what the act has set is still so. Its act leaves an Event and a
// record of its own.
func (c *Cluster) Undo(ctx context.Context, of *Record, journal *Journal) (done *Record, notice string, err error) {
	plan, err := c.PlanUndo(ctx, of)
	if err != nil {
		return nil, "", err
	}
	return c.Apply(ctx, plan, journal)
}
