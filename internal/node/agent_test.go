// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/serve"
	"github.com/kubeinquest/inquest/internal/node/tail"
	"github.com/kubeinquest/inquest/internal/record"
)

func noEnv(string) string { return "" }

func TestParseConfig(t *testing.T) {
	env := map[string]string{"NODE_NAME": "n1", "INQUEST_POD_LOGS": "/host/logs", "INQUEST_FEATURES": "logs, kernel"}
	c, err := parseConfig([]string{"--pod-logs=/flag/logs", "--record-mib", "8"}, func(name string) string { return env[name] }, io.Discard)
	if err != nil || c.Node != "n1" || c.PodLogs != "/flag/logs" || c.RecordMiB != 8 || strings.Join(c.Features, " ") != "logs kernel" {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, args := range []string{
		"", "--node-name=a/b", "--node-name=n1 --features=all", "--node-name=n1 --state-dir=here", "--node-name=n1 --tls-cert-file=x", "--node-name=n1 more",
		"--node-name=n1 --log-format=xml", "--node-name=n1 --api-server=http://x", "--node-name=n1 --record-mib=0", "--node-name=n1 --logs-mib=-1", "--node-name=n1 --unknown",
		"--node-name=n1 --canary-every=1s",
	} {
		var stderr bytes.Buffer
		if status := Main(t.Context(), strings.Fields(args), noEnv, io.Discard, &stderr); status != 1 || !strings.HasPrefix(stderr.String(), "inquest-agent: ") {
			t.Errorf("%q gives %d: %s", args, status, &stderr)
		}
	}
	if _, err := parseConfig(nil, func(name string) string { return map[string]string{"INQUEST_RECORD_MIB": "many"}[name] }, io.Discard); err == nil || !strings.Contains(err.Error(), "$INQUEST_RECORD_MIB") {
		t.Errorf("a number that is none: %v", err)
	}
	var stdout bytes.Buffer
	if status := Main(t.Context(), []string{"--help"}, noEnv, &stdout, io.Discard); status != 0 || !strings.Contains(stdout.String(), "--node-name") {
		t.Errorf("--help gives %d: %s", status, &stdout)
	}
	if status := Main(t.Context(), []string{"--node-name=n1", "--state-dir=/proc/none"}, noEnv, io.Discard, io.Discard); status != 1 {
		t.Errorf("outside a cluster: %d", status)
	}
}

// TestFeatures: what fails is a gap once, is tried again, and a gap tells how long it did not work.
func TestFeatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		begun := time.Now()
		f := newFeatures("n1", func(e record.Entry) {
			to := "now"
			if !e.Gap.To.IsZero() {
				to = e.Gap.To.Sub(begun).String()
			}
			told = append(told, fmt.Sprintf("%s from %s to %s: %s", e.Gap.What, e.Gap.From.Sub(begun), to, e.Gap.Why))
		}, slog.New(slog.DiscardHandler))
		if why := f.all()[featureKernel]; why != off {
			t.Errorf("at first: %q", why)
		}
		f.set(featureKernel, starting)
		if f.ready() == nil {
			t.Error("it is ready while it starts")
		}
		times := 0
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			f.keep(ctx, feature{featureKernel, func(ctx context.Context) error {
				switch times++; times {
				case 1:
					return errors.New("no device")
				case 2:
					panic("bad")
				case 3:
					return nil
				}
				<-ctx.Done()
				return nil
			}})
		})
		synctest.Wait()
		if why := f.all()[featureKernel]; why != "no device" || f.ready() != nil {
			t.Errorf("when it failed: %q, %v", why, f.ready())
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if why := f.all()[featureKernel]; why != "" || times != 4 {
			t.Errorf("after a minute and %d times: %q", times, why)
		}
		stop()
		group.Wait()
		want := []string{"kernel from 0s to now: no device", "kernel from 0s to 37s: it did not work"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestFeatureIsTriedAgain: until it works, the answer is why it failed.
func TestFeatureIsTriedAgain(t *testing.T) {
	f := newFeatures("n1", func(record.Entry) {}, slog.New(slog.DiscardHandler))
	if f.begin(featureKernel); f.all()[featureKernel] != starting {
		t.Errorf("at first: %q", f.all()[featureKernel])
	}
	f.failed(featureKernel, errors.New("no device"))
	turn := f.begin(featureKernel)
	if why := f.all()[featureKernel]; why != "no device" || f.ready() != nil {
		t.Errorf("while it is tried again: %q, %v", why, f.ready())
	}
	if f.works(featureKernel, turn); f.all()[featureKernel] != "" {
		t.Errorf("when it works: %q", f.all()[featureKernel])
	}
}

// TestRoomsThatEnded: a reader that has ended is not asked any more.
func TestRoomsThatEnded(t *testing.T) {
	a := &agent{c: Config{Node: "n1", PodLogs: t.TempDir(), StateDir: t.TempDir(), LogsMiB: 1, Cgroup: t.TempDir(), Proc: "/proc"}}
	if err := os.WriteFile(filepath.Join(a.c.Cgroup, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := errors.Join(a.runLogs(ctx), a.runUsage(ctx)); err != nil {
		t.Fatal(err)
	}
	if list := a.saturation(); list != nil {
		t.Errorf("in use is %v", list)
	}
	if _, err := a.findLog("u", "app", 0); !errors.Is(err, serve.ErrNoLog) {
		t.Errorf("after its end: %v", err)
	}
}

// TestRelease: the program runs on without its pages, and has fewer.
func TestRelease(t *testing.T) {
	resident := func() (kib int) {
		data, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "RssFile:")
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			t.Fatal(err)
		}
		return kib
	}
	before := resident()
	release()
	if after := resident(); after >= before {
		t.Errorf("%d KiB of the program's pages before, %d after", before, after)
	}
}

// TestKeptLogs: of a room that is not there no log can be had, whatever it had before.
func TestKeptLogs(t *testing.T) {
	key := tail.Key{PodUID: "u", Container: "app"}
	k := kept{has: map[tail.Key]bool{key: true}}
	if has := k.list(nil); has[key] {
		t.Error("a log that nobody has can be had")
	}
}

func TestState(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := state{root}
	if p := s.position(); p.Boot != "" {
		t.Errorf("the position in nothing is %+v", p)
	}
	p := s.position()
	p.Boot, p.Seq = "b", 7
	if err := s.savePosition(p); err != nil || s.position() != p {
		t.Errorf("kept %+v, %v", s.position(), err)
	}
	if err := s.write(positionFile, []byte("{")); err != nil || s.position().Boot != "" {
		t.Errorf("of a torn file: %+v, %v", s.position(), err)
	}
	run := record.Entry{PodUID: "u", Run: &record.Run{ID: "c1", Of: evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(1)}}
	if err := s.saveRuns([]record.Entry{run, run}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root.Name(), "more"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []record.Entry
	s.runs(func(e record.Entry) { got = append(got, e) })
	if len(got) != 2 || got[0].Run.ID != "c1" {
		t.Errorf("the runs are %+v", got)
	}
	e := withLog(run, map[tail.Key]bool{{PodUID: "u", Container: "app", Attempt: 1}: true})
	if !e.Run.Log || run.Run.Log {
		t.Errorf("its log is there: %v, before: %v", e.Run.Log, run.Run.Log)
	}
}

// yes is an API server that lets a token named good read everything, with its files in a directory: it serves as authority
// and as key pair of the agent as well.
func yes(t *testing.T) (server *httptest.Server, dir string) {
	t.Helper()
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		good := strings.Contains(string(body), `"good"`)
		_, _ = fmt.Fprintf(w, `{"status":{"authenticated":%v,"allowed":%[1]v,"user":{"username":"good"},"audiences":["inquest-agent/n1"]}}`, good)
	}))
	t.Cleanup(server.Close)
	dir = t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"token":  []byte("own"),
		"ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		"key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return server, dir
}

// TestRun runs an agent twice over the same state and asks it what it knows.
func TestRun(t *testing.T) {
	api, account := yes(t)
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--node-name=n1", "--listen=127.0.0.1:0", "--state-dir=" + filepath.Join(dir, "state"), "--pod-logs=" + logs, "--log-format=json", "--features=logs,runtime",
		"--runtime-endpoint=" + filepath.Join(dir, "none", "none.sock"), "--api-server=" + api.URL, "--service-account-dir=" + account,
		"--tls-cert-file=" + filepath.Join(account, "ca.crt"), "--tls-private-key-file=" + filepath.Join(account, "key"),
	}
	var whys []string
	for life := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out, stderr := io.Pipe()
		ended := make(chan int)
		go func() {
			ended <- Main(ctx, args, noEnv, io.Discard, stderr)
			_ = stderr.Close()
		}()
		url := addressIn(t, out)
		whys = append(whys, gapsOf(t, api.Client(), url+"/v1/entries?follow=1&what=gaps", life+1))
		metrics := ask(t, api.Client(), url+"/metrics")
		for _, want := range []string{`inquest_agent_feature_up{feature="kernel"} 0`, "# TYPE inquest_agent_record_entries_total counter", "inquest_agent_resident_memory_bytes "} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics have no %s:\n%s", want, metrics)
			}
		}
		stop()
		if status := <-ended; status != 0 {
			t.Errorf("the agent ends with %d", status)
		}
	}
	if !strings.HasPrefix(whys[0], "runtime: ") || !strings.Contains(whys[1], "record: the agent did not run") {
		t.Errorf("the gaps are %q", whys)
	}
}

// addressIn reads from the agent's log where it listens, and the rest of it away.
func addressIn(t *testing.T, log io.Reader) string {
	t.Helper()
	var line struct{ Msg, Listen string }
	lines := json.NewDecoder(log)
	if err := lines.Decode(&line); err != nil || line.Listen == "" {
		t.Fatalf("the first line of the log is %+v, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, io.MultiReader(lines.Buffered(), log)) }()
	return "https://" + line.Listen
}

func request(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(record.TokenHeader, "good")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func ask(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp := request(t, client, url)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v: %s", url, resp.Status, err, body)
	}
	return string(body)
}

// gapsOf follows the record until the runtime was told so many times to be missing.
func gapsOf(t *testing.T, client *http.Client, url string, times int) string {
	t.Helper()
	resp := request(t, client, url)
	defer resp.Body.Close()
	var whys []string
	for lines := json.NewDecoder(resp.Body); times > 0; {
		var e record.Entry
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Gap != nil {
			whys = append(whys, e.Gap.What+": "+e.Gap.Why)
		}
		if e.Gap != nil && e.Gap.What == featureRuntime {
			times--
		}
	}
	return strings.Join(whys, "\n")
}
