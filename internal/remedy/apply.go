// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// tries is how often an act is tried where only the status of its object, or nothing that a person has set, has changed.
const tries = 5

// Apply carries a plan out, if it still holds, and leaves an Event and a record. The journal is written before the object
// is, so that there is no act without one. A *RefusedError says that nothing was written to the cluster; a notice is what else
// there is to say.
func (c *Cluster) Apply(ctx context.Context, plan *Plan, journal *Journal) (done *Record, notice string, err error) {
	if plan.Refused != nil {
		return nil, "", plan.Refused.err()
	}
	record := c.record(ctx, plan)
	if err := journal.Write(record); err != nil {
		return nil, "", fmt.Errorf("%w; nothing was changed", err)
	}
	target := plan.Fix.Patch.Target
	now, err := c.write(ctx, plan.Live, plan.Fix.Patch)
	lost, wasLost := errors.AsType[*sentError](err)
	if wasLost {
		now, err = c.lookUp(ctx, plan, lost)
	}
	if lost, still := errors.AsType[*sentError](err); still {
		record.State, record.Why = Lost, err.Error()
		return nil, "", errors.Join(&LostError{record, lost.err}, journal.Write(record))
	}
	if err != nil {
		record.State, record.Why = Failed, err.Error()
		return nil, "", errors.Join(err, journal.Write(record))
	}
	record.State, record.After = Applied, now.GetResourceVersion()
	if !wasLost { // else others may have written since, whom the undo of the dry run leaves alone
		record.Undo = undo(plan.Live, now)
	}
	if by, at := lastWriter(now); by == Manager {
		record.At = at.UTC()
	}
	if err := journal.Write(record); err != nil {
		notice = fmt.Sprintf("the audit file has its undo, and not that it was applied: %v", err)
	}
	if wasLost {
		notice = join(notice, fmt.Sprintf("the answer to the change was lost (%v); %s was read again and shows it", lost, named(target)))
	}
	return record, join(notice, c.announce(ctx, now, target, record)), nil
}

// join joins what there is of two sentences.
func join(a, b string) string { return strings.TrimPrefix(strings.TrimSuffix(a+"; "+b, "; "), "; ") }

// write sends a patch for the object that was looked at, and for no other. What the status of an object says may change at
// any time; where anything else has, it is refused.
func (c *Cluster) write(ctx context.Context, looked *unstructured.Unstructured, p *diagnosis.Patch) (*unstructured.Unstructured, error) {
	var err error
	for range tries {
		var live, now *unstructured.Unstructured
		live, err = c.of(p.Target).Get(ctx, p.Target.Name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("read %s: %w", named(p.Target), err)
		}
		if refusal := moved(looked, live, err); refusal != nil {
			return nil, refusal.err()
		}
		var held *diagnosis.Patch
		if held, err = holding(p, live); err != nil {
			return nil, err
		}
		now, err = c.send(ctx, held)
		switch {
		case err == nil:
			return now, nil
		case apierrors.IsForbidden(err):
			return nil, refuse(Forbidden, "the API server forbids the change of %s: %s", named(p.Target), words(err)).err()
		case unanswered(err):
			return nil, &sentError{live.GetResourceVersion(), err}
		case !apierrors.IsConflict(err):
			return nil, fmt.Errorf("patch %s: %w", named(p.Target), err)
		}
	}
	return nil, refuse(Changed, "%s changes all the time (%d tries): nothing was changed, try again later", named(p.Target), tries).err()
}

// send sends a patch that is to be carried out.
func (c *Cluster) send(ctx context.Context, p *diagnosis.Patch) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	return c.patch(ctx, p, metav1.PatchOptions{FieldManager: Manager})
}

// moved tells why an object is not the one any more that was looked at.
func moved(looked, live *unstructured.Unstructured, err error) *Refusal {
	ref := named(refTo(looked))
	switch {
	case apierrors.IsNotFound(err):
		return refuse(Gone, "%s is not there any more: nothing was changed", ref)
	case live.GetUID() != looked.GetUID():
		return refuse(Recreated, "%s was deleted and made again meanwhile: nothing was changed, ask again", ref)
	case live.GetDeletionTimestamp() != nil:
		return refuse(Gone, "%s is being deleted: nothing was changed", ref)
	case !same(looked, live):
		by := ""
		if name, _ := lastWriter(live); name != "" {
			by = " by " + name
		}
		return refuse(Changed, "%s was changed meanwhile%s: nothing was changed, look at it again", ref, by)
	}
	return nil
}

// writerOf names the manager, other than fixes, that has set a field, else that wrote last; "" where nobody is known.
func writerOf(live *unstructured.Unstructured, path string) string {
	at := []fieldPath{follow(live.Object, path)}
	managed := live.GetManagedFields()
	name, last := "", metav1.Time{}
	for i := range managed {
		m := &managed[i]
		if m.Manager != Manager && m.Time != nil && !m.Time.Before(&last) && sets(m, at) {
			name, last = m.Manager, *m.Time
		}
	}
	if name == "" { // who takes a field away has none
		name, _ = lastWriter(live)
	}
	return name
}

// lastWriter names the manager that wrote last, the status apart, and when that was by the clock of the API server.
func lastWriter(live *unstructured.Unstructured) (name string, last metav1.Time) {
	for _, m := range live.GetManagedFields() {
		if m.Subresource == "" && m.Time != nil && !m.Time.Before(&last) {
			name, last = m.Manager, *m.Time
		}
	}
	return name, last
}

// holding returns a patch that holds for this state of the object alone: with its UID and resource version the API server
// answers a conflict where either is another (API concepts, "Resource versions").
func holding(p *diagnosis.Patch, live *unstructured.Unstructured) (*diagnosis.Patch, error) {
	held := *p
	if p.Type == diagnosis.JSONPatch {
		var ops []json.RawMessage
		if err := json.Unmarshal([]byte(p.Data), &ops); err != nil {
			return nil, fmt.Errorf("read the patch of %s: %w", named(p.Target), err)
		}
		all := []any{Op{"replace", "/metadata/uid", live.GetUID()}, Op{"replace", "/metadata/resourceVersion", live.GetResourceVersion()}}
		for _, op := range ops {
			all = append(all, op)
		}
		data, err := json.Marshal(all)
		held.Data = string(data)
		return &held, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(p.Data), &fields); err != nil {
		return nil, fmt.Errorf("read the patch of %s: %w", named(p.Target), err)
	}
	meta, ok := fields["metadata"].(map[string]any)
	if !ok {
		meta = map[string]any{}
	}
	meta["uid"], meta["resourceVersion"] = live.GetUID(), live.GetResourceVersion()
	fields["metadata"] = meta
	data, err := json.Marshal(fields)
	held.Data = string(data)
	return &held, err
}

// announce writes an Event on the object, and returns what there is to say where that could not be done.
func (c *Cluster) announce(ctx context.Context, now *unstructured.Unstructured, ref evidence.Ref, r *Record) string {
	reason, action := "InquestFixed", "Fixing"
	if r.Undoes != "" {
		reason, action = "InquestUndone", "Undoing"
	}
	namespace := ref.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where Events on objects without a namespace are
	}
	event := &eventsv1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: "events.k8s.io/v1", Kind: "Event"},
		ObjectMeta:          metav1.ObjectMeta{Name: strings.ToLower(fmt.Sprintf("%.40s.%s", ref.Name, r.ID)), Namespace: namespace},
		EventTime:           metav1.NewMicroTime(c.Now()),
		ReportingController: "kubeinquest.io/inquest", ReportingInstance: Manager,
		Action: action, Reason: reason, Type: corev1.EventTypeNormal, Note: fmt.Sprintf("%.900s (%s, %s)", r.Title, cmp.Or(r.Rule, "no rule"), r.ID),
		Regarding: corev1.ObjectReference{Kind: ref.Kind, APIVersion: now.GetAPIVersion(), Namespace: ref.Namespace, Name: ref.Name, UID: now.GetUID()},
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(event)
	if err == nil {
		_, err = c.Objects.Resource(eventsv1.SchemeGroupVersion.WithResource("events")).Namespace(namespace).Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Sprintf("no Event was left on %s: %s", named(ref), words(err))
	}
	return ""
}

// newID returns a name for an act that sorts by time.
func (c *Cluster) newID() string {
	return c.Now().UTC().Format("20060102t150405") + "-" + strings.ToLower(rand.Text()[:5])
}
