// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the app, so that a mode can end the process.
func TestMain(m *testing.M) {
	if os.Getenv("LAB_APP_TEST") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runApp(ctx context.Context, args ...string) (code int, log string) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "app"
	cmd.Env = append(os.Environ(), "LAB_APP_TEST=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		return 128, out.String() + exit.String()
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestModesEndAsTheySay(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no", "file")
	for _, c := range []struct {
		args string
		code int
		log  string
	}{
		{"crash -after=0 -code=3 -msg=out-of-luck", 3, "out-of-luck"},
		{"crash -after=0 -code=0", 0, "db.shop.svc"},
		{"gopanic -after=0", 2, "panic: assignment to entry in nil map\n\ngoroutine 1"},
		{"gopanic -after=0 -kind=index", 2, "index out of range"},
		{"gopanic -after=0 -kind=custom", 2, "tax table is empty"},
		{"segv -after=0", 128, "segmentation fault"},
		{"die -after=0 -signal=6", 134, "aborted"},
		{"sleep -for=1ms -code=7", 7, "sleeping"},
		{"spam -lines=2 -lps=1000", 1, "after 2 lines"},
		{"fill -path=" + missing, 1, "no such file"},
		{"dial -to=127.0.0.1:1", 1, "connection refused"},
		{"get http://127.0.0.1:1/", 1, "connection refused"},
		{"get", 0, ""},
		{"crash -nonsense", 1, "flag provided but not defined"},
		{"nonsense", 2, "usage: app burn|crash"},
		{"", 2, "usage: app"},
	} {
		code, log := runApp(t.Context(), strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(log, c.log) {
			t.Errorf("app %s: code %d, log %q", c.args, code, log)
		}
	}
}

func TestServerFallsIll(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		s    server
		path string
		want int
	}{
		"well":        {server{start: old}, "/healthz", 200},
		"bad later":   {server{start: time.Now(), badAfter: time.Minute}, "/healthz", 200},
		"bad now":     {server{start: old, badAfter: time.Minute}, "/healthz", 500},
		"not ready":   {server{start: old, notReady: 2 * time.Hour}, "/readyz", 503},
		"ready":       {server{start: old, notReady: time.Minute}, "/readyz", 200},
		"other pages": {server{}, "/", 200},
	} {
		w := httptest.NewRecorder()
		c.s.routes().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

func TestServerHangsUntilTheProbeGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := server{start: time.Now().Add(-time.Hour), hangAfter: time.Minute}
		s.routes().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/healthz", nil))
	}()
	select {
	case <-done:
		t.Error("it answered")
	default:
	}
	cancel()
	<-done
}
