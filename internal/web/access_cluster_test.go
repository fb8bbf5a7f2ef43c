// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// An authority answers reviews: of tokens "AUDIENCE:USER", and of users who may read the namespaces that a table has for them.
type authority struct {
	may     map[string][]string // "nodes" and "*" among them
	broken  atomic.Bool
	reviews atomic.Int64
}

type (
	tokens struct {
		authenticationclient.TokenReviewInterface
		a *authority
	}
	rules struct {
		authorizationclient.SubjectAccessReviewInterface
		a *authority
	}
)

func (a *authority) TokenReviews() authenticationclient.TokenReviewInterface { return tokens{a: a} }
func (a *authority) SubjectAccessReviews() authorizationclient.SubjectAccessReviewInterface {
	return rules{a: a}
}

var errBroken = errors.New("the API server is away")

func (x tokens) Create(_ context.Context, r *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	x.a.reviews.Add(1)
	if x.a.broken.Load() {
		return nil, errBroken
	}
	audience, user, _ := strings.Cut(r.Spec.Token, ":")
	if audience == strings.Join(r.Spec.Audiences, "") && user != "" {
		r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: r.Spec.Audiences, User: authenticationv1.UserInfo{Username: user}}
	}
	return r, nil
}

func (x rules) Create(_ context.Context, r *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	x.a.reviews.Add(1)
	if x.a.broken.Load() {
		return nil, errBroken
	}
	what, may := r.Spec.ResourceAttributes, x.a.may[r.Spec.User]
	if what.Resource == "nodes" {
		r.Status.Allowed = slices.Contains(may, "nodes")
	} else {
		r.Status.Allowed = slices.Contains(may, "*") || what.Namespace != "" && slices.Contains(may, what.Namespace) ||
			what.Subresource == "" && slices.Contains(may, "pods:"+what.Namespace)
	}
	return r, nil
}

// clusterAccess is one to a history with three namespaces, and its clock.
func clusterAccess(t *testing.T, p *Provider) (*ClusterAccess, *authority, *time.Time) {
	t.Helper()
	a := &authority{may: map[string][]string{
		"admin": {"*", "nodes"}, "all": {"*"}, "sue": {"shop"}, "bob": {"bank", "nodes"}, "half": {"pods:shop"}, "oidc:sue@example.org": {"shop"},
	}}
	now := noon
	access, err := NewClusterAccess(ClusterOptions{
		Users: a, Rules: a, Key: NewKey(), Provider: p, Now: func() time.Time { return now },
		Known: func(context.Context) ([]string, error) { return []string{"bank", "shop", "zoo"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return access, a, &now
}

func bearer(t *testing.T, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://console/", http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestClusterAccess(t *testing.T) {
	access, a, _ := clusterAccess(t, nil)
	for user, want := range map[string]Rights{
		"admin": {All: true, Nodes: true},
		"all":   {Namespaces: []string{"bank", "shop", "zoo"}},
		"sue":   {Namespaces: []string{"shop"}, Foreign: []string{"bank", "zoo"}},
		"bob":   {Namespaces: []string{"bank"}, Nodes: true, Foreign: []string{"shop", "zoo"}},
		"half":  {Namespaces: []string{}, Foreign: []string{"bank", "shop", "zoo"}},
		"eve":   {Namespaces: []string{}, Foreign: []string{"bank", "shop", "zoo"}},
	} {
		for _, token := range []string{":" + user, Audience + ":" + user} {
			if who := access.Caller(bearer(t, token)); who != "" {
				t.Errorf("%s is known as %q before anybody was asked", token, who)
			}
			got, err := access.Rights(t.Context(), bearer(t, token))
			if err != nil || got.All != want.All || got.Nodes != want.Nodes || !slices.Equal(got.Namespaces, want.Namespaces) || !slices.Equal(got.Foreign, want.Foreign) {
				t.Errorf("%s: %+v, %v", token, got, err)
			}
			if who := access.Caller(bearer(t, token)); who != user {
				t.Errorf("%s has the share of %q", token, who)
			}
			if got.allowed() == nil && !got.All {
				t.Errorf("%s is let see all by mistake", token)
			}
		}
	}
	before := a.reviews.Load()
	if _, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil || a.reviews.Load() != before {
		t.Errorf("what was just asked is asked again: %v", err)
	}
}

// TestClusterStrangers: whom the cluster does not know, or knows for another audience, has no rights and no share.
func TestClusterStrangers(t *testing.T) {
	access, _, _ := clusterAccess(t, nil)
	for _, token := range []string{"", "junk", ":system:anonymous", "other:sue", ":", strings.Repeat("x", maxToken+1), "a\x01b"} {
		var stranger *StrangerError
		if got, err := access.Rights(t.Context(), bearer(t, token)); !errors.As(err, &stranger) {
			t.Errorf("%.20q: %+v, %v", token, got, err)
		}
		if who := access.Caller(bearer(t, token)); who != "" {
			t.Errorf("%.20q has the share of %q", token, who)
		}
	}
}

// TestPersonKey: nobody has the rights that were asked for somebody else, whatever groups are called.
func TestPersonKey(t *testing.T) {
	seen := map[string]person{}
	for _, groups := range [][]string{nil, {"a b"}, {"a", "b"}, {`a" "b`}} {
		p := person{UserInfo: authenticationv1.UserInfo{Username: "sue", Groups: groups}}
		if other, known := seen[p.key()]; known {
			t.Errorf("%q and %q are one", other.Groups, groups)
		}
		seen[p.key()] = p
	}
}

// TestClusterAccessEnds: what was taken away is gone within a moment, and nothing is shown where nobody can be asked.
func TestClusterAccessEnds(t *testing.T) {
	access, a, now := clusterAccess(t, nil)
	if got, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil || len(got.Namespaces) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	a.may["sue"] = nil
	*now = now.Add(keepReviews)
	if got, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil || len(got.Namespaces) != 0 {
		t.Errorf("rights that were taken away still count: %+v, %v", got, err)
	}
	*now = now.Add(keepReviews)
	a.broken.Store(true)
	if got, err := access.Rights(t.Context(), bearer(t, ":sue")); !errors.Is(err, errBroken) {
		t.Errorf("nobody was asked: %+v, %v", got, err)
	}
}

// TestStrangersArePaced: who makes tokens up is heard a few times, and who is known is not kept out by that.
func TestStrangersArePaced(t *testing.T) {
	access, a, now := clusterAccess(t, nil)
	if _, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil {
		t.Fatal(err)
	}
	paced := 0
	for i := range 3 * strangerAhead {
		var refused *RefusalError
		if _, err := access.Rights(t.Context(), bearer(t, strings.Repeat("j", i+1))); errors.As(err, &refused) {
			paced++
		}
	}
	if paced < strangerAhead || a.reviews.Load() > 3*strangerAhead {
		t.Errorf("%d were refused, %d reviews", paced, a.reviews.Load())
	}
	if _, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil {
		t.Errorf("who is known is kept out: %v", err)
	}
	*now = now.Add(time.Minute)
	if _, err := access.Rights(t.Context(), bearer(t, ":bob")); err != nil {
		t.Errorf("it never ends: %v", err)
	}
}

// TestManyBehindOne: of many who come by one address, as by an ingress, none is kept out because all are reviewed again and again.
func TestManyBehindOne(t *testing.T) {
	access, _, now := clusterAccess(t, nil)
	for round := range 3 {
		for i := range 3 * strangerAhead {
			if round == 0 { // they come one after the other
				*now = now.Add(strangerEvery)
			}
			if _, err := access.Rights(t.Context(), bearer(t, fmt.Sprintf(":p%d", i))); err != nil {
				t.Fatalf("round %d: caller %d: %v", round, i, err)
			}
		}
		*now = now.Add(2 * keepReviews)
	}
}

// post sends a form as a browser does.
func post(t *testing.T, path string, form url.Values) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://console"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestClusterLogin(t *testing.T) {
	access, _, now := clusterAccess(t, nil)
	w := httptest.NewRecorder()
	if err := access.Login(w, post(t, "/login?token=:sue", nil), ""); err == nil {
		t.Error("a token in an address lets in")
	}
	if err := access.Login(w, bearer(t, ""), ":sue"); err == nil || len(w.Result().Cookies()) > 0 {
		t.Error("a GET lets in")
	}
	if err := access.Login(w, post(t, "/login", url.Values{"token": {"junk"}}), ""); err == nil {
		t.Error("junk lets in")
	}
	w = httptest.NewRecorder()
	if err := access.Login(w, post(t, "/login", url.Values{"token": {":sue\n"}}), ""); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(c.Name, "__Host-") || strings.Contains(c.String(), "sue") {
		t.Errorf("the cookie is %s", c)
	}
	with := func(value string) error {
		r := bearer(t, "")
		r.AddCookie(&http.Cookie{Name: c.Name, Value: value})
		may, err := access.Rights(t.Context(), r)
		if err == nil && !slices.Equal(may.Namespaces, []string{"shop"}) {
			t.Errorf("%+v", may)
		}
		return err
	}
	if err := with(c.Value); err != nil {
		t.Error(err)
	}
	changed := []byte(c.Value)
	changed[20] ^= 1
	other, _, _ := clusterAccess(t, nil)
	forged, err := other.seal.close(cookie, session{Token: ":admin", Until: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	purpose, err := access.seal.close(trip, session{Token: ":admin", Until: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{string(changed), forged, purpose, "", "x"} {
		if with(value) == nil {
			t.Errorf("%.20q lets in", value)
		}
	}
	if *now = now.Add(stay + time.Second); with(c.Value) == nil {
		t.Error("it lets in for ever")
	}
	if err := access.Login(w, post(t, "/login", url.Values{"token": {":" + strings.Repeat("u", 4000)}}), ""); err == nil {
		t.Error("a cookie that no browser keeps is set")
	}
}

// TestLoginPage: a stranger is asked on a page who he is, a program in JSON, and whoever comes from another site is led on once.
func TestLoginPage(t *testing.T) {
	access, _, _ := clusterAccess(t, nil)
	c := consoleOf(t, access)
	try := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w
	}
	r := bearer(t, "")
	r.URL.Path = "/incidents"
	if w := try(r); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `name="next" value="/incidents"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	if w := try(r); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `content="0;url=/incidents"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.Header.Set("Accept", "application/json")
	if w := try(r); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for next, want := range map[string]string{"/rules": "/rules", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "": "/"} {
		w := try(post(t, "/login", url.Values{"token": {":sue"}, "next": {next}}))
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("next %q: %d to %q", next, w.Code, w.Header().Get("Location"))
		}
	}
	cross := post(t, "/login", url.Values{"token": {":sue"}})
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := try(cross); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
		t.Errorf("another site logs in: %d", w.Code)
	}
	plain := post(t, "/login", url.Values{"token": {":sue"}})
	if plain.TLS = (*tls.ConnectionState)(nil); try(plain).Result().Cookies()[0].Secure {
		t.Error("a cookie that would not come back over a plain connection")
	}
}

// TestLogout: whoever is in by a session finds on each page how to end it; no page of elsewhere ends it, and a copy of it is good no more.
func TestLogout(t *testing.T) {
	access, _, _ := clusterAccess(t, nil)
	c := consoleOf(t, access)
	try := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w
	}
	const button = `<form action="/logout" method="post"`
	if w := try(bearer(t, ":sue")); w.Code != http.StatusOK || strings.Contains(w.Body.String(), button) {
		t.Errorf("who brings a token gets %d, and is offered to end a session that he has not", w.Code)
	}
	in := try(post(t, "/login", url.Values{"token": {":sue"}})).Result().Cookies()[0]
	page := func() *httptest.ResponseRecorder {
		r := bearer(t, "")
		r.AddCookie(in)
		return try(r)
	}
	if w := page(); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), button) {
		t.Errorf("who has a session gets %d, and no way out", w.Code)
	}
	out := func(site string) *httptest.ResponseRecorder {
		r := post(t, "/logout", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		r.AddCookie(in)
		return try(r)
	}
	if w := out("cross-site"); w.Code != http.StatusForbidden || page().Code != http.StatusOK {
		t.Errorf("another site ends the session: %d", w.Code)
	}
	if w := out("same-origin"); w.Code != http.StatusSeeOther || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("no way out: %d", w.Code)
	}
	if w := page(); w.Code != http.StatusUnauthorized {
		t.Errorf("a copy of the session lets in: %d", w.Code)
	}
}
