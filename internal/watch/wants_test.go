// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
)

// unmade says of a workload or claim by its annotation what is wrong with it.
func unmade(id string, effect diagnosis.Effect, scope diagnosis.Scope) *diagnosis.Rule {
	return &diagnosis.Rule{
		ID: id, Title: "It is " + string(effect), Scope: scope, Stage: diagnosis.Stable, Needs: evidence.Status, Effect: effect,
		Run: func(p *diagnosis.Pass) {
			if o := p.Object(p.About()); o != nil && o.GetAnnotations()["is"] == string(effect) {
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Possible, Message: p.About().Name + " is " + string(effect),
					Facts: []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status", Text: string(effect)}},
				})
			}
		},
	}
}

var unmades = []*diagnosis.Rule{
	unmade("TST002", diagnosis.NotAdmitted, diagnosis.Workload), unmade("TST003", diagnosis.Unavailable, diagnosis.Workload),
	unmade("TST004", diagnosis.VolumeFailed, diagnosis.Claim), unmade("TST005", diagnosis.RolledOut, diagnosis.Workload),
	unmade("TST006", diagnosis.StuckTerminating, diagnosis.Node),
}

// being sets what is wrong with a workload, a claim or what an autoscaler scales.
func (w *world) being(kind, name string, is diagnosis.Effect) {
	meta := metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(kind + name), Annotations: map[string]string{"is": string(is)}}
	switch kind {
	case "PersistentVolumeClaim":
		w.set("workloads", &corev1.PersistentVolumeClaim{ObjectMeta: meta})
		return
	case "HorizontalPodAutoscaler":
		target := autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: name}
		w.set("horizontalpodautoscalers", &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: target}})
	}
	w.set("workloads", &appsv1.Deployment{ObjectMeta: meta})
}

// says has an Event of a thing told.
func (w *world) says(of, kind, reason string, count int32) {
	about, name, _ := strings.Cut(of, "/")
	w.set("events", &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: strings.ToLower(about) + "." + name},
		InvolvedObject: corev1.ObjectReference{Kind: about, Namespace: "shop", Name: name}, Reason: reason, Type: kind, Count: count,
		FirstTimestamp: metav1.NewTime(time.Now().Add(-time.Minute)), LastTimestamp: metav1.NewTime(time.Now()),
	})
}

// TestRecorderLacksPods holds that a workload whose pods cannot be created is an incident, one for as long as that lasts, and that one which
// got its pods meanwhile is none.
func TestRecorderLacksPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Rules = append(r.Rules, unmades...)
		defer start(t, r)()
		fails := func(kind, name string) { w.says(kind+"/"+name, corev1.EventTypeWarning, "FailedCreate", 1) }
		w.being("Deployment", "web", diagnosis.NotAdmitted)
		fails("ReplicaSet", "web-5d4f7c9bbd")
		fails("ReplicaSet", "gone-5d4f7c9bbd")
		fails("ReplicaSet", "alone")
		passes(3 * time.Minute)
		want := []string{"TST002 deployment/web: 1 deaths of 1 pods"}
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("what cannot be created (-want +got):\n%s", diff)
		}
		before := w.captures()
		for range 8 { // it says so again and again
			fails("ReplicaSet", "web-5d4f7c9bbd")
			passes(20 * time.Second)
		}
		if n := w.captures() - before; n > 1 {
			t.Errorf("%d looks while it is looked at anyway", n)
		}
		w.being("Deployment", "stopped", diagnosis.Unavailable)
		fails("ReplicaSet", "stopped-5d4f7c9bbd")
		w.being("Deployment", "well", diagnosis.NotAdmitted)
		fails("ReplicaSet", "well-5d4f7c9bbd")
		w.being("Deployment", "well", "")
		passes(20 * time.Minute)
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("later (-want +got):\n%s", diff)
		}
	})
}

// TestRecorderComplaints holds of what Events have a thing looked at that has no pods of its own, or whose pods are well.
func TestRecorderComplaints(t *testing.T) {
	for _, tt := range []struct {
		name, of, kind, reason string
		count                  int32
		is                     diagnosis.Effect
		want                   []string
	}{
		{"a claim that gets no volume", "PersistentVolumeClaim/data", "Warning", "ProvisioningFailed", 1, diagnosis.VolumeFailed, []string{"TST004 persistentvolumeclaim/data: 1 deaths of 1 pods"}},
		{"a claim that waits for its consumer", "PersistentVolumeClaim/data", "Normal", "WaitForFirstConsumer", 9, diagnosis.VolumeFailed, nil},
		{"scaled to and fro", "Deployment/web", "Normal", "ScalingReplicaSet", 3, diagnosis.RolledOut, []string{"TST005 deployment/web: 1 deaths of 1 pods"}},
		{"scaled", "Deployment/web", "Normal", "ScalingReplicaSet", 2, diagnosis.RolledOut, nil},
		{"an autoscaler that cannot create", "HorizontalPodAutoscaler/web", "Warning", "FailedGetScale", 1, diagnosis.NotAdmitted, []string{"TST002 deployment/web: 1 deaths of 1 pods"}},
		{"an autoscaler of what somebody stopped", "HorizontalPodAutoscaler/web", "Warning", "FailedGetScale", 1, diagnosis.Unavailable, nil},
		{"nobody's business", "Service/web", "Warning", "SyncLoadBalancerFailed", 1, diagnosis.NotAdmitted, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				r := recorderOf(t, w)
				r.Rules = unmades
				defer start(t, r)()
				about, name, _ := strings.Cut(tt.of, "/")
				w.being(about, name, tt.is)
				w.says(tt.of, tt.kind, tt.reason, tt.count)
				passes(8 * time.Minute)
				if diff := cmp.Diff(tt.want, incidents(t, r)); diff != "" {
					t.Error(diff)
				}
				if n := w.captures(); (n > 0) != (tt.want != nil || tt.kind == "Warning" && about != "Service") {
					t.Errorf("it was looked at %d times", n)
				}
			})
		})
	}
}

// TestRecorderItself holds that what inquest says of a workload in an Event has that not looked at again.
func TestRecorderItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Rules = unmades
		defer start(t, r)()
		w.being("Deployment", "web", diagnosis.NotAdmitted)
		w.set("events", &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: "web.1"},
			InvolvedObject: corev1.ObjectReference{Kind: "Deployment", Namespace: "shop", Name: "web"}, Type: corev1.EventTypeWarning, Reason: "InquestTST002",
			ReportingController: Reporter, EventTime: metav1.NewMicroTime(time.Now()),
		})
		passes(2 * time.Minute)
		if n := w.captures(); n > 0 {
			t.Errorf("it was looked at %d times", n)
		}
	})
}

// TestRecorderClosedNode holds that a node which is closed is an incident only where somebody cannot empty it.
func TestRecorderClosedNode(t *testing.T) {
	for is, want := range map[diagnosis.Effect][]string{
		diagnosis.StuckTerminating: {"TST006 node/n1: 1 deaths of 1 pods"}, diagnosis.RolledOut: nil, "": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			r := recorderOf(t, w)
			r.Rules = unmades
			defer start(t, r)()
			n := nodeReady(corev1.ConditionTrue)
			w.set("nodes", n)
			n = n.DeepCopy()
			n.Spec.Unschedulable = true
			w.set("nodes", n)
			passes(again + time.Minute)
			if got := incidents(t, r); got != nil {
				t.Errorf("%q: at once, %q", is, got)
			}
			n = n.DeepCopy()
			n.Annotations = map[string]string{"is": string(is)}
			w.set("nodes", n)
			passes(again)
			if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
				t.Errorf("%q: %s", is, diff)
			}
		})
	}
}

// TestUnseen holds of what rules say of things without pods which is an incident, and whose.
func TestUnseen(t *testing.T) {
	for fixture, want := range map[string]string{
		"admission/ADM001": "ADM001 deployment/quota-exceeded", "admission/ADM008-crashing": "EXT001 deployment/gate[app]",
		"change/CHG008": "CHG008 deployment/contested", "change/CHG009": "", "eviction/EVC010": "EVC010 node/n2", "eviction/EVC011": "",
		"storage/STO005": "STO005 persistentvolumeclaim/provisioning-failed", "storage/STO007": "STO007 persistentvolumeclaim/claim-lost",
		"workload/WRK002": "", "workload/WRK003": "", "workload/WRK004": "WRK004 job/job-deadline", "workload/WRK005": "",
		"workload/WRK005-schedule": "WRK005 cronjob/nightly", "workload/WRK006-missed": "WRK006 cronjob/nightly",
		"workload/WRK009": "WRK009 deployment/hpa-no-request", "workload/WRK010": "", "workload/WRK011": "",
	} {
		s := fixtureOf(t, fixture)
		told := telling{s: s, report: diagnosis.Examine(s, rules.All())}
		got := ""
		if a, found := told.unseen(s.Subject); found {
			got = a.rule + " " + a.thing.String()
		}
		if got != want {
			t.Errorf("%s, of %s: %q, expected %q", fixture, s.Subject, got, want)
		}
	}
}

// TestReplayUnseen holds that what was recorded of a workload without pods becomes an incident.
func TestReplayUnseen(t *testing.T) {
	for fixture, want := range map[string][]string{
		"admission/ADM001": {"ADM001 deployment/quota-exceeded: 1 deaths of 1 pods"}, "workload/WRK011": nil,
	} {
		r := newRecorder(t)
		r.Cluster = "test"
		if _, err := r.Replay(t.Context(), bundleOf(t, fixture)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("%s: %s", fixture, diff)
		}
	}
}

// TestBlame holds that what is in trouble because of another pod is in the incident of that one, whatever its own log tells there.
func TestBlame(t *testing.T) {
	r := newRecorder(t)
	s := fixtureOf(t, "admission/ADM008-crashing")
	told := r.tell(s)
	gate := evidence.List[*corev1.Pod](s)[0]
	own := history.Death{
		Cluster: "c", PodUID: string(gate.UID), Of: evidence.RefOf(gate).InContainer("app").InAttempt(0), Workload: WorkloadOf(gate), Finished: r.Now(), Seen: r.Now(),
		Verdict: &history.Verdict{Rule: "DEP011", Confidence: "possible", Message: "it cannot reach its store", Thing: WorkloadOf(gate).InContainer("app"), Settled: true},
	}
	if err := r.Store.Record(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	for container, want := range map[string]string{"app": "DEP011", "sidecar": "EXT001"} {
		a, found := told.unseen(s.Subject)
		if !found || a.about.Object() != evidence.RefOf(gate) {
			t.Fatalf("the cause is about %s, expected %s", a.about, evidence.RefOf(gate))
		}
		a.about.Container = container
		d := unsettled{Death: history.Death{Of: s.Subject}}
		d.settleBy(told, a)
		r.blame(t.Context(), s, []unsettled{d})
		if d.Verdict.Rule != want {
			t.Errorf("of container %s: %s, expected %s", container, d.Verdict.Rule, want)
		}
	}
}

// fixtureOf reads the evidence that a rule is tested by.
func fixtureOf(t *testing.T, name string) *evidence.Snapshot {
	t.Helper()
	s, err := bundleOf(t, name).Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bundleOf(t *testing.T, name string) collect.Bundle {
	t.Helper()
	family, fixture, _ := strings.Cut(name, "/")
	archive, err := txtar.ParseFile("../rules/" + family + "/testdata/" + fixture + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	files, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	return collect.Bundle{FS: files}
}

// TestOwnerOf holds that a name tells of an owner only where it was generated.
func TestOwnerOf(t *testing.T) {
	for _, tt := range []struct{ kind, name, want string }{
		{"ReplicaSet", "web-5d4f7c9bbd", "Deployment/web"},
		{"ReplicaSet", "web-api-7bf9d8", "ReplicaSet/web-api-7bf9d8"},
		{"ReplicaSet", "web-production", "ReplicaSet/web-production"},
		{"Job", "backup-29733120", "CronJob/backup"},
		{"Job", "backup-1", "Job/backup-1"},
		{"StatefulSet", "db-5d4f7c9bbd", "StatefulSet/db-5d4f7c9bbd"},
	} {
		if kind, name := ownerOf(tt.kind, tt.name); kind+"/"+name != tt.want {
			t.Errorf("%s/%s is owned by %s/%s, expected %s", tt.kind, tt.name, kind, name, tt.want)
		}
	}
}

// TestRecorderClears holds that what is too old is removed while a cluster is watched.
func TestRecorderClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Keep = history.Retention{Age: 24 * time.Hour}
		defer start(t, r)()
		w.crash("web-0", 0)
		passes(time.Minute)
		w.crash("web-0", 1)
		passes(time.Hour)
		if n := counted(t, r); n.Recorded != 1 {
			t.Errorf("%d deaths on record, expected 1", n.Recorded)
		}
		passes(30 * time.Hour)
		if n := counted(t, r); n.Recorded != 0 {
			t.Errorf("after more than a day %d deaths are on record", n.Recorded)
		}
	})
}
