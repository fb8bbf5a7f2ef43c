// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"github.com/spf13/pflag"
)

// serveFor reads a command line and says what is wrong with it.
func serveFor(t *testing.T, args ...string) (*serveOptions, error) {
	t.Helper()
	o := newServeOptions()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.fromEnvironment(flags); err != nil {
		return o, err
	}
	return o, o.Validate(flags.Args())
}

func TestServeOptions(t *testing.T) {
	for line, says := range map[string]string{
		"":                                 "",
		"--listen [::1]:0":                 "",
		"--listen localhost:1":             "",
		"--listen :8737":                   "--access cluster",
		"--listen 0.0.0.0:8737":            "lets the network in",
		"--listen 127.0.0.1:1,10.0.0.1:2":  "--listen 10.0.0.1:2 lets the network in",
		"--listen example.org:80":          "lets the network in",
		"--listen 8737":                    "is no address",
		"--listen=":                        "--listen",
		"--listen :8737 --access cluster":  "",
		"--listen :8737 --access loopback": "lets the network in",
		"--access open":                    `unknown --access "open"`,
		"--access cluster --from x":        "there is none",
		"pod":                              "takes no names",
		"--tls-cert-file a":                "or neither",
		"--lease a/b":                      "one database",
		"--lease a --db postgres://x":      "NAMESPACE/NAME",
		"--lease a/b --db postgres://x":    "",
		"--lease a/b --db postgres://x --lease-duration 1s": "between",
		"--lease a/b --from x":                              "nothing to take turns at",
		"--from x --notify y":                               "--notify is about what is yet to happen",
		"-n shop -n bank,till":                              "",
		"-n shop --from x":                                  "--namespace is about what is yet to happen",
		"--from x --events":                                 "--events is about what is yet to happen",
		"--from x --keep 1h":                                "--keep is about what is yet to happen",
		"--from x --keep-events 1h":                         "--keep-events is about what is yet to happen",
		"--from x --keep-size 1Gi":                          "--keep-size is about what is yet to happen",
		"--from x --metrics-listen :0":                      "",
		"--notify y --events --keep 1h":                     "",
		"--oidc-issuer https://x":                           "add --access cluster",
		"--access cluster --oidc-issuer https://x":          "needs --oidc-client-id",
	} {
		_, err := serveFor(t, strings.Fields(line)...)
		if got := ""; says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v%s, expected %q", line, err, got, says)
		}
	}
}

func TestServeEnvironment(t *testing.T) {
	t.Setenv("INQUEST_DB", "postgres://inquest@db/inquest")
	t.Setenv("INQUEST_LISTEN", "127.0.0.1:1,127.0.0.1:2")
	t.Setenv("INQUEST_CONTEXT", "other")
	o, err := serveFor(t, "--db", "mine.db")
	if err != nil || o.database != "mine.db" || len(o.listen) != 2 || *o.config.Context != "" {
		t.Errorf("%+v, %v", o, err)
	}
	t.Setenv("INQUEST_LEASE_DURATION", "soon")
	if _, err := serveFor(t); err == nil || !strings.Contains(err.Error(), "$INQUEST_LEASE_DURATION") {
		t.Errorf("%v", err)
	}
}

func writePair(t *testing.T, cert, key string, at time.Time) {
	t.Helper()
	pair, err := selfMade(at)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPairFiles: a certificate that is replaced is served without a new start, and one that is half replaced is not.
func TestPairFiles(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	f := &pairFiles{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), now: func() time.Time { return now }}
	if _, err := f.pair(nil); err == nil {
		t.Error("there is none, and it is served")
	}
	writePair(t, f.cert, f.key, now.Add(-time.Hour))
	first, err := f.pair(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.cert, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookAtKeys)
	if again, err := f.pair(nil); err != nil || again != first {
		t.Errorf("half of a new one: %v", err)
	}
	writePair(t, f.cert, f.key, now)
	if again, err := f.pair(nil); err != nil || again != first {
		t.Errorf("it is looked at too often: %v", err)
	}
	now = now.Add(lookAtKeys)
	if again, err := f.pair(nil); err != nil || again == first {
		t.Errorf("the old one is served: %v", err)
	}
}

// fetch returns the status and the body of what a site answers.
func fetch(t *testing.T, address string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// TestSite serves by TLS and plainly, says whether it is ready, and ends with streams open.
func TestSite(t *testing.T) {
	streaming := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		close(streaming)
		<-r.Context().Done()
	})
	var broken error
	s := &site{handler: mux, ready: func(context.Context) error { return broken }, log: slog.New(slog.DiscardHandler)}
	failed, stop := context.WithCancelCause(t.Context())
	addresses, err := s.open(&serveOptions{listen: []string{"127.0.0.1:0", "0.0.0.0:0"}}, stop)
	if err != nil || !strings.HasPrefix(addresses[0], "http://127.") || !strings.HasPrefix(addresses[1], "https://") {
		t.Fatalf("%v, %v", addresses, err)
	}
	port := addresses[1][strings.LastIndex(addresses[1], ":"):]
	roots := x509.NewCertPool()
	conn, err := tls.Dial("tcp", "127.0.0.1"+port, &tls.Config{ServerName: "inquest", MinVersion: tls.VersionTLS12, RootCAs: roots})
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
		t.Fatalf("%v, %v", conn, err)
	}
	if code, _ := fetch(t, addresses[0]+"/readyz"); code != http.StatusOK {
		t.Errorf("ready: %d", code)
	}
	broken = errors.New("password of the database")
	if code, body := fetch(t, addresses[0]+"/readyz"); code != http.StatusServiceUnavailable || strings.Contains(body, "password") {
		t.Errorf("not ready: %d %s", code, body)
	}
	if code, _ := fetch(t, addresses[0]+"/livez"); code != http.StatusOK {
		t.Errorf("alive: %d", code)
	}
	listened := make(chan int, 1)
	go func() {
		code, _ := fetch(t, addresses[0]+"/live") // until it ends
		listened <- code
	}()
	<-streaming
	s.close()
	if code := <-listened; code != http.StatusOK {
		t.Errorf("the stream: %d", code)
	}
	if failed.Err() != nil {
		t.Errorf("it did not end well: %v", context.Cause(failed))
	}
}

// TestServeFrom shows recorded incidents, without a cluster, until it is told to stop. What is no recording is left out.
func TestServeFrom(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "liveness-kill"), os.DirFS(filepath.Join("..", "..", "examples", "liveness-kill"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "README.txt"), []byte("what happened on Monday"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- Main(ctx, []string{"serve", "--from", folder, "--listen", "127.0.0.1:0"}, strings.NewReader(""), in, io.Discard)
		in.Close()
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_, link, _ := strings.Cut(strings.TrimSpace(string(line[:n])), ": ")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	jar := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := jar.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	base, _, _ := strings.Cut(link, "/login")
	r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/incidents", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(resp.Cookies()[0])
	if resp, err = jar.Do(r); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "PRB001") {
		t.Errorf("%d %.300s, %v", resp.StatusCode, body, err)
	}
	stop()
	if status := <-done; status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestDemo: make demo ends with the link of a console that is served, whatever its output goes to.
func TestDemo(t *testing.T) {
	data, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(data), "\ndemo:")
	recipe, _, _ = strings.Cut(recipe, "\n\n")
	lines := strings.Split(recipe, "\n")
	if last := lines[len(lines)-1]; last != "\t@$(GO) run ./cmd/inquest serve --from examples/ --listen 127.0.0.1:0" {
		t.Errorf("it ends with %q", last)
	}
}

// TestServeFromNothing names what is in the way where nothing can be shown.
func TestServeFromNothing(t *testing.T) {
	note := filepath.Join(t.TempDir(), "README.txt")
	if err := os.WriteFile(note, []byte("what happened on Monday"), 0o600); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	status := Main(t.Context(), []string{"serve", "--from", filepath.Dir(note), "--listen", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, &told)
	if status == 0 || !strings.Contains(told.String(), note) {
		t.Errorf("exit status %d, told %q", status, told.String())
	}
}
