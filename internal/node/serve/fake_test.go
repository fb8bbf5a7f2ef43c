// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A fakeAPI is an API server that answers reviews, or does something else.
type fakeAPI struct {
	t   *testing.T
	dir string

	mu      sync.Mutex
	rights  map[string][]string // by token, in the words of right.String
	asked   []string
	instead http.HandlerFunc // of the next answers
	hold    chan struct{}    // answers wait for it
}

func newAPI(t *testing.T) (*fakeAPI, *API) {
	t.Helper()
	f := &fakeAPI{t: t, dir: t.TempDir(), rights: map[string][]string{
		"reader": {"get nodefacts.kubeinquest.io/n1", "get pods/log in namespace shop"},
		"admin":  {"get nodefacts.kubeinquest.io/n1", "get pods/log in namespace shop", "get pods/log in namespace bank", "get pods/log", "get /metrics"},
		"nobody": {"get nodefacts.kubeinquest.io/n2"},
		"scrape": {"get /metrics"},
	}}
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	f.write("token", "the agent's own\n")
	f.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return f, NewAPI(server.URL, f.dir)
}

func (f *fakeAPI) write(name, data string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(data), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeAPI) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeAPI) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	instead, hold := f.instead, f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if instead != nil {
		instead(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer the agent's own" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var token tokenReview
	var access accessReview
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &token)
	}
	if err != nil || json.Unmarshal(body, &access) != nil && token.Kind == "SubjectAccessReview" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	if token.Kind == "TokenReview" {
		f.token(&token)
		_ = json.NewEncoder(w).Encode(token)
		return
	}
	f.access(&access)
	_ = json.NewEncoder(w).Encode(access)
}

func (f *fakeAPI) token(review *tokenReview) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := review.Spec.Token
	f.asked = append(f.asked, "whose "+name)
	if f.rights[name] != nil {
		review.Status.Authenticated = true
		review.Status.User = user{Username: name, UID: "1", Groups: []string{"people"}, Extra: map[string][]string{"k": {"v"}}}
		review.Status.Audiences = review.Spec.Audiences
	}
	review.Spec.Token = ""
}

func (f *fakeAPI) access(review *accessReview) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var to right
	if p := review.Spec.Path; p != nil {
		to.path = p.Path
	} else {
		a := review.Spec.Resource
		to = right{group: a.Group, resource: a.Resource, sub: a.Subresource, namespace: a.Namespace, name: a.Name}
	}
	f.asked = append(f.asked, review.Spec.User+" may "+to.String())
	for _, has := range f.rights[review.Spec.User] {
		review.Status.Allowed = review.Status.Allowed || has == to.String() && review.Spec.Groups[0] == "people" && review.Spec.Extra["k"][0] == "v"
	}
}

// A memory is a record in memory.
type memory struct {
	mu   sync.Mutex
	list []record.Entry
	more chan struct{}
}

func newMemory(list ...record.Entry) *memory {
	m := &memory{more: make(chan struct{})}
	for _, e := range list {
		m.add(e)
	}
	return m
}

func (m *memory) add(e record.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Seq, e.At = uint64(len(m.list)+1), time.Unix(int64(len(m.list)), 0).UTC()
	m.list = append(m.list, e)
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) read(from uint64) iter.Seq2[record.Entry, error] {
	m.mu.Lock()
	list := m.list
	m.mu.Unlock()
	return func(yield func(record.Entry, error) bool) {
		for _, e := range list {
			if e.Seq >= from && !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) wait(ctx context.Context, seq uint64) error {
	for {
		m.mu.Lock()
		n, more := uint64(len(m.list)), m.more
		m.mu.Unlock()
		if n >= seq {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memory) span() (string, uint64, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return "r1", 1, uint64(len(m.list) + 1)
}

// sources serve a record of a fact of the node, one of each of two namespaces, one of a pod without a name, a run and a gap.
func sources() (*memory, Sources) {
	pod := func(namespace string) evidence.Ref {
		return evidence.RefTo("Pod", namespace, "web-0").InContainer("app").InAttempt(1)
	}
	about := func(ref evidence.Ref, uid string) record.Entry {
		return record.Entry{PodUID: uid, Fact: &evidence.Fact{Kind: evidence.Host, Source: evidence.FromKernel, About: ref, Name: "oom-kill", Text: "of " + ref.Namespace}}
	}
	node := evidence.RefTo("Node", "", "n1")
	m := newMemory(
		about(node, ""), about(pod("shop"), "uid-shop"), about(pod("bank"), "uid-bank"), about(node, "uid-unknown"),
		record.Entry{PodUID: "uid-shop", Run: &record.Run{Of: pod("shop"), ID: "c1", State: record.Running}},
		record.Entry{Gap: &record.Gap{About: node, What: "kernel", Why: "overrun"}},
	)
	return m, Sources{
		Read: m.read, Wait: m.wait, Span: m.span,
		Runs: func() []record.Entry {
			return []record.Entry{{PodUID: "uid-bank", Run: &record.Run{Of: pod("bank"), ID: "c2"}}, {PodUID: "uid-shop", Run: &record.Run{Of: pod("shop"), ID: "c1"}}}
		},
		Log: func(uid, container string, attempt int) (Log, error) {
			namespace, ok := strings.CutPrefix(uid, "uid-")
			if !ok || container != "app" || attempt != 1 {
				return Log{}, ErrNoLog
			}
			return Log{Of: pod(namespace), Open: func() (io.ReadCloser, string, error) {
				return io.NopCloser(strings.NewReader("hello of " + namespace)), "the first\nlines", nil
			}}, nil
		},
		Saturation: func() []record.Entry { return []record.Entry{about(node, "")} },
		Features:   func() map[string]string { return map[string]string{"signals": "no tracefs", "kernel": ""} },
		Metrics:    func(w io.Writer) { _, _ = io.WriteString(w, "inquest_up 1\n") },
	}
}

// A served is a server that runs, and a client of it.
type served struct {
	*Server
	t      *testing.T
	url    string
	client *http.Client
}

func start(t *testing.T, api *API, from Sources, change func(*Server)) *served {
	t.Helper()
	s, err := New(Options{Node: "n1", Listen: "127.0.0.1:0", API: api, Sources: from})
	if err != nil {
		t.Fatal(err)
	}
	s.door.of, s.door.all = rate{}, rate{} // all tests have one address
	if change != nil {
		change(s)
	}
	listener, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust(t, s), DisableCompression: true}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &served{Server: s, t: t, url: "https://" + listener.Addr().String(), client: client}
}

// trust is how a client takes the server's own certificate for good.
func trust(t *testing.T, s *Server) *tls.Config {
	t.Helper()
	leaf, err := x509.ParseCertificate(s.http.TLSConfig.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, ServerName: "inquest-agent", MinVersion: tls.VersionTLS13}
}

// A head is an answer but its body.
type head struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// get sends a request with a token; the answer's body is read to its end.
func (s *served) get(path, token string) (head, string) {
	s.t.Helper()
	h, in := s.open(s.t.Context(), path, token)
	body, err := io.ReadAll(in)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return h, string(body)
}

// open sends a request; its body can be read until the test ends.
func (s *served) open(ctx context.Context, path, token string) (head, io.Reader) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set(record.TokenHeader, token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return head{resp.Status, resp.StatusCode, resp.Header}, resp.Body
}

// answer reads an answer of entries and its last line.
func (s *served) answer(path, token string) ([]record.Entry, record.Tail) {
	s.t.Helper()
	resp, body := s.get(path, token)
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s: %s", path, resp.Status, body)
	}
	var list []record.Entry
	var tail record.Tail
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	for i, line := range lines {
		if i == len(lines)-1 {
			if err := json.Unmarshal([]byte(line), &tail); err != nil || tail.Node != "n1" {
				s.t.Fatalf("%s ends in %s: %v", path, line, err)
			}
			break
		}
		var e record.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		list = append(list, e)
	}
	return list, tail
}
