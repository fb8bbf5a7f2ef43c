// SPDX-License-Identifier: Apache-2.0

// Package apitest is an API server in memory for tests: it serves the objects, Events, usage and logs of a snapshot
// over HTTP on the loopback interface, as far as a reader needs, and fails where a test tells it to.
package apitest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Server serves one snapshot until a test changes it. All methods may be called while requests are under way.
type Server struct {
	URL  string
	Stop func() // ends the server before the test ends

	served
	mu       sync.Mutex
	objects  map[evidence.Ref]evidence.Object
	logs     map[evidence.Ref]string
	attempts *evidence.Snapshot
	metrics  bool
	faults   []fault
	requests []string
}

// served is what an API server knows, the same for all.
type served struct {
	scheme  *runtime.Scheme
	codecs  serializer.CodecFactory
	plurals map[string]string // kind by "group/plural"
}

var kinds = sync.OnceValues(func() (served, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, metricsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return served{}, err
		}
	}
	known := served{scheme: scheme, codecs: serializer.NewCodecFactory(scheme), plurals: map[string]string{}}
	for kind := range scheme.AllKnownTypes() {
		plural, _ := apimeta.UnsafeGuessKindToResource(kind)
		known.plurals[kind.Group+"/"+plural.Resource] = kind.Kind
	}
	known.plurals["metrics.k8s.io/pods"], known.plurals["metrics.k8s.io/nodes"] = "PodMetrics", "NodeMetrics"
	return known, nil
})

// A fault is what happens to the requests whose method-less URI contains part.
type fault struct {
	part   string
	answer http.HandlerFunc
}

// New starts a server for the objects, Events and logs of a snapshot; it ends with the test. Usage is served when the
// snapshot has any or says that it looked for it.
func New(t testing.TB, s *evidence.Snapshot) *Server {
	t.Helper()
	known, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{served: known}
	server.Load(s)
	listener := httptest.NewServer(server)
	server.URL = listener.URL
	server.Stop = sync.OnceFunc(func() {
		listener.CloseClientConnections()
		listener.Close()
	})
	t.Cleanup(server.Stop)
	return server
}

// Load replaces everything that is served.
func (s *Server) Load(snapshot *evidence.Snapshot) {
	copied := *snapshot
	copied.Objects = slices.Clone(snapshot.Objects)
	copied.Freeze()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts, s.metrics = &copied, copied.Has&evidence.Usage != 0
	s.objects, s.logs = map[evidence.Ref]evidence.Object{}, map[evidence.Ref]string{}
	for _, o := range copied.Objects {
		s.objects[evidence.RefOf(o)] = o
		s.metrics = s.metrics || strings.HasSuffix(evidence.RefOf(o).Kind, "Metrics")
	}
	for _, e := range copied.Events {
		s.objects[evidence.RefOf(e)] = e
	}
	for _, l := range copied.Logs {
		s.logs[l.Of] = l.Text
	}
}

// Config is how a client reaches the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.URL} }

// Requests returns the URIs that were asked for so far, in order.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Fail answers requests whose URI contains part with an HTTP status and a message, as an API server words it.
func (s *Server) Fail(part string, status int, message string) {
	s.fault(part, func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, status, "", message) })
}

// Hang holds requests whose URI contains part until their client gives up.
func (s *Server) Hang(part string) {
	s.fault(part, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Cut closes the connection of requests whose URI contains part, as a server that goes away does.
func (s *Server) Cut(part string) {
	s.fault(part, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Answer gives requests whose URI contains part to a handler.
func (s *Server) Answer(part string, with http.HandlerFunc) { s.fault(part, with) }

func (s *Server) fault(part string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{part, answer})
}

// ServeHTTP answers one request. Anything but reading is refused and fails no test by itself; see Requests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	i := slices.IndexFunc(s.faults, func(f fault) bool { return strings.Contains(r.URL.RequestURI(), f.part) })
	var answer http.HandlerFunc
	if i >= 0 {
		answer = s.faults[i].answer
	}
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	at, ok := s.parse(r.URL.Path)
	switch {
	case r.Method != http.MethodGet:
		s.refuse(w, r, http.StatusMethodNotAllowed, "", "the test server is read-only")
	case !ok:
		s.refuse(w, r, http.StatusNotFound, "", "the server could not find the requested resource")
	case at.log:
		s.log(w, r, at.ref)
	case at.ref.Name != "":
		s.get(w, r, at)
	default:
		s.list(w, r, at)
	}
}

// A place is what a URL path names.
type place struct {
	ref     evidence.Ref // without a name it is a list
	version schema.GroupVersion
	plural  string
	log     bool
}

// parse reads /api/v1/… or /apis/<group>/<version>/… paths.
func (s *Server) parse(urlPath string) (place, bool) {
	parts := strings.Split(strings.Trim(urlPath, "/"), "/")
	p := place{}
	switch {
	case len(parts) > 2 && parts[0] == "api":
		p.version, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		p.version, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		return p, false
	}
	namespace := ""
	if len(parts) > 2 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	p.plural = parts[0]
	kind, known := s.plurals[p.version.Group+"/"+p.plural]
	p.ref = evidence.RefTo(kind, namespace, "")
	if len(parts) > 1 {
		p.ref.Name = parts[1]
	}
	p.log = len(parts) == 3 && parts[2] == "log"
	s.mu.Lock()
	defer s.mu.Unlock()
	return p, known && (!strings.HasSuffix(kind, "Metrics") || s.metrics) && len(parts) <= 3 && (len(parts) < 3 || p.log)
}

func notFound(at place) string { return fmt.Sprintf("%s %q not found", at.plural, at.ref.Name) }
