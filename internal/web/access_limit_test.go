// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLimit: where there are more namespaces than are looked at for one caller, each page says so, and none has a word of the others.
func TestLimit(t *testing.T) {
	access, a, _ := clusterAccess(t, nil)
	all := []string{"shop"}
	for n := range mostNamespaces {
		all = append(all, fmt.Sprintf("tenant-%04d", n))
	}
	all = append(all, "zoo")
	access.o.Known = func(context.Context) ([]string, error) { return all, nil }
	a.may["sue"] = []string{"shop", "zoo"}
	for user, own := range map[string]int{"admin": 0, "all": mostNamespaces, "sue": 1} {
		may, err := access.Rights(t.Context(), bearer(t, ":"+user))
		if limit := map[bool]int{true: 0, false: mostNamespaces}[may.All]; err != nil || len(may.Namespaces) != own || may.Limit != limit {
			t.Errorf("%s: %v, %d namespaces, limited to %d", user, err, len(may.Namespaces), may.Limit)
		}
		if hidden := slices.Contains(may.Foreign, "zoo"); hidden != (user == "sue") {
			t.Errorf("%s: what is not looked at is foreign: %t", user, hidden)
		}
	}

	own := died("shop", "web-0", 1)
	own.Verdict.Message = "its neighbour zoo/lion took the port"
	h := consoleOf(t, access, own, died("zoo", "lion", 2))
	who, said := http.Header{"Authorization": {"Bearer :sue"}}, 0
	crawlAs(t, h, who, func(path, body string) {
		checkForeign(t, path, body, "zoo", "lion")
		page, asJSON := strings.CutSuffix(path, " as JSON")
		if page, _, _ = strings.Cut(page, "?"); page == "/control" || strings.HasPrefix(page, "/rules") || strings.Contains(page, ".") {
			return // has nothing of any namespace, or no place for a notice
		}
		notice := map[bool]string{true: `"namespaceLimit": 2000`, false: "What is shown is of 2000 namespaces at most"}[asJSON]
		if !strings.Contains(body, notice) {
			t.Errorf("%s does not say that it is limited", path)
		}
		said++
	})
	if said < 14 { // the page that comes first, lists, search, an incident, a death, workloads, nodes, a node; and their JSON
		t.Errorf("only %d pages say that they are limited", said)
	}
	if _, body, _ := getAs(t, h, who, "/incidents/none"); !strings.Contains(body, "2000 namespaces are looked at for you") {
		t.Error("what is not found may be beyond the limit, which is not said")
	}
	if _, _, header := getAs(t, h, who, "/incidents.csv"); !strings.Contains(header.Get("Content-Disposition"), "of-2000-namespaces") {
		t.Error("a sheet does not say that it is limited")
	}
	if _, _, header := getAs(t, h, http.Header{"Authorization": {"Bearer :admin"}}, "/incidents.csv"); strings.Contains(header.Get("Content-Disposition"), "namespaces") {
		t.Error("the sheet of one caller says that it is limited as that of another was")
	}
	crawlAs(t, h, http.Header{"Authorization": {"Bearer :admin"}}, func(path, body string) {
		if !strings.HasPrefix(path, "/api/") && (strings.Contains(body, "namespaceLimit") || strings.Contains(body, "namespaces at most")) {
			t.Errorf("%s says that it is limited, and is not", path)
		}
	})
}

// TestSessionShare: who comes with a session has a share of his own also where the server has not asked yet whose it is, as after it
// began anew; from then on it is that of his name, whatever he comes with.
func TestSessionShare(t *testing.T) {
	access, _, now := clusterAccess(t, nil)
	with := func(token string) *http.Request {
		sealed, err := access.seal.close(cookie, session{Token: token, Until: now.Add(stay)})
		if err != nil {
			t.Fatal(err)
		}
		r := bearer(t, "")
		r.AddCookie(&http.Cookie{Name: access.cookie(r, cookie, "", 0).Name, Value: sealed})
		return r
	}
	sue, bob := with(":sue"), with(":bob")
	if a, b := access.Caller(sue), access.Caller(bob); a == "" || b == "" || a == b || strings.Contains(a, "sue") {
		t.Errorf("%q and %q: expected a share each, which names no token", a, b)
	}
	for name, r := range map[string]*http.Request{"sue": sue, "bob": bob} {
		if _, err := access.Rights(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if a, b := access.Caller(r), access.Caller(bearer(t, ":"+name)); a != name || b != name {
			t.Errorf("%q with a session, %q with its token: expected %s", a, b, name)
		}
	}
}

// TestEndedStaysEnded: a session that was ended lets nobody in while its seal is good, however many others are ended after it; who came in
// later stays in.
func TestEndedStaysEnded(t *testing.T) {
	access, _, now := clusterAccess(t, nil)
	came := func() *http.Request {
		s := session{User: "sue", Until: now.Add(stay)}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if err := access.begin(w, r, s); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		return r
	}
	first := came()
	access.end(httptest.NewRecorder(), first)
	ended := *now
	for i := range 2*mostDeparted + mostDeparted/2 {
		*now = now.Add(time.Millisecond)
		access.left.add(strconv.Itoa(i), now.Add(stay), *now)
		if len(access.left.until) > mostDeparted {
			t.Fatalf("%d sessions that ended are remembered", len(access.left.until))
		}
	}
	last := came()
	if _, in := access.session(first); in || !now.Before(ended.Add(stay)) {
		t.Error("a session that was ended lets in")
	}
	if _, in := access.session(last); !in {
		t.Error("a session that was not ended does not let in")
	}
	*now = now.Add(stay)
	for i := range mostDeparted + 1 {
		access.left.add(strconv.Itoa(i), now.Add(time.Minute), now.Add(time.Duration(i)))
	}
	before := access.left.before
	*now = now.Add(time.Hour) // all of those have expired
	for i := range mostDeparted {
		access.left.add("later"+strconv.Itoa(i), now.Add(stay), *now)
	}
	if access.left.before != before {
		t.Error("a session ends for want of room, where there was some")
	}
}
