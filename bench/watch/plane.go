// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A plane is an etcd and a kube-apiserver.
type plane struct {
	dir       string
	url       string
	etcd, api *process
	client    kubernetes.Interface // of who may do all
}

// auditPolicy has noted what the recorder asks, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [inquest]}
- {level: None}
`

func (b *bench) startPlane(ctx context.Context) (p *plane, err error) {
	p = &plane{}
	if p.dir, err = os.MkdirTemp(b.dir, "plane"); err != nil {
		return nil, err
	}
	client, peer, secure := freePort(), freePort(), freePort()
	if p.etcd, err = start(p.file("etcd.log"), nil, b.hyperkube, "etcd", "--name=e", "--data-dir="+p.file("etcd"), "--listen-client-urls=http://"+client,
		"--advertise-client-urls=http://"+client, "--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer,
		"--initial-cluster=e=http://"+peer, "--unsafe-no-fsync", "--quota-backend-bytes=8589934592"); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.write("sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))),
		p.write("tokens", "load,load,1,system:masters\ninquest,inquest,2\n"), p.write("audit.yaml", auditPolicy)); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(secure)
	if err != nil {
		return nil, err
	}
	if p.api, err = start(p.file("api.log"), nil, b.hyperkube, "kube-apiserver", "--etcd-servers=http://"+client, "--bind-address="+host,
		"--secure-port="+port, "--cert-dir="+p.file("certs"), "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--token-auth-file="+p.file("tokens"), "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+p.file("sa.key"), "--service-account-signing-key-file="+p.file("sa.key"),
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition", "--audit-policy-file="+p.file("audit.yaml"), "--audit-log-path="+p.file("audit.log")); err != nil {
		return nil, err
	}
	p.url = "https://" + secure
	return p, p.ready(ctx)
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // what listens there says why it cannot
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *plane) file(name string) string { return filepath.Join(p.dir, name) }

func (p *plane) write(name, text string) error {
	return os.WriteFile(p.file(name), []byte(text), 0o600)
}

func (p *plane) stop() error { return errors.Join(p.api.stop(), p.etcd.stop(), os.RemoveAll(p.dir)) }

// config is that of a client with a token, which asks for protobuf and is not held back.
func (p *plane) config(token string) *rest.Config {
	return &rest.Config{
		Host: p.url, BearerToken: token, QPS: -1, WarningHandler: rest.NoWarnings{}, TLSClientConfig: rest.TLSClientConfig{CAFile: p.file("certs/apiserver.crt")},
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf", AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json"},
	}
}

// ready waits for the API server and lets the recorder read, with a token in a file as in a cluster.
func (p *plane) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	for {
		pause(ctx, 200*time.Millisecond)
		if err := errors.Join(ctx.Err(), p.api.alive(), p.etcd.alive()); err != nil {
			return fmt.Errorf("wait for the API server: %w", err)
		}
		var err error
		if p.client, err = kubernetes.NewForConfig(p.config("load")); err != nil {
			continue
		}
		if _, err := p.client.CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{}); err == nil {
			break
		}
	}
	config := "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n" +
		"users: [{name: u, user: {tokenFile: '" + p.file("token") + "'}}]\nclusters: [{name: c, cluster: {server: '" + p.url + "', certificate-authority: '" + p.file("certs/apiserver.crt") + "'}}]\n"
	return errors.Join(p.write("token", "inquest"), p.write("kubeconfig", config), p.admit(ctx))
}

// admit gives the recorder the right to read, Secrets apart.
func (p *plane) admit(ctx context.Context) error {
	read := []string{"get", "list", "watch"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "inquest"}, Rules: []rbacv1.PolicyRule{
		{Verbs: read, APIGroups: []string{""}, Resources: []string{
			"pods", "pods/log", "events", "nodes", "namespaces", "services", "endpoints", "configmaps", "persistentvolumeclaims", "persistentvolumes",
			"replicationcontrollers", "resourcequotas", "limitranges", "serviceaccounts",
		}},
		{Verbs: read, APIGroups: []string{"apps", "batch", "policy", "autoscaling", "networking.k8s.io", "storage.k8s.io", "scheduling.k8s.io", "discovery.k8s.io",
			"coordination.k8s.io", "admissionregistration.k8s.io", "node.k8s.io", "resource.k8s.io"}, Resources: []string{"*"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "inquest"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "inquest"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "inquest"}},
	}
	_, err := p.client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = p.client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	return err
}

// asked returns how often the recorder asked for what since a moment, by verb and resource. A watch counts when it is
// begun.
func (p *plane) asked(since time.Time) (string, error) {
	f, err := os.Open(p.file("audit.log"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, mib)
	for lines.Scan() {
		var e struct {
			Verb, Stage              string
			RequestReceivedTimestamp metav1.MicroTime
			ObjectRef                struct{ Resource string }
		}
		err := json.Unmarshal(lines.Bytes(), &e)
		if begun := e.Stage == "ResponseStarted"; err == nil && begun == (e.Verb == "watch") && e.RequestReceivedTimestamp.After(since) {
			sum[e.Verb+" "+e.ObjectRef.Resource]++
		}
	}
	var all []string
	for _, what := range slices.Sorted(maps.Keys(sum)) {
		all = append(all, fmt.Sprintf("%s %d", what, sum[what]))
	}
	return strings.Join(all, ", "), lines.Err()
}
