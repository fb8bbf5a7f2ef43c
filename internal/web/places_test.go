// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// occupy takes all places that there are, each for another caller.
func occupy(p *places) {
	for n, got := 0, true; got; n++ {
		_, got = p.enter(fmt.Sprint("another ", n), never)
	}
}

// takeShare takes all that one caller can have, and returns how he leaves.
func takeShare(t *testing.T, c *Console, who string) (leaves []func()) {
	t.Helper()
	for range ownAtOnce {
		leave, ok := c.asked.enter(who, never)
		if !ok {
			t.Fatalf("%q does not get his share", who)
		}
		leaves = append(leaves, leave)
	}
	for range ownStreams {
		if _, ok := c.streams.enter(who, never); !ok {
			t.Fatalf("%q does not get his share of streams", who)
		}
	}
	if _, ok := c.streams.enter(who, never); ok {
		t.Errorf("%q gets more streams than his share", who)
	}
	return leaves
}

// TestArchivesAreFew: archives are made in memory, so few are made at once, and one for each caller.
func TestArchivesAreFew(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("bank", "web", 1))
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ask := func(ctx context.Context) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/deaths/1/bundle.zip", http.NoBody)
		r.Header.Set("Who", "bank")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	leave, ok := c.made.enter("bank", never)
	if code := ask(gone); !ok || code != http.StatusServiceUnavailable {
		t.Errorf("a second archive at a time: %d", code)
	}
	leave()
	if code := ask(t.Context()); code == http.StatusServiceUnavailable {
		t.Error("none is made when the first was")
	}
	occupy(c.made)
	if code := ask(gone); code != http.StatusServiceUnavailable {
		t.Errorf("one more than may be made: %d", code)
	}
}

// TestNobodyIsKeptOut: who asks for all that he can, or reads nothing of it, has his own share alone; so have strangers together.
func TestNobodyIsKeptOut(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("bank", "web", 1))
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	leaves := append(takeShare(t, c, "shop"), takeShare(t, c, "")...)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ask := func(ctx context.Context, who, path string) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
		r.Header.Set("Who", who)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for who, want := range map[string]int{"shop": http.StatusServiceUnavailable, "": http.StatusServiceUnavailable, "bank": http.StatusOK} {
		ctx := gone
		if want == http.StatusOK {
			ctx = t.Context()
		}
		if got := ask(ctx, who, "/?format=json"); got != want {
			t.Errorf("%q gets %d, expected %d", who, got, want)
		}
	}
	if leave, ok := c.streams.enter("bank", never); !ok {
		t.Error("there is no stream left for others")
	} else {
		leave()
	}
	for _, leave := range leaves {
		leave()
	}
	if got := ask(t.Context(), "shop", "/?format=json"); got != http.StatusOK {
		t.Errorf("who has left gets %d", got)
	}
	if len(c.asked.own) != 0 || c.asked.taken != 0 {
		t.Errorf("%d callers are remembered, %d places taken", len(c.asked.own), c.asked.taken)
	}
}

// TestPlacesOfAll: where all are taken, one who has none gets none, and holds none of his own meanwhile.
func TestPlacesOfAll(t *testing.T) {
	p := newPlaces(2, 1)
	a, _ := p.enter("a", never)
	if _, ok := p.enter("b", never); !ok {
		t.Fatal("there is no second place")
	}
	if _, ok := p.enter("c", never); ok || p.own["c"] != nil {
		t.Errorf("there is a third place, or its want is remembered: %v", p.own)
	}
	late := make(chan struct{})
	got := make(chan bool)
	go func() {
		_, ok := p.enter("c", late)
		got <- ok
	}()
	a()
	if !<-got {
		t.Error("who waits does not get what another leaves")
	}
}

// TestFewDoNotTakeAll: a few who want all that there is leave something, of which one who comes late gets half; alone he gets all of his
// share.
func TestFewDoNotTakeAll(t *testing.T) {
	for most, each := range map[int]int{mostAtOnce: ownAtOnce, mostStreams: ownStreams} {
		p, leaves, names := newPlaces(most, each), []func(){}, []string{}
		for n := range most / each {
			names = append(names, fmt.Sprint("greedy ", n))
		}
		for some := allEnter(p, names); len(some) > 0; some = allEnter(p, names) { // until none gets any more
			leaves = append(leaves, some...)
		}
		for range most / (len(names) + 1) / 2 {
			leave, ok := p.enter("late", never)
			if !ok {
				t.Fatalf("%d of %d places are taken, and one who has %d gets no more", p.taken, most, p.own["late"].taken)
			}
			leaves = append(leaves, leave)
		}
		for _, leave := range leaves {
			leave()
		}
		for n := range each {
			if _, ok := p.enter("late", never); !ok {
				t.Fatalf("alone he gets %d of the %d that are his", n, each)
			}
		}
	}
}

// allEnter has each take a place, as far as there are some for him.
func allEnter(p *places, names []string) (leaves []func()) {
	for _, name := range names {
		if leave, ok := p.enter(name, never); ok {
			leaves = append(leaves, leave)
		}
	}
	return leaves
}

// TestSlowDownload: who does not read an archive, or a page, is let go of.
func TestSlowDownload(t *testing.T) {
	c := consoleWith(t, headerAccess{})
	if _, err := c.Handler(); err != nil {
		t.Fatal(err)
	}
	files := func(context.Context, *http.Request, Rights) (string, map[string][]byte, error) {
		return "a.zip", map[string][]byte{"meta.yaml": []byte(strings.Repeat("never read ", 100))}, nil
	}
	serve := c.bounded(c.download(files))
	for name, serve := range map[string]http.HandlerFunc{
		"an archive": serve,
		"a page":     func(w http.ResponseWriter, r *http.Request) { send(w, r, http.StatusOK, []byte("never read")) },
	} {
		near, far := net.Pipe()
		defer far.Close()
		w := &stuck{ResponseWriter: httptest.NewRecorder(), conn: near}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a.zip", http.NoBody)
		r.Header.Set("Who", "*")
		serve(w, r) // returns although nobody reads
		if w.deadline.IsZero() || c.asked.taken != 0 {
			t.Errorf("%s has no deadline, or holds a place", name)
		}
	}
}
