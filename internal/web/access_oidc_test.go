// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"
)

// issuer is a provider on the loopback address, and ours to use it.
func issuer(t *testing.T) (*mockoidc.MockOIDC, *Provider) {
	t.Helper()
	m, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	p, err := NewProvider(ProviderOptions{
		Issuer: m.Issuer(), ClientID: m.ClientID, ClientSecret: m.ClientSecret, Redirect: "https://console.example" + returnPath,
		UsernameClaim: "email", UsernamePrefix: "oidc:", GroupsClaim: "groups", GroupsPrefix: "oidc:", Scopes: []string{"email", "groups"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

// depart goes to the provider and returns where it sends the browser back to, and what the browser has with it.
func depart(t *testing.T, h http.Handler, change func(url.Values)) (*http.Request, *http.Cookie) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://console.example"+providerPath+"?next=/rules", http.NoBody))
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther {
		t.Fatalf("%d, %v", w.Code, err)
	}
	q := to.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("state") == "" {
		t.Errorf("the provider is asked with %v", q)
	}
	if change != nil {
		change(q)
		to.RawQuery = q.Encode()
	}
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back := httptest.NewRequestWithContext(t.Context(), http.MethodGet, resp.Header.Get("Location"), http.NoBody)
	c := w.Result().Cookies()[0]
	if c.SameSite != http.SameSiteLaxMode || !c.HttpOnly || !c.Secure {
		t.Errorf("the cookie is %s", c)
	}
	return back, c
}

func arrive(h http.Handler, back *http.Request, c *http.Cookie) *httptest.ResponseRecorder {
	if c != nil {
		back.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, back)
	return w
}

// sessionOf returns the session that an answer begins.
func sessionOf(w *httptest.ResponseRecorder) *http.Cookie {
	all := w.Result().Cookies()
	if at := slices.IndexFunc(all, func(c *http.Cookie) bool { return c.Name == "__Host-"+cookie }); at >= 0 {
		return all[at]
	}
	return nil
}

func TestProvider(t *testing.T) {
	m, p := issuer(t)
	access, _, now := clusterAccess(t, p)
	*now = time.Now() // the issuer has no other clock
	h := consoleOf(t, access)
	m.QueueUser(&mockoidc.MockUser{Subject: "1", Email: "sue@example.org", EmailVerified: true, Groups: []string{"dev"}})
	back, c := depart(t, h, nil)
	w := arrive(h, back, c)
	s := sessionOf(w)
	if s == nil || !strings.Contains(w.Body.String(), "url=/rules") || s.SameSite != http.SameSiteStrictMode {
		t.Fatalf("%d %s %v", w.Code, w.Body, s)
	}
	r := bearer(t, "")
	r.AddCookie(s)
	if may, err := access.Rights(t.Context(), r); err != nil || !slices.Equal(may.Namespaces, []string{"shop"}) {
		t.Errorf("%+v, %v", may, err)
	}
	again := httptest.NewRequestWithContext(t.Context(), http.MethodGet, back.URL.String(), http.NoBody)
	if w := arrive(h, again, c); sessionOf(w) != nil {
		t.Error("a code lets in twice")
	}
	*now = now.Add(stay + time.Minute)
	if _, err := access.Rights(t.Context(), r); err == nil {
		t.Error("it lets in for ever")
	}
}

// TestProviderRefuses: a login that was not begun here, by this browser, with this nonce, lets nobody in.
func TestProviderRefuses(t *testing.T) {
	m, p := issuer(t)
	access, _, now := clusterAccess(t, p)
	*now = time.Now()
	h := consoleOf(t, access)
	_, elsewhere := depart(t, h, nil)
	for name, try := range map[string]func() *httptest.ResponseRecorder{
		"no cookie":       func() *httptest.ResponseRecorder { back, _ := depart(t, h, nil); return arrive(h, back, nil) },
		"another browser": func() *httptest.ResponseRecorder { back, _ := depart(t, h, nil); return arrive(h, back, elsewhere) },
		"another state": func() *httptest.ResponseRecorder {
			back, c := depart(t, h, func(q url.Values) { q.Set("state", "other") })
			return arrive(h, back, c)
		},
		"another nonce": func() *httptest.ResponseRecorder {
			back, c := depart(t, h, func(q url.Values) { q.Set("nonce", "other") })
			return arrive(h, back, c)
		},
		"another proof": func() *httptest.ResponseRecorder {
			back, c := depart(t, h, func(q url.Values) { q.Set("code_challenge", "other") })
			return arrive(h, back, c)
		},
		"too late": func() *httptest.ResponseRecorder {
			back, c := depart(t, h, nil)
			*now = now.Add(away + time.Second)
			defer func() { *now = now.Add(-away - time.Second) }()
			return arrive(h, back, c)
		},
		"no name": func() *httptest.ResponseRecorder {
			m.QueueUser(&mockoidc.MockUser{Subject: "1", EmailVerified: true})
			back, c := depart(t, h, nil)
			return arrive(h, back, c)
		},
	} {
		if w := try(); sessionOf(w) != nil || w.Code < 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		for range 4 { // what was queued for this one
			_ = m.UserQueue.Pop()
		}
	}
}

// TestProviderAway: whoever has a token is let in while the provider is away, and others when it is back.
func TestProviderAway(t *testing.T) {
	m, p := issuer(t)
	away := true
	p.o.Client = &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		if away {
			return nil, errBroken
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	access, _, now := clusterAccess(t, p)
	*now = time.Now()
	h := consoleOf(t, access)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://console.example"+providerPath, http.NoBody))
	if w.Code != http.StatusInternalServerError || p.Find(t.Context()) == nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := access.Rights(t.Context(), bearer(t, ":sue")); err != nil {
		t.Error(err)
	}
	away = false
	m.QueueUser(&mockoidc.MockUser{Subject: "1", Email: "sue@example.org", EmailVerified: true})
	back, c := depart(t, h, nil)
	if w := arrive(h, back, c); sessionOf(w) == nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A tripper makes requests as a function does.
type tripper func(*http.Request) (*http.Response, error)

// RoundTrip makes one.
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestProviderNames: names of the cluster's own are not to be had from a provider.
func TestProviderNames(t *testing.T) {
	p := &Provider{o: ProviderOptions{UsernameClaim: "sub", GroupsClaim: "groups"}}
	if s, err := p.person(map[string]any{"sub": "system:admin"}, noon); err == nil {
		t.Errorf("%+v", s)
	}
	s, err := p.person(map[string]any{"sub": "sue", "groups": []any{"dev", "system:masters", 7, ""}}, noon)
	if err != nil || !slices.Equal(s.Groups, []string{"dev", "system:authenticated"}) {
		t.Errorf("%+v, %v", s, err)
	}
	p.o.UsernameClaim = "email"
	if s, err := p.person(map[string]any{"email": "sue@example.org", "email_verified": false}, noon); err == nil {
		t.Errorf("an address that nobody verified: %+v", s)
	}
	p.o.UsernameClaim, p.o.GroupsPrefix = "sub", "system:"
	if s, err := p.person(map[string]any{"sub": "sue", "groups": "masters"}, noon); err != nil || !slices.Equal(s.Groups, []string{"system:authenticated"}) {
		t.Errorf("%+v, %v", s, err)
	}
}
