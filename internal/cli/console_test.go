// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/web"
)

// front is a door to a server that says what it was sent.
func front(t *testing.T) (http.Handler, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "other", Value: "1"})
		fmt.Fprintf(w, "%s %s as %s with %q", r.Method, r.URL, r.Header.Get("Authorization"), r.Header.Get("Cookie"))
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseInt(at.Port(), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	f := &forward{config: &rest.Config{Host: "https://cluster.example", BearerToken: "sesame", Impersonate: rest.ImpersonationConfig{UserName: "root"}}}
	f.port.Store(int32(port))
	as, err := f.caller()
	if err != nil {
		t.Fatal(err)
	}
	access, secret := web.NewLoopbackAccess(time.Now)
	return (&frontDoor{access: access, to: &f.port, as: as}).handler(), secret
}

func TestFrontDoor(t *testing.T) {
	door, secret := front(t)
	try := func(path string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1234"+path, http.NoBody)
		r.Header.Set("Authorization", "Bearer mine")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/", "/login", "/login?token=wrong", "/incidents?x=1"} {
		if w := try(path); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "sesame") {
			t.Errorf("%s: a stranger gets %d %s", path, w.Code, w.Body)
		}
	}
	w := try("/login?token=" + secret)
	if w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	in := w.Result().Cookies()[0]
	if strings.Contains(in.Value, "sesame") {
		t.Error("the browser is given the token")
	}
	w = try("/incidents?x=1", in, &http.Cookie{Name: "a", Value: "b"})
	if w.Code != http.StatusOK || w.Body.String() != `GET /incidents?x=1 as Bearer sesame with ""` || len(w.Result().Cookies()) > 0 {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Result().Cookies())
	}
	if w := try("/login?token=" + secret); w.Code != http.StatusUnauthorized {
		t.Errorf("the link works twice: %d", w.Code)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://evil.example/", http.NoBody)
	r.AddCookie(in)
	w = httptest.NewRecorder()
	if door.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("a name of elsewhere that leads here gets %d", w.Code)
	}
}

// TestCaller: whoever has no token is told what to do.
func TestCaller(t *testing.T) {
	for _, config := range []*rest.Config{
		{Host: "https://cluster.example"},
		{Host: "https://cluster.example", Username: "u", Password: "p"},
		{Host: "https://cluster.example", Impersonate: rest.ImpersonationConfig{UserName: "root"}},
	} {
		if _, err := (&forward{config: config}).caller(); !errors.Is(err, errNoToken) {
			t.Errorf("%v", err)
		}
	}
}

func TestConsoleOptions(t *testing.T) {
	for listen, says := range map[string]string{"127.0.0.1:0": "", "[::1]:1": "", ":80": "as you", "10.0.0.1:80": "as you", "x": "no address"} {
		err := (&consoleOptions{listen: listen}).Validate(nil)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if (&consoleOptions{listen: "127.0.0.1:0"}).Validate([]string{"x"}) == nil {
		t.Error("a name is taken")
	}
}

// TestConsoleOpens: the link is opened where there is a browser, unless somebody says no.
func TestConsoleOpens(t *testing.T) {
	flags := (&program{}).console().Flags()
	if open, err := flags.GetBool("open"); err != nil || !open {
		t.Errorf("it is not opened by default: %v", err)
	}
	for _, test := range []struct{ system, display, has, want string }{
		{"linux", ":0", "xdg-open", "/bin/xdg-open"},
		{"linux", "", "xdg-open", ""},
		{"linux", ":0", "", ""},
		{"darwin", "", "open", "/bin/open"},
		{"windows", "", "rundll32", "/bin/rundll32 url.dll,FileProtocolHandler"},
		{"windows", "", "", ""},
	} {
		got := opener(test.system, func(name string) string {
			if name == "WAYLAND_DISPLAY" {
				return test.display
			}
			return ""
		}, func(name string) (string, error) {
			if name != test.has {
				return "", errors.New("no such program")
			}
			return "/bin/" + name, nil
		})
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s with display %q and program %q: %q, want %q", test.system, test.display, test.has, got, test.want)
		}
	}
	if err := (&consoleOptions{}).browse(t.Context(), "x"); err != nil {
		t.Errorf("it is opened although nobody wants that: %v", err)
	}
}
