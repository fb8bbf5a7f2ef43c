// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package tell

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// An apiServer is a real one without nodes, of the lab's programs.
type apiServer struct {
	t        *testing.T
	programs string
	url      string
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	s := &apiServer{t: t, programs: filepath.Join(cache, "inquest-lab", "cache", "bin")}
	dir, clients, peers, secure := t.TempDir(), "http://"+port(t), "http://"+port(t), port(t)
	s.url = "https://" + secure
	start(t, clients+"/health", filepath.Join(s.programs, "hyperkube"), "etcd", "--name=e", "--data-dir="+filepath.Join(dir, "etcd"),
		"--listen-client-urls="+clients, "--advertise-client-urls="+clients, "--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=e="+peers)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	keyFile, tokens := filepath.Join(dir, "key"), filepath.Join(dir, "tokens")
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600))
	must(t, os.WriteFile(tokens, []byte("admin,admin,1,system:masters\nteller,teller,2\n"), 0o600))
	host, number, err := net.SplitHostPort(secure)
	must(t, err)
	run(t, filepath.Join(s.programs, "hyperkube"), "kube-apiserver", "--etcd-servers="+clients, "--bind-address="+host, "--secure-port="+number,
		"--cert-dir="+filepath.Join(dir, "certs"), "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
		"--token-auth-file="+tokens, "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+keyFile,
		"--service-account-signing-key-file="+keyFile, "--disable-admission-plugins=ServiceAccount")
	eventually(t, "the API server is ready", func() bool {
		return s.client("admin").Get().AbsPath("/readyz").Do(t.Context()).Error() == nil
	})
	return s
}

func (s *apiServer) client(user string) rest.Interface {
	s.t.Helper()
	c, err := rest.RESTClientFor(&rest.Config{
		Host: s.url, APIPath: "/api", BearerToken: user, QPS: -1, Timeout: patience, TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		ContentConfig: rest.ContentConfig{GroupVersion: &corev1.SchemeGroupVersion, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	})
	must(s.t, err)
	return c
}

// kubectl runs the real one, with something on its standard input.
func (s *apiServer) kubectl(in string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, "kubectl"), append([]string{
		"--server=" + s.url, "--insecure-skip-tls-verify", "--token=admin", "--cache-dir=" + s.t.TempDir(), "--kubeconfig=/dev/null",
	}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("kubectl %s: %v: %s", args[0], err, out)
	}
	return string(out)
}

const shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: app, image: x}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {containers: [{name: app, image: x}], automountServiceAccountToken: false}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: inquest-reader}
subjects: [{kind: User, name: teller}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: writes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: inquest-events}
subjects: [{kind: User, name: teller}]
`

// TestEvents: kubectl describe shows the verdict on the pod and its workload, once, written with the roles that are
// shipped for it.
func TestEvents(t *testing.T) {
	s := newAPIServer(t)
	s.kubectl(shop, "apply", "-f", "-")
	s.kubectl("", "apply", "-f", "../../deploy/rbac/reader.yaml", "-f", "../../deploy/rbac/events.yaml")
	w := newWorld(t)
	w.when = time.Now()
	uid := s.kubectl("", "get", "pod", "web-0", "-n", "shop", "-o", "jsonpath={.metadata.uid}")
	workload, message := evidence.RefTo("Deployment", "shop", "web"), "container app was killed at its memory limit of 256Mi \x1b[31m"
	for _, pod := range []struct{ name, namespace, uid string }{{"web-0", "shop", uid}, {"gone", "nowhere", "gone"}} {
		must(t, w.Store.Record(t.Context(), history.Death{
			Cluster: cluster, PodUID: pod.uid, Of: evidence.RefTo("Pod", pod.namespace, pod.name).InContainer("app").InAttempt(0), Workload: workload,
			Finished: w.now(), Verdict: &history.Verdict{Rule: "MEM001", Confidence: "certain", Message: message, Thing: workload, Settled: true},
		}))
	}
	for range 3 { // as three replicas would, or one that crashed twice
		a := &Announcer{Store: w.Store, Cluster: cluster, Client: s.client("teller"), Instance: "test", Console: "https://inquest.example.com", Log: slog.New(slog.DiscardHandler), Now: w.now, All: spaces()}
		must(t, a.look(t.Context()))
		must(t, a.look(t.Context()))
	}
	events := s.kubectl("", "get", "events.events.k8s.io", "-n", "shop", "-o", "jsonpath={range .items[*]}{.regarding.kind} {.reason} {.type}{\"\\n\"}{end}")
	lines := strings.Split(strings.TrimSpace(events), "\n")
	slices.Sort(lines)
	want(t, "Events", strings.Join(lines, ", "), "Deployment InquestMEM001 Warning, Pod InquestMEM001 Warning")
	for of, more := range map[string]string{"pod/web-0": "256Mi \\x1b[31m; https://inquest.example.com/incidents/", "deployment/web": "(1 death in 1 pod)"} {
		text := s.kubectl("", "describe", of, "-n", "shop")
		if !strings.Contains(text, "Warning  InquestMEM001") || !strings.Contains(text, "kubeinquest.io/inquest") || !strings.Contains(text, more) {
			t.Errorf("%s: %s", of, text)
		}
	}
}
