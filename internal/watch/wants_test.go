// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

var unmade = &diagnosis.Rule{
	ID: "TST002", Title: "It has no pods", Scope: diagnosis.Workload, Stage: diagnosis.Stable, Needs: evidence.Status, Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		if d, ok := p.Object(p.About()).(*appsv1.Deployment); ok && d.Status.Replicas == 0 {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible, Message: p.About().Name + " has no pods",
				Facts: []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.replicas", Text: "replicas 0"}},
			})
		}
	},
}

// idle is a state that somebody wants: it is no trouble.
var idle = &diagnosis.Rule{
	ID: "TST003", Title: "It wants no pods", Scope: diagnosis.Workload, Stage: diagnosis.Stable, Needs: evidence.Status, Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		if d, ok := p.Object(p.About()).(*appsv1.Deployment); ok && d.Status.Replicas < 0 {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible, Message: p.About().Name + " wants none",
				Facts: []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.replicas", Text: "replicas -1"}},
			})
		}
	},
}

// TestRecorderLacksPods holds that a workload whose pods cannot be created is an incident, one for as long as that lasts, and that one which
// got its pods meanwhile is none.
func TestRecorderLacksPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Rules = append(r.Rules, unmade, idle)
		defer start(t, r)()
		has := func(name string, pods int32) {
			w.set("deployments", &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}, Status: appsv1.DeploymentStatus{Replicas: pods},
			})
		}
		fails := func(kind, name string) {
			w.set("events", &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: strings.ToLower(kind) + "." + name},
				InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: "shop", Name: name}, Reason: "FailedCreate", Type: corev1.EventTypeWarning,
				LastTimestamp: metav1.NewTime(time.Now()),
			})
		}
		has("web", 0)
		fails("ReplicaSet", "web-5d4f7c9bbd")
		fails("ReplicaSet", "gone-5d4f7c9bbd")
		fails("ReplicaSet", "alone")
		passes(3 * time.Minute)
		want := []string{"TST002 deployment/web: 1 deaths of 1 pods"}
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("what cannot be created (-want +got):\n%s", diff)
		}
		has("stopped", -1)
		fails("ReplicaSet", "stopped-5d4f7c9bbd")
		has("well", 0)
		fails("ReplicaSet", "well-5d4f7c9bbd")
		has("well", 1)
		fails("ReplicaSet", "web-5d4f7c9bbd")
		passes(20 * time.Minute)
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("later (-want +got):\n%s", diff)
		}
	})
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
