// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/record"
)

// A cluster is a real API server without nodes.
type cluster struct {
	t      *testing.T
	url    string
	dir    string
	client *http.Client
}

// newCluster starts etcd and kube-apiserver, of the lab's cache.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "inquest-lab", "cache", "bin", "hyperkube")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the lab's programs are missing, build them by make lab-up: %v", err)
	}
	c := &cluster{t: t, dir: t.TempDir()}
	client, peer, secure := freePort(t), freePort(t), freePort(t)
	c.run(program, "etcd", "--name=e", "--data-dir="+filepath.Join(c.dir, "etcd"), "--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=e=http://"+peer)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	c.write("tokens", []byte("admin,admin,1,system:masters\n"))
	host, port, err := net.SplitHostPort(secure)
	if err != nil {
		t.Fatal(err)
	}
	certs := filepath.Join(c.dir, "certs")
	c.run(program, "kube-apiserver", "--etcd-servers=http://"+client, "--bind-address="+host, "--secure-port="+port, "--cert-dir="+certs,
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--token-auth-file="+c.file("tokens"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.file("sa.key"), "--service-account-signing-key-file="+c.file("sa.key"),
		"--disable-admission-plugins=ServiceAccount", "--allow-privileged=true")
	c.url = "https://" + secure
	c.ready(filepath.Join(certs, "apiserver.crt"))
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) write(name string, data []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.file(name), data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// run starts a program that ends with the test.
func (c *cluster) run(program string, args ...string) {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if c.t.Failed() {
			c.t.Logf("%s: %s", args[0], log.Bytes()[max(0, log.Len()-3000):])
		}
	})
}

// ready waits for the API server, and makes a client that trusts it.
func (c *cluster) ready(certificate string) {
	c.t.Helper()
	deadline, stop := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-deadline.Done():
			c.t.Fatal("the API server does not get ready")
		case <-tick.C:
		}
		authority, err := os.ReadFile(certificate)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(authority) {
			continue
		}
		c.write("ca.crt", authority)
		c.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
		if status, _ := c.ask(http.MethodGet, "/readyz", "admin", nil); status == http.StatusOK {
			return
		}
	}
}

// ask sends a request as whoever has a token; status 0: it was not answered.
func (c *cluster) ask(method, path, token string, body any) (int, []byte) {
	c.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// create makes an object, in its strict form.
func (c *cluster) create(path string, object any) []byte {
	c.t.Helper()
	status, answer := c.ask(http.MethodPost, path+"?fieldValidation=Strict", "admin", object)
	if status != http.StatusCreated {
		c.t.Fatalf("POST %s: %d %s", path, status, answer)
	}
	return answer
}

// apply creates what a file of deploy/agent holds.
func (c *cluster) apply(name string) {
	c.t.Helper()
	data, err := os.ReadFile("../../../deploy/agent/" + name)
	if err != nil {
		c.t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			c.t.Fatal(err)
		}
		kind := fmt.Sprint(object["kind"])
		path := map[string]string{
			"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/inquest/serviceaccounts",
			"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
			"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
			"Role":               "/apis/rbac.authorization.k8s.io/v1/namespaces/inquest/roles",
			"DaemonSet":          "/apis/apps/v1/namespaces/inquest/daemonsets",
		}[kind]
		if path == "" {
			c.t.Fatalf("%s has a %s", name, kind)
		}
		c.create(path, object)
	}
}

// patch changes the agent by a file of deploy/agent, and checks that nothing else is lost by it.
func (c *cluster) patch(name string, wants ...string) {
	c.t.Helper()
	data, err := os.ReadFile("../../../deploy/agent/" + name)
	if err != nil {
		c.t.Fatal(err)
	}
	var change map[string]any
	if err := yaml.Unmarshal(data, &change); err != nil {
		c.t.Fatal(err)
	}
	status, answer := c.ask(http.MethodPatch, "/apis/apps/v1/namespaces/inquest/daemonsets/inquest-agent?fieldValidation=Strict", "admin", change)
	for _, want := range append(wants, `"/var/log/pods"`, "spec.nodeName") {
		if status != http.StatusOK || !strings.Contains(string(answer), want) {
			c.t.Fatalf("patched by %s it has no %s: %d %s", name, want, status, answer)
		}
	}
}

// token makes a token of an account; without an audience one for the API server.
func (c *cluster) token(account string, audiences ...string) string {
	c.t.Helper()
	answer := c.create("/api/v1/namespaces/inquest/serviceaccounts/"+account+"/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"audiences": audiences, "expirationSeconds": 600},
	})
	var made struct{ Status struct{ Token string } }
	if err := json.Unmarshal(answer, &made); err != nil || made.Status.Token == "" {
		c.t.Fatalf("the token of %s: %v", account, err)
	}
	return made.Status.Token
}

// TestRealAPIServer: the roles in deploy/agent let the agent ask, and let its readers read.
func TestRealAPIServer(t *testing.T) {
	c := newCluster(t)
	for _, name := range []string{"agent.yaml", "reader.yaml"} {
		c.apply(name)
	}
	for _, name := range []string{"stranger", "narrow"} {
		c.create("/api/v1/namespaces/inquest/serviceaccounts", map[string]any{"metadata": map[string]any{"name": name}})
	}
	c.patch("canary.yaml", "health,canary", "INQUEST_CANARY_IMAGE")
	c.patch("signals.yaml", "/host/tracing", "kernel,signals", "INQUEST_CANARY_IMAGE")
	c.narrow()
	own := c.token("inquest-agent")
	c.write("token", []byte(own))
	_, from := sources()
	s := start(t, NewAPI(c.url, c.dir), from, nil)
	reader, narrow := c.token("inquest-reader", record.Audience("n1")), c.token("narrow", record.Audience("n1"))
	const log = "/v1/log?container=app&attempt=1&pod="
	for _, q := range []struct {
		path, who, token string
		want             int
	}{
		{"/v1/entries", "reader", reader, 200},
		{log + "uid-bank", "reader", reader, 200},
		{"/metrics", "reader", reader, 403},
		{"/v1/entries", "reader with a token for the API server", c.token("inquest-reader"), 401},
		{"/v1/entries", "stranger", c.token("stranger", record.Audience("n1")), 403},
		{"/v1/entries", "the agent itself", c.token("inquest-agent", record.Audience("n1")), 403},
		{"/v1/entries", "narrow", narrow, 200},
		{log + "uid-shop", "narrow", narrow, 200},
		{log + "uid-bank", "narrow", narrow, 403},
		{"/v1/entries", "a forger", reader[:len(reader)-4] + "AAAA", 401},
		{"/v1/entries", "a static token of an administrator", "admin", 401},
	} {
		if resp, body := s.get(q.path, q.token); resp.StatusCode != q.want {
			t.Errorf("%s for %s: %s: %.300s", q.path, q.who, resp.Status, body)
		}
	}
	if list, tail := s.answer("/v1/entries", narrow); numbers(list) != "1 2 5 6" || tail.Hidden != 2 {
		t.Errorf("narrow sees %s, %d hidden", numbers(list), tail.Hidden)
	}
	for _, path := range []string{"/api/v1/pods", "/api/v1/nodes", "/api/v1/secrets", "/api/v1/namespaces/inquest/pods", "/apis/apps/v1/daemonsets"} {
		if status, _ := c.ask(http.MethodGet, path, own, nil); status != http.StatusForbidden {
			t.Errorf("the agent may read %s: %d", path, status)
		}
	}
	if status, _ := c.ask(http.MethodGet, "/api/v1/pods", reader, nil); status != http.StatusUnauthorized {
		t.Errorf("a token for agents opens the API server: %d", status)
	}
}

// narrow lets an account read one node's facts, and logs in one namespace.
func (c *cluster) narrow() {
	c.t.Helper()
	const rbac = "/apis/rbac.authorization.k8s.io/v1/"
	named := map[string]any{"name": "narrow"}
	rule := func(group, resource string, names ...string) map[string]any {
		return map[string]any{"metadata": named, "rules": []any{map[string]any{"apiGroups": []string{group}, "resources": []string{resource}, "resourceNames": names, "verbs": []string{"get"}}}}
	}
	bind := func(kind string) map[string]any {
		return map[string]any{"metadata": named, "roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "narrow"},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "narrow", "namespace": "inquest"}}}
	}
	c.create("/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": "shop"}})
	c.create(rbac+"clusterroles", rule(record.Group, record.Resource, "n1"))
	c.create(rbac+"clusterrolebindings", bind("ClusterRole"))
	c.create(rbac+"namespaces/shop/roles", rule("", "pods/log"))
	c.create(rbac+"namespaces/shop/rolebindings", bind("Role"))
}
