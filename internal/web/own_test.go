// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestOtherClusters: where several clusters share a history, nobody who is let in by one sees anything of another, however much he may see in
// the first, and in a namespace that both have.
func TestOtherClusters(t *testing.T) {
	mine, foreign := died("shop", "ours", 0), died("shop", "theirs", 1)
	foreign.Cluster = "d"
	c := consoleWith(t, headerAccess{}, mine, foreign)
	var ids []string
	for _, cluster := range []string{"c", "d"} {
		found, err := c.Store.Deaths(t.Context(), history.Filter{Cluster: cluster})
		if err != nil || len(found.Items) != 1 {
			t.Fatalf("%d deaths of cluster %s: %v", len(found.Items), cluster, err)
		}
		d := &found.Items[0]
		ids = append(ids, fmt.Sprintf("/deaths/%d", d.ID), fmt.Sprintf("/deaths/%d/bundle.zip", d.ID), "/incidents/"+d.Incident, "/incidents/"+d.Incident+"/bundle.zip")
	}
	c.Cluster = "c"
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"*", "shop"} {
		for i, path := range ids {
			want := http.StatusOK
			if i >= len(ids)/2 {
				want = http.StatusNotFound
			}
			if status, body, _ := get(t, h, who, path); status != want {
				t.Errorf("%s, of who sees %s: status %d, want %d: %.200s", path, who, status, want, body)
			}
		}
		silent(t, h, who, "theirs")
	}
	if _, body, _ := get(t, h, "*", "/incidents"); !strings.Contains(body, "ours") {
		t.Error("its own incident is not listed")
	}
}

// silent looks for a word on the pages that list things, in each form.
func silent(t *testing.T, h http.Handler, who, word string) {
	t.Helper()
	for _, path := range []string{"/?", "/incidents?", "/incidents?namespace=shop&", "/incidents?q=ended&", "/workloads?", "/nodes?", "/rules/EXT001?"} {
		for _, form := range []string{"", "format=json", "format=csv"} {
			if _, body, _ := get(t, h, who, path+form); strings.Contains(body, word) {
				t.Errorf("%s shows who sees %s what is of another cluster", path+form, who)
			}
		}
	}
}

// TestChangesInAStorm: what changed in the last hour is told however many Events tell of trouble since, and where nothing has died.
func TestChangesInAStorm(t *testing.T) {
	c := consoleWith(t, headerAccess{})
	tell := func(id, reason string, ago time.Duration) history.Event {
		at := noon.Add(-ago)
		return history.Event{Cluster: "c", ID: id, Event: evidence.Event{About: evidence.RefTo("Deployment", "shop", "web"), Reason: reason, Message: "m", First: at, Last: at, Count: 1}}
	}
	events := []history.Event{tell("scaled", "ScalingReplicaSet", 50*time.Minute)}
	for i := range mostEvents + 1 {
		events = append(events, tell(fmt.Sprint(i), "BackOff", time.Duration(i)*time.Second))
	}
	if err := c.Store.Events(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if _, body, _ := get(t, h, "*", "/"); !strings.Contains(body, "ScalingReplicaSet") || strings.Contains(body, "BackOff") {
		t.Errorf("the first page tells other changes than that one: %s", body)
	}
}
