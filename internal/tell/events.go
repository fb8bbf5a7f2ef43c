// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/watch"
)

// An Announcer writes Kubernetes Events: the verdict of an incident in one line, on the pods and workloads that it hit.
// The name of an Event follows from what it says of what, so that writing it twice is writing it once.
type Announcer struct {
	Store    *history.Store
	Cluster  string
	Client   rest.Interface                              // of any API
	All      func(ctx context.Context) ([]string, error) // the namespaces of the cluster
	Instance string                                      // which replica it is
	Console  string                                      // the address of the console; may be empty
	Log      *slog.Logger
	Now      func() time.Time

	known   map[string]bool // names that were written
	uids    map[evidence.Ref]types.UID
	refused map[string]time.Time // names that were not taken, and when they are tried again
	warned  time.Time            // when it was last said that some are refused
	spaces  map[string]bool      // namespaces whose names are not for readers of others; nil: not asked for yet
}

const (
	// announcing is how often is looked for incidents that changed.
	announcing = 10 * time.Second
	// mostAnnounced is how many pods of an incident have an Event, and how many Events are written in one look.
	mostAnnounced = 25
	mostWritten   = 100
	// hold is how old a death is before it is announced: its verdict is settled by then.
	hold = 10 * time.Second
	// fresh is how long ago an incident had its last death, at most, to be announced by a program that has just started.
	fresh = 30 * time.Minute
	// again is after how long what was refused is tried again, and told of again.
	again = 10 * time.Minute
	// mostKnown bounds what is remembered.
	mostKnown = 20_000
)

// Run announces until the context ends.
func (a *Announcer) Run(ctx context.Context) error {
	tick := time.NewTicker(announcing)
	defer tick.Stop()
	for {
		if err := a.look(ctx); err != nil && ctx.Err() == nil {
			a.warn(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// warn tells of a refusal now and then: there is one for each Event until somebody does something about it.
func (a *Announcer) warn(err error) {
	if !isRefusal(err) {
		a.Log.Warn("Events were not written", "err", err)
		return
	}
	if now := a.Now(); !now.Before(a.warned) {
		a.warned = now.Add(again)
		a.Log.Warn("Events are refused: bind the role of deploy/rbac/events.yaml, or look for a quota or a webhook that keeps them out", "err", err)
	}
}

// look writes the Events that are not there yet.
func (a *Announcer) look(ctx context.Context) error {
	if a.known == nil || len(a.known) > mostKnown {
		a.known = map[string]bool{}
	}
	if a.refused == nil || len(a.refused) > mostKnown {
		a.refused = map[string]time.Time{}
	}
	a.uids, a.spaces = map[evidence.Ref]types.UID{}, nil // of this look: an object of the same name may be another the next time
	page, err := a.Store.Incidents(ctx, history.Filter{
		Cluster: a.Cluster, From: a.Now().Add(-fresh), States: []history.State{history.StateOpen, history.StateQuiet}, Limit: 200,
	})
	if err != nil {
		return err
	}
	left := mostWritten
	var refused error
	for i := range page.Items {
		n, err := a.announce(ctx, &page.Items[i], left)
		if err != nil && !isRefusal(err) {
			return err
		}
		refused = cmp.Or(refused, err)
		if left -= n; left <= 0 {
			break
		}
	}
	return refused
}

// isRefusal tells whether the API server did not take an Event for what that is, or for where: by a quota, a webhook, a role. Others
// it takes.
func isRefusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// A mention is an Event to be written.
type mention struct {
	of   evidence.Ref
	uid  types.UID
	said string // before names of others are hidden in it
	key  string
}

// announce writes at most so many Events of an incident, and returns how many it tried. That some were refused is told when the others
// are written; these are tried again.
func (a *Announcer) announce(ctx context.Context, in *history.Incident, most int) (int, error) {
	page, err := a.Store.Deaths(ctx, history.Filter{Incident: in.ID, Limit: 200})
	if err != nil {
		return 0, err
	}
	all, err := a.mentions(ctx, in, page.Items)
	if err != nil {
		return 0, err
	}
	written := 0
	var refused error
	for _, m := range all {
		if written >= most {
			break
		}
		name := nameOf(m)
		if a.known[name] || a.Now().Before(a.refused[name]) {
			continue
		}
		if m.uid == "" {
			if m.uid, err = a.uid(ctx, m.of); err != nil {
				return written, err
			}
		}
		if m.uid != "" {
			written++
			if err := a.write(ctx, in, &m, name); isRefusal(err) {
				refused, a.refused[name] = cmp.Or(refused, err), a.Now().Add(again)
				continue
			} else if err != nil {
				return written, err
			}
		}
		a.known[name] = true
		delete(a.refused, name)
	}
	return written, refused
}

// mentions are what there is to say of an incident: on each pod its own verdict, on each workload that of the incident as far as its
// namespace goes, again when it grew there by a mark.
func (a *Announcer) mentions(ctx context.Context, in *history.Incident, deaths []history.Death) ([]mention, error) {
	var all []mention
	var workloads, pods []evidence.Ref
	for i := range deaths {
		d := &deaths[i]
		if d.Verdict == nil || !d.Verdict.Settled && a.Now().Sub(d.Seen) < hold {
			continue
		}
		of := d.Of.Object()
		if !slices.Contains(pods, of) && len(pods) < mostAnnounced && of.Kind == "Pod" && of.Namespace != "" { // else it is a node
			pods = append(pods, of)
			all = append(all, mention{of, types.UID(d.PodUID), saidOf(d), fmt.Sprintf("%s/%d/%s", in.ID, in.Reopened, d.PodUID)})
		}
		if w := d.Workload; w.Kind != "" && w.Kind != "Pod" && !slices.Contains(workloads, w) && len(workloads) < mostAnnounced {
			workloads = append(workloads, w)
			own, err := a.shareOf(ctx, in, w.Namespace)
			if err != nil {
				return nil, err
			}
			said := fmt.Sprintf("%s (%s in %s)", own.Title, report.Plural(own.Deaths, "death"), report.Plural(own.Pods, "pod"))
			all = append(all, mention{w, "", said, fmt.Sprintf("%s/%d/%d/%s/%s/%s", in.ID, in.Reopened, history.MarkOf(own.Pods), w.Kind, w.Namespace, w.Name)})
		}
	}
	return all, nil
}

func nameOf(m mention) string {
	sum := sha256.Sum256([]byte(m.key))
	return strings.TrimRight(m.of.Name[:min(len(m.of.Name), 200)], "-.") + "." + hex.EncodeToString(sum[:8])
}

// plural are the workloads that an Event can be on, as paths have them.
var plural = map[string]string{
	"Deployment": "apis/apps/v1/namespaces/%s/deployments/%s", "StatefulSet": "apis/apps/v1/namespaces/%s/statefulsets/%s",
	"DaemonSet": "apis/apps/v1/namespaces/%s/daemonsets/%s", "ReplicaSet": "apis/apps/v1/namespaces/%s/replicasets/%s",
	"Job": "apis/batch/v1/namespaces/%s/jobs/%s", "CronJob": "apis/batch/v1/namespaces/%s/cronjobs/%s",
	"ReplicationController": "api/v1/namespaces/%s/replicationcontrollers/%s",
}

// apiVersion of a workload.
func apiVersion(kind string) string {
	switch kind {
	case "Job", "CronJob":
		return "batch/v1"
	case "Pod", "ReplicationController":
		return "v1"
	}
	return "apps/v1"
}

// uid asks for the UID of a workload, by which kubectl describe finds its Events; "" where it is of another kind or gone.
func (a *Announcer) uid(ctx context.Context, of evidence.Ref) (types.UID, error) {
	if uid, found := a.uids[of]; found {
		return uid, nil
	}
	path := plural[of.Kind]
	if path == "" {
		return "", nil
	}
	data, err := a.Client.Get().AbsPath(fmt.Sprintf(path, of.Namespace, of.Name)).SetHeader("Accept", "application/json").DoRaw(ctx)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", of, err)
	}
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(data, &o); err != nil {
		return "", fmt.Errorf("read %s: %w", of, err)
	}
	a.uids[of] = o.UID
	return o.UID, nil
}

// write creates an Event. That it is there already, or that its namespace ends, is well.
func (a *Announcer) write(ctx context.Context, in *history.Incident, m *mention, name string) error {
	note, err := a.note(ctx, in, m)
	if err != nil {
		return err
	}
	reason := "Inquest"
	if in.Rule != "" {
		reason += in.Rule
	}
	event := eventsv1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: "events.k8s.io/v1", Kind: "Event"},
		ObjectMeta:          metav1.ObjectMeta{Name: name, Namespace: m.of.Namespace},
		EventTime:           metav1.NewMicroTime(a.Now()),
		ReportingController: watch.Reporter, ReportingInstance: line(a.Instance, 100),
		Action: "Diagnosing", Reason: line(reason, 100), Type: corev1.EventTypeWarning, Note: note,
		Regarding: corev1.ObjectReference{Kind: m.of.Kind, APIVersion: apiVersion(m.of.Kind), Namespace: m.of.Namespace, Name: m.of.Name, UID: m.uid},
	}
	data, err := json.Marshal(&event)
	if err != nil {
		return fmt.Errorf("write an Event on %s: %w", m.of, err)
	}
	err = a.Client.Post().AbsPath("apis/events.k8s.io/v1/namespaces/"+m.of.Namespace+"/events").
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(data).Do(ctx).Error() // DoRaw loses why
	switch {
	case err == nil, apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil
	}
	return fmt.Errorf("write an Event on %s: %w", m.of, err)
}
