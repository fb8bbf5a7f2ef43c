// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/history"
)

// runIn has a pod run in a namespace.
func (w *world) runIn(namespace, name string) {
	pod := podWith(name, 0, time.Time{})
	pod.Namespace, pod.Name, pod.CreationTimestamp = namespace, name, metav1.NewTime(time.Now())
	w.set("pods", pod)
}

// but answers that all is forbidden but what is named.
func but(allowed ...string) func(string) int {
	return func(what string) int {
		if what == "captures" || slices.Contains(allowed, what) {
			return http.StatusOK
		}
		return http.StatusForbidden
	}
}

// openGaps returns the words of the gaps that last, and how many others there were.
func openGaps(t *testing.T, r *Recorder) (open []string, closed int) {
	t.Helper()
	gaps, err := r.Store.GapsIn(t.Context(), "test", time.Time{}, time.Time{}, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.To.IsZero() {
			open = append(open, g.What)
		} else {
			closed++
		}
	}
	slices.Sort(open)
	return open, closed
}

func wantOpen(t *testing.T, r *Recorder, want ...string) {
	t.Helper()
	open, _ := openGaps(t, r)
	slices.Sort(want)
	if diff := cmp.Diff(want, open); diff != "" {
		t.Errorf("gaps that are open (-want +got):\n%s", diff)
	}
}

const (
	beyondBoth = "nothing is watched beyond namespace bank, shop, nor any lease: told so"
	noNodes    = "nothing was heard of nodes: forbidden: cannot watch nodes"
	noBank     = "nothing was heard of pods in namespace bank: forbidden: cannot watch pods in namespace bank"
)

// TestNamespaces holds that a recorder which may see some namespaces alone, and not all of what it was told to, records what dies where it
// may, asks for nothing elsewhere, and names what it does not hear and why: also where a right is given or taken away later.
func TestNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, asked := newWorld(), map[string]bool{}
		allow := func(allowed ...string) {
			may := but(allowed...)
			w.fail(func(what string) int { asked[what] = true; return may(what) }, false)
		}
		allow("shop/pods", "shop/events", "bank/events")
		r := recorderOf(t, w)
		r.Namespaces, r.Narrowed = []string{"bank", "shop"}, "told so"
		defer start(t, r)()
		w.runIn("shop", "shop-0")
		w.runIn("bank", "bank-0")
		w.runIn("till", "till-0")
		passes(time.Second)
		for _, name := range []string{"shop-0", "bank-0", "till-0"} {
			w.crash(name, 1)
		}
		passes(time.Minute / 2)
		deaths(t, r, "shop-0 ")
		wantOpen(t, r, beyondBoth, noNodes, noBank)
		hears(t, r, false)
		allow("shop/pods", "shop/events", "bank/events", "bank/pods", "nodes")
		passes(2 * time.Minute)
		deaths(t, r, "bank-0 shop-0 ")
		wantOpen(t, r, beyondBoth)
		hears(t, r, true)
		allow("shop/events", "bank/events", "bank/pods", "nodes")
		passes(time.Second)
		w.crash("shop-0", 1)
		passes(time.Minute / 2)
		wantOpen(t, r, beyondBoth, strings.ReplaceAll(noBank, "bank", "shop"))
		allow("shop/pods", "shop/events", "bank/events", "bank/pods", "nodes")
		passes(2 * time.Minute)
		deaths(t, r, "bank-0 shop-0 shop-0 ")
		wantOpen(t, r, beyondBoth)
		delete(asked, "captures")
		want := []string{"bank/events", "bank/pods", "nodes", "shop/events", "shop/pods"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(asked))); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

func deaths(t *testing.T, r *Recorder, want string) {
	t.Helper()
	page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "test", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range page.Items {
		names = append(names, d.Of.Name+" ")
	}
	slices.Sort(names)
	if got := strings.Join(names, ""); got != want {
		t.Errorf("died: %q, expected %q", got, want)
	}
}

// TestNamespacesApart holds that pods of one namespace which come again are no reason to forget those of another.
func TestNamespacesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Namespaces = []string{"bank", "shop"}
		w.runIn("shop", "shop-0")
		w.runIn("bank", "bank-0")
		defer start(t, r)()
		passes(time.Minute)
		w.fail(but("shop/pods"), true) // its pods come again; those of bank do not
		passes(time.Minute)
		if n := r.Figures().Pods; n != 2 {
			t.Errorf("%d pods are known, expected 2", n)
		}
		w.remove("pods", "bank-0")
		w.fail(nil, true)
		passes(3 * time.Minute)
		if n := r.Figures().Pods; n != 1 {
			t.Errorf("%d pods are known, expected one, as the other was deleted meanwhile", n)
		}
	})
}

// TestGapsOfAnother holds that what nobody watches any more is no gap from then on, and that a gap that lasts is that of the process before.
func TestGapsOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(but("pods", "shop/pods", "bank/pods"), false)
		r := recorderOf(t, w)
		for range 2 {
			stop := start(t, r)
			passes(time.Minute)
			stop()
			open, closed := openGaps(t, r)
			if len(open) != 3 || closed > 0 {
				t.Errorf("open gaps %q, and %d others, expected three of which nothing is heard", open, closed)
			}
		}
		r.Namespaces, r.Narrowed = []string{"bank", "shop"}, "told so"
		stop := start(t, r)
		passes(time.Minute)
		stop()
		of := func(namespace string) string {
			return strings.ReplaceAll(strings.ReplaceAll(noBank, "bank", namespace), "pods", "events")
		}
		wantOpen(t, r, beyondBoth, noNodes, of("bank"), of("shop"))
	})
}

// TestStillDeaf holds that a recorder which begins where pods could not be heard of already says so as the one before it did.
func TestStillDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(but("shop/pods"), false)
		r := recorderOf(t, w)
		r.Namespaces = []string{"bank", "shop"}
		for range 2 {
			stop := start(t, r)
			passes(time.Minute)
			hears(t, r, false)
			stop()
		}
	})
}

// TestNamespaceForbidden holds that a recorder which may watch no pods says so at once.
func TestNamespaceForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(but(), false)
		r := recorderOf(t, w)
		r.Namespaces = []string{"shop"}
		if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "watch pods") {
			t.Errorf("%v: expected that it may not watch pods", err)
		}
	})
}
