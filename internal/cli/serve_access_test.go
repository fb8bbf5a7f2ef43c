// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
)

// anAPIServer is one of a cluster with that UID that lets everybody with a token see everything.
func anAPIServer(t *testing.T, uid types.UID) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var answer any
		switch {
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			answer = &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: uid}}
		case r.URL.Path == "/api/v1/pods": // they may be watched
			return
		case r.URL.Path == "/api/v1/namespaces":
			answer = &corev1.NamespaceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}, Items: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}}
		case r.Method == http.MethodPost:
			answer = reviewed(t, body)
		default:
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// reviewed is what that server says of a token, or of what somebody may do.
func reviewed(t *testing.T, body []byte) any {
	t.Helper()
	asked, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		t.Error(err)
	}
	switch review := asked.(type) {
	case *authenticationv1.TokenReview:
		review.TypeMeta = metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
		review.Status = authenticationv1.TokenReviewStatus{Authenticated: review.Spec.Token == "sue", Audiences: review.Spec.Audiences, User: authenticationv1.UserInfo{Username: review.Spec.Token}}
		return review
	case *authorizationv1.SubjectAccessReview:
		review.TypeMeta = metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"}
		review.Status.Allowed = review.Spec.User == "sue"
		return review
	}
	t.Errorf("asked for a review of %T", asked)
	return nil
}

// twoClusters is a history that two clusters share, with a death of each in the same namespace.
func twoClusters(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "shared.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for cluster, name := range map[string]string{"here": "ours", "there": "theirs"} {
		pod := evidence.RefTo("Pod", "shop", name)
		err := s.Record(t.Context(), history.Death{
			Cluster: cluster, PodUID: name, Of: pod.InContainer("app").InAttempt(0), Workload: pod, Finished: now, Seen: now,
			Verdict: &history.Verdict{Rule: "EXT001", Confidence: "certain", Message: "it ended", Thing: pod, Settled: true, Report: []byte("{}")},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestServeOwnCluster: a console that lets people in by the word of its cluster shows what the history has of that one, whatever people
// call it, and one on loopback shows all.
func TestServeOwnCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	server, file := anAPIServer(t, "here"), twoClusters(t)
	for access, want := range map[string]string{accessLoopback: "", accessCluster: "here"} {
		o, s := prepared(t, "--server", server.URL, "--db", file, "--access", access, "--cluster-name", "there")
		if s.console.Cluster != want || s.console.Source != "there" {
			t.Errorf("--access %s: the console is of cluster %q, called %q", access, s.console.Cluster, s.console.Source)
		}
		link, err := o.admit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.console.Handler()
		if err != nil {
			t.Fatal(err)
		}
		sue := letIn(t, h, link, "sue")
		for _, path := range []string{"/incidents", "/incidents?format=json", "/incidents.csv"} {
			status, body := visitConsole(t, h, sue, path)
			if status != http.StatusOK || !strings.Contains(body, "ours") || strings.Contains(body, "theirs") != (access == accessLoopback) {
				t.Errorf("--access %s, %s: status %d, %.400s", access, path, status, body)
			}
		}
		if status, _ := visitConsole(t, h, letIn(t, h, "/", "eve"), "/incidents?format=json"); status != http.StatusUnauthorized {
			t.Errorf("--access %s: a stranger gets status %d", access, status)
		}
		if err := s.console.Store.Close(); err != nil { // one process at a time has it open
			t.Error(err)
		}
	}
}

// prepared is what a command line of serve makes ready.
func prepared(t *testing.T, args ...string) (*serveOptions, *serving) {
	t.Helper()
	o, err := serveFor(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.prepare(t.Context(), &program{rules: rules.All()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return o, s
}

// visitConsole asks a console for a page.
func visitConsole(t *testing.T, h http.Handler, who http.Header, path string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8737"+path, http.NoBody)
	r.Header = who.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// letIn is what a request has of who has a link that works once, or a token where there is no such link.
func letIn(t *testing.T, h http.Handler, link, token string) http.Header {
	t.Helper()
	if link == "/" {
		return http.Header{"Authorization": {"Bearer " + token}}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8737"+link, http.NoBody)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return http.Header{"Cookie": {cookie}}
}
