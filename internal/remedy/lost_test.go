// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A store is an API server that has one Deployment, and a line to it that fails after the change was sent.
type store struct {
	*Cluster
	plan    *Plan
	journal *Journal
}

// newStore plans to raise a limit. What the API server makes of the change is up to lose, which gets the object as it would be.
func newStore(t *testing.T, lose func(*fake.FakeDynamicClient, *unstructured.Unstructured) error) *store {
	t.Helper()
	live := ownedDeployment(t, "uid: d, resourceVersion: '7'")
	would := live.DeepCopy()
	limits := would.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	limits["resources"] = map[string]any{"limits": map[string]any{"memory": "128Mi"}}
	would.SetResourceVersion("8")
	client := fake.NewSimpleDynamicClient(scheme.Scheme, live)
	client.PrependReactor("patch", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, lose(client, would)
	})
	patch := &diagnosis.Patch{Target: evidence.RefTo("Deployment", "prod", "web"), Type: diagnosis.Strategic, Data: memory}
	return &store{
		Cluster: &Cluster{Objects: client, Mask: func(runtime.Object) int { return 0 }, Now: time.Now},
		plan:    &Plan{Proposal: Proposal{Fix: diagnosis.Fix{Title: "Raise it", Patch: patch}}, Live: live, Would: would, Undo: undo(live, would)},
		journal: &Journal{File: filepath.Join(t.TempDir(), "audit.jsonl")},
	}
}

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// keep has the API server keep an object.
func keep(client *fake.FakeDynamicClient, o *unstructured.Unstructured) error {
	return client.Tracker().Update(deployments, o, o.GetNamespace())
}

var errCut = errors.New("read tcp 10.0.0.9:6443: connection reset by peer")

// TestLostAnswer: a change whose answer was lost is looked up in the object, and its undo is kept unless it was certainly not made.
func TestLostAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		lose func(*fake.FakeDynamicClient, *unstructured.Unstructured) error
		want State
		says string
	}{
		"made": {func(c *fake.FakeDynamicClient, would *unstructured.Unstructured) error {
			return errors.Join(keep(c, would), errCut)
		}, Applied, "was read again and shows it"},
		"made late": {func(c *fake.FakeDynamicClient, would *unstructured.Unstructured) error {
			time.AfterFunc(3*time.Second, func() { _ = keep(c, would) })
			return apierrors.NewServerTimeout(deployments.GroupResource(), "patch", 1)
		}, Applied, "was read again and shows it"},
		"not made": {func(c *fake.FakeDynamicClient, would *unstructured.Unstructured) error {
			other := would.DeepCopy()
			other.Object["spec"] = map[string]any{"replicas": int64(4)}
			return errors.Join(keep(c, other), errCut)
		}, Failed, "does not have the change"},
		"not made yet": {func(*fake.FakeDynamicClient, *unstructured.Unstructured) error { return errCut }, Lost, "it is not known whether deployment/web"},
		"unreadable": {func(c *fake.FakeDynamicClient, _ *unstructured.Unstructured) error {
			c.PrependReactor("get", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errCut })
			return errCut
		}, Lost, "it could not be read again"},
		"refused": {func(*fake.FakeDynamicClient, *unstructured.Unstructured) error {
			return apierrors.NewForbidden(deployments.GroupResource(), "web", errors.New("no"))
		}, Failed, "forbids"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, test.lose)
				s.applied(t, test.want, test.says)
			})
		})
	}
}

// applied carries the plan out, and checks what is said and what the journal has.
func (s *store) applied(t *testing.T, want State, says string) {
	t.Helper()
	done, notice, err := s.Apply(t.Context(), s.plan, s.journal)
	said := notice
	if err != nil {
		said = err.Error()
	}
	if (err == nil) != (want == Applied) || !strings.Contains(said, says) {
		t.Fatalf("%+v, %q, %v", done, notice, err)
	}
	if lost, ok := errors.AsType[*LostError](err); ok {
		done = lost.Record
	}
	if done == nil {
		return
	}
	kept, err := s.journal.Find(done.ID)
	if err != nil || kept.State != want || len(kept.Undo.Patch) == 0 {
		t.Errorf("%v: the journal has %+v", err, kept)
	}
}

// TestOnce: a change is not sent a second time for an answer that leaves open whether it was made; all else is as it was.
func TestOnce(t *testing.T) {
	for _, test := range []struct {
		method string
		status int
		want   string
	}{
		{http.MethodPatch, http.StatusInternalServerError, ""},
		{http.MethodPatch, http.StatusTooManyRequests, "2"},
		{http.MethodGet, http.StatusInternalServerError, "2"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(test.status)
		}))
		client := http.Client{Transport: Once(http.DefaultTransport)}
		request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if got := answer.Header.Get("Retry-After"); got != test.want || errors.Join(err, answer.Body.Close()) != nil {
			t.Errorf("%s %d: retried after %q, want %q", test.method, test.status, got, test.want)
		}
		server.Close()
	}
}

// TestPlanUndo: an act is not taken back where its object is another, was changed since, or is somebody else's by now.
func TestPlanUndo(t *testing.T) {
	for name, test := range map[string]struct {
		metadata string // of the object now
		memory   string
		act      func(*Record)
		want     Reason
		says     string
	}{
		"made anew":   {"uid: other", "128Mi", nil, Recreated, "made again"},
		"changed":     {"uid: d, managedFields: [" + strings.Replace(managed("kubectl-edit", "Update", "", limits), "{", "{time: '2026-11-26T10:00:00Z', ", 1) + "]", "256Mi", nil, Changed, "kubectl-edit wrote it"},
		"owned":       {"uid: d, annotations: {meta.helm.sh/release-name: shop}", "128Mi", nil, Owned, "Helm release prod/shop sets this"},
		"never done":  {"uid: d", "64Mi", func(r *Record) { r.State = Lost }, Changed, "or was never set"},
		"failed":      {"uid: d", "64Mi", func(r *Record) { r.State = Failed }, Nothing, "nothing to undo"},
		"irrevocable": {"uid: d", "128Mi", func(r *Record) { r.Undo = Undo{Never: "a claim that has grown"} }, Unknown, "cannot be undone"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, nil)
			now := ownedDeployment(t, test.metadata)
			now.Object["spec"] = s.plan.Would.Object["spec"]
			limit := []string{"spec", "template", "spec", "containers"}
			containers, _, _ := unstructured.NestedSlice(now.Object, limit...)
			containers[0].(map[string]any)["resources"] = map[string]any{"limits": map[string]any{"memory": test.memory}}
			if err := unstructured.SetNestedSlice(now.Object, containers, limit...); err != nil {
				t.Fatal(err)
			}
			s.Objects = fake.NewSimpleDynamicClient(scheme.Scheme, now)
			act := s.record(t.Context(), s.plan)
			act.State = Applied
			if test.act != nil {
				test.act(act)
			}
			plan, err := s.PlanUndo(t.Context(), act)
			if err != nil || plan.Refused == nil || plan.Refused.Because != test.want || !strings.Contains(plan.Refused.Why, test.says) {
				t.Fatalf("%v: %+v", err, plan.Refused)
			}
			if _, _, err := s.Apply(t.Context(), plan, s.journal); err == nil {
				t.Error("what was refused is done")
			}
		})
	}
	s := newStore(t, nil)
	s.Objects = fake.NewSimpleDynamicClient(scheme.Scheme)
	act := s.record(t.Context(), s.plan)
	act.At, act.State = metav1.Now().UTC(), Applied
	if plan, err := s.PlanUndo(t.Context(), act); err != nil || plan.Refused == nil || plan.Refused.Because != Gone {
		t.Errorf("of nothing: %v, %+v", err, plan)
	}
}

// TestUndoRejected: an undo that the API server does not take is told by its words, and not as if somebody had changed the object.
func TestUndoRejected(t *testing.T) {
	s := newStore(t, nil)
	client := fake.NewSimpleDynamicClient(scheme.Scheme, s.plan.Would)
	client.PrependReactor("create", "selfsubjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"allowed": true}}}, nil
	})
	client.PrependReactor("patch", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(deployments.GroupResource(), "web", errors.New("a policy wants more than 64Mi"))
	})
	s.Objects = client
	act := s.record(t.Context(), s.plan)
	act.State = Applied
	plan, err := s.PlanUndo(t.Context(), act)
	if err != nil || plan.Refused == nil || plan.Refused.Because != Rejected {
		t.Fatalf("%v: %+v", err, plan)
	}
	if why := plan.Refused.Why; !strings.Contains(why, "a policy wants more than 64Mi") || !strings.Contains(why, "nothing was undone") || strings.Contains(why, "not so any more") {
		t.Error(why)
	}
}
