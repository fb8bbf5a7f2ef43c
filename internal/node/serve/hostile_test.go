// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// dial opens a connection to a server that says what it likes.
func (s *served) dial() *tls.Conn {
	s.t.Helper()
	dialer := tls.Dialer{Config: trust(s.t, s.Server)}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		s.t.Fatal(err)
	}
	c, ok := conn.(*tls.Conn)
	if !ok {
		s.t.Fatalf("a connection is %T", conn)
	}
	s.t.Cleanup(func() { _ = c.Close() }) // most are closed by then
	return c
}

func TestHostileRequests(t *testing.T) {
	fake, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	const head = " HTTP/1.1\r\nHost: x\r\nInquest-Token: admin\r\n"
	for name, c := range map[string]struct {
		send string
		want string
	}{
		"post":              {"POST /v1/entries" + head + "\r\n", "405"},
		"head":              {"HEAD /v1/entries" + head + "\r\n", "405"},
		"connect":           {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "405"},
		"body":              {"GET /v1/entries" + head + "Content-Length: 1000000\r\n\r\nx", "400"},
		"chunks":            {"GET /healthz" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\n", "400"},
		"both lengths":      {"GET /healthz" + head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"great header":      {"GET /healthz" + head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		"many headers":      {"GET /healthz" + head + strings.Repeat("X: x\r\n", 10<<10) + "\r\n", "431"},
		"great path":        {"GET /" + strings.Repeat("x", 64<<10) + head + "\r\n", "431"},
		"up":                {"GET /v1/../healthz" + head + "\r\n", "404"},
		"up, escaped":       {"GET /v1/%2e%2e/healthz" + head + "\r\n", "404"},
		"two slashes":       {"GET //v1/entries" + head + "\r\n", "404"},
		"slash at the end":  {"GET /v1/entries/" + head + "\r\n", "404"},
		"nul":               {"GET /v1/entries%00" + head + "\r\n", "404"},
		"another host":      {"GET http://elsewhere/healthz" + head + "\r\n", "200"},
		"no version":        {"GET /healthz\r\n\r\n", "400"},
		"no HTTP":           {"\x16\x03\x01\x02\x00\r\n\r\n", "400"},
		"header in header":  {"GET /healthz" + head + "X: a\rb\r\n\r\n", "400"},
		"log above":         {"GET /v1/log?pod=..%2f..%2fetc&container=app&attempt=1" + head + "\r\n", "400"},
		"log with a slash":  {"GET /v1/log?pod=uid-shop&container=a%2fb&attempt=1" + head + "\r\n", "400"},
		"log of a far time": {"GET /v1/log?pod=uid-shop&container=app&attempt=99999999999" + head + "\r\n", "400"},
	} {
		conn := s.dial()
		go func() { _, _ = io.WriteString(conn, c.send) }() // the server may close before it has all
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(resp.Status, c.want) {
			t.Errorf("%s gives %s, want %s", name, resp.Status, c.want)
		}
		_ = conn.Close() // first: the answer to HEAD has a length and no body
		resp.Body.Close()
	}
	if asked := fake.requests(); len(asked) > 2 {
		t.Errorf("the API server was asked %q", asked)
	}
}

// TestSlowClients: who does not send a request, or does not take the answer, is let go.
func TestSlowClients(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	long := newMemory()
	for range 1000 {
		long.add(record.Entry{Fact: &evidence.Fact{About: evidence.RefTo("Node", "", "n1"), Text: strings.Repeat("x", 20<<10)}})
	}
	from.Read, from.Span = long.read, long.span
	impatient := start(t, api, from, func(s *Server) { s.http.ReadHeaderTimeout = 500 * time.Millisecond })
	silent := impatient.dial()
	if _, err := io.WriteString(silent, "GET /healthz HTTP/1.1\r\nX"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, silent); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("it ends with %v", err)
	}
	s := start(t, api, from, func(s *Server) { s.slowest, s.pace.rate = 50*time.Millisecond, 1<<40 })
	deaf := s.dial()
	if _, err := io.WriteString(deaf, "GET /v1/entries HTTP/1.1\r\nHost: x\r\nInquest-Token: admin\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := deaf.Read(one); err != nil {
		t.Fatal(err)
	}
	for range mostRequests { // each place is free again, so the deaf one has lost its own
		s.requests <- struct{}{}
	}
	for range mostRequests {
		<-s.requests
	}
}

// TestBusy: one request too many is told to come again.
func TestBusy(t *testing.T) {
	fake, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	hold := make(chan struct{})
	fake.set(func() { fake.hold = hold })
	var group sync.WaitGroup
	for i := range mostRequests {
		group.Go(func() {
			w := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, "/v1/runs", nil)
			req.Header.Set(record.TokenHeader, fmt.Sprint("unknown", i))
			s.handle(w, req)
			if w.Code != http.StatusUnauthorized && w.Code != http.StatusServiceUnavailable {
				t.Errorf("a request that waited gets %d", w.Code)
			}
		})
	}
	for len(s.requests) < mostRequests {
		if resp, _ := s.get("/healthz", ""); resp.StatusCode != http.StatusOK {
			t.Errorf("whether it is alive: %s", resp.Status)
		}
	}
	if resp, _ := s.get("/v1/runs", "admin"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("one too many gets %s", resp.Status)
	}
	close(hold)
	group.Wait()
}

// TestCrowd: whoever holds connections open keeps nobody out.
func TestCrowd(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	var held []*tls.Conn
	for range mostClients + 20 {
		held = append(held, s.dial())
	}
	if resp, _ := s.get("/v1/entries", "reader"); resp.StatusCode != http.StatusOK {
		t.Errorf("in a crowd: %s", resp.Status)
	}
	if _, err := held[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest is still there")
	}
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	if s.crowd.count > mostClients+1 {
		t.Errorf("%d connections", s.crowd.count)
	}
}

// TestCrowdOfOneAddress: whoever opens connections without end, and begins a request in each, ends those of nobody else.
func TestCrowdOfOneAddress(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := (&tls.Dialer{NetDialer: elsewhere, Config: trust(t, s.Server)}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for range 2 {
		for range mostClients + 20 {
			if _, err := io.WriteString(s.dial(), "GET /healthz HTTP/1.1\r\nX"); err != nil {
				t.Logf("one of too many: %v", err)
			}
		}
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("somebody else has lost the connection: %v", err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("somebody else gets %s, %v", resp.Status, err)
		}
	}
}

// TestOddAPIServer: whatever the API server answers, nobody reads who may not, and the answer says that it cannot be asked.
func TestOddAPIServer(t *testing.T) {
	for name, c := range map[string]struct {
		instead http.HandlerFunc
		want    int
	}{
		"error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "etcd is down", http.StatusInternalServerError)
		}, 503},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 503},
		"busy":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, 503},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, 503},
		"empty":     {func(http.ResponseWriter, *http.Request) {}, 503},
		"endless":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, io.LimitReader(forever{}, 8<<20)) }, 503},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, 503},
		"hangs up":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
		"null":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "null") }, 401},
		"no status":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"kind":"Status"}`) }, 401},
		"no user":       {says(`{"authenticated":true,"audiences":["inquest-agent/n1"]}`), 401},
		"anonymous":     {says(`{"authenticated":true,"audiences":["inquest-agent/n1"],"user":{"username":"system:anonymous"}}`), 401},
		"no audience":   {says(`{"authenticated":true,"user":{"username":"admin"}}`), 401},
		"else audience": {says(`{"authenticated":true,"user":{"username":"admin"},"audiences":["https://kubernetes.default.svc"]}`), 401},
		"not allowed":   {says(`{"authenticated":true,"user":{"username":"admin"},"audiences":["inquest-agent/n1"]}`), 403},
		"denied":        {says(`{"authenticated":true,"user":{"username":"admin"},"audiences":["inquest-agent/n1"],"allowed":true,"denied":true}`), 403},
	} {
		fake, api := newAPI(t)
		_, from := sources()
		s := start(t, api, from, nil)
		fake.set(func() { fake.instead = c.instead })
		if resp, body := s.get("/v1/entries", "admin"); resp.StatusCode != c.want || strings.Contains(body, "etcd") {
			t.Errorf("%s: %s: %.200s", name, resp.Status, body)
		}
	}
}

func says(status string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"status":%s}`, status) }
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestAPIServerGoesAway: an answer that cannot be finished is none, or says so and where to go on.
func TestAPIServerGoesAway(t *testing.T) {
	fake, api := newAPI(t)
	m, from := sources()
	long := &m.list[0]
	s := start(t, api, from, nil)
	fake.set(func() {
		fake.instead = func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "bank") {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			says(`{"authenticated":true,"user":{"username":"admin"},"audiences":["inquest-agent/n1"],"allowed":true}`)(w, r)
		}
	})
	resp, body := s.get("/v1/entries?since=1", "admin")
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first byte went: %s: %s", resp.Status, body)
	}
	long.Fact = &evidence.Fact{About: evidence.RefTo("Node", "", "n1"), Text: strings.Repeat("x", 2*chunk)}
	list, tail := s.answer("/v1/entries?since=1", "admin")
	if numbers(list) != "1 2" || tail.Next != 3 || tail.Error == "" {
		t.Errorf("after it: %s, %+v", numbers(list), tail)
	}
}

// TestReviewsAreKept: answers are used again for ten seconds, and many who ask at once ask once.
func TestReviewsAreKept(t *testing.T) {
	fake, api := newAPI(t)
	now := time.Now()
	g := &guard{api: api, now: func() time.Time { return now }, kept: map[asked]answer{}}
	c := caller{guard: g, token: "reader", hash: sha256.Sum256([]byte("reader")), audience: record.Audience("n1")}
	hold := make(chan struct{})
	fake.set(func() { fake.hold = hold })
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := c.may(t.Context(), nodeRight("n1")); err != nil {
				t.Error(err)
			}
		})
	}
	close(hold)
	group.Wait()
	if asked := fake.requests(); !slices.Equal(asked, []string{"whose reader", "reader may get nodefacts.kubeinquest.io/n1"}) {
		t.Errorf("asked %q", asked)
	}
	now = now.Add(keepReviews)
	if err := c.may(t.Context(), nodeRight("n1")); err != nil || len(fake.requests()) != 4 {
		t.Errorf("after ten seconds: %v, asked %q", err, fake.requests())
	}
	for i := range 3 * mostKept {
		g.keep(asked{to: right{name: fmt.Sprint(i)}}, answer{until: now.Add(time.Duration(i) * time.Second)})
	}
	if len(g.kept) > mostKept {
		t.Errorf("%d answers are kept", len(g.kept))
	}
}

// TestMadeUpTokens: whoever tries tokens is told to wait, and others are not.
func TestMadeUpTokens(t *testing.T) {
	fake, api := newAPI(t)
	_, from := sources()
	now := time.Now()
	s := start(t, api, from, func(s *Server) { s.guard.now = func() time.Time { return now } })
	try := func(address, token string) int {
		req := httptest.NewRequest(http.MethodGet, "/v1/runs", nil)
		req.RemoteAddr = address
		req.Header.Set(record.TokenHeader, token)
		w := httptest.NewRecorder()
		s.handle(w, req)
		return w.Code
	}
	for i := range 3 * strangerAhead {
		want := http.StatusUnauthorized
		if i >= strangerAhead {
			want = http.StatusTooManyRequests
		}
		if got := try("192.0.2.1:1", fmt.Sprint("made up ", i)[8:]+"x"); got != want {
			t.Fatalf("token %d gives %d, want %d", i, got, want)
		}
	}
	if got := try("192.0.2.2:1", "reader"); got != http.StatusOK {
		t.Errorf("somebody else gets %d", got)
	}
	if got := try("192.0.2.1:2", "reader"); got != http.StatusOK {
		t.Errorf("with a token that is known, that address gets %d", got)
	}
	if asked := fake.requests(); len(asked) > strangerAhead+5 {
		t.Errorf("the API server was asked %d times", len(asked))
	}
	now = now.Add(strangerEvery)
	if got := try("192.0.2.1:3", "another"); got != http.StatusUnauthorized {
		t.Errorf("a while later: %d", got)
	}
	for i := range 2 * mostAddresses {
		s.guard.new.may(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), now)
	}
	if n := len(s.guard.new.free); n > mostAddresses {
		t.Errorf("%d addresses are known", n)
	}
}

// TestAccountIsReplaced: token and authority of the ServiceAccount are read again.
func TestAccountIsReplaced(t *testing.T) {
	fake, api := newAPI(t)
	may := func() error {
		g := &guard{api: api, now: time.Now, kept: map[asked]answer{}}
		c := caller{guard: g, token: "reader", audience: record.Audience("n1")}
		return c.may(t.Context(), nodeRight("n1"))
	}
	fake.write("token", "an old one")
	if err := may(); !errors.Is(err, errUnreachable) || strings.Contains(err.Error(), "old one") {
		t.Errorf("with an old token: %v", err)
	}
	fake.write("token", "the agent's own")
	if err := may(); err != nil {
		t.Errorf("with a new one: %v", err)
	}
	_, other := newAPI(t)
	good := api.Dir
	api.Dir = other.Dir // of another server: the authority is not this one's, the token the same
	fake.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})))
	api.Dir = good
	if err := may(); !errors.Is(err, errUnreachable) {
		t.Errorf("without an authority: %v", err)
	}
}

func TestInCluster(t *testing.T) {
	if _, err := InCluster(func(string) string { return "" }); err == nil {
		t.Error("there is an API server outside a cluster")
	}
	url, err := InCluster(func(name string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}[name]
	})
	if err != nil || url != "https://[fd00::1]:6443" {
		t.Errorf("the API server is at %s, %v", url, err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/v1/entries", "since=1&limit=2&what=facts,gaps&follow=0", "admin")
	f.Add("/v1/log", "pod=uid-shop&container=app&attempt=1", "reader")
	f.Add("/v1/entries", "namespace=shop&pod=web-0&container=app&ring=r1", "Bearer x")
	f.Fuzz(func(t *testing.T, path, query, token string) {
		if q, err := parseEntries(query); err == nil && (q.limit < 1 || q.limit > mostEntries) {
			t.Errorf("%q: limit %d", query, q.limit)
		}
		if q, err := parseQuery(query, "pod", "container", "attempt"); err == nil && strings.ContainsAny(q["pod"]+q["container"], "/\x00\n") {
			t.Errorf("%q: %q", query, q)
		}
		if strings.ContainsAny(oneLine(path), "\r\n\x00") {
			t.Errorf("%q is not one line", oneLine(path))
		}
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path, req.URL.RawQuery = path, query
		req.Header.Set(record.TokenHeader, token)
		s := &Server{o: Options{Node: "n1"}, guard: &guard{node: "n1", api: NewAPI("http://127.0.0.1:0", t.TempDir()), now: time.Now, kept: map[asked]answer{}},
			requests: make(chan struct{}, 1), answers: map[int]int64{}, pace: &pace{rate: 1 << 30}}
		s.o.Log = slog.New(slog.DiscardHandler)
		w := httptest.NewRecorder()
		s.handle(w, req)
		if w.Code == http.StatusOK && path != "/healthz" && path != "/readyz" {
			t.Errorf("%q is answered without the API server", path)
		}
	})
}
