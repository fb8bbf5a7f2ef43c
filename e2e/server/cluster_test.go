// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// inquest is the program under test; the cluster and the database are shared by all tests.
var (
	inquest  string
	control  *cluster
	postgres *database
)

func TestMain(m *testing.M) {
	scratch, err := os.MkdirTemp("", "inquest-server-")
	status := 1
	if err == nil {
		status, err = 1, begin(scratch)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	} else {
		status = m.Run()
	}
	if postgres != nil {
		postgres.stop()
	}
	if control != nil {
		control.stop()
	}
	_ = os.RemoveAll(scratch) // of our own
	os.Exit(status)
}

// begin starts what all tests share.
func begin(scratch string) error {
	inquest = os.Getenv("INQUEST_BIN")
	if inquest == "" {
		inquest = filepath.Join(scratch, "inquest")
		build := exec.Command("go", "build", "-o", inquest, "./cmd/inquest")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build inquest: %w: %s", err, out)
		}
	}
	var err error
	if postgres, err = startPostgres(scratch); err != nil {
		return err
	}
	control, err = startCluster(scratch)
	return err
}

// A cluster is a real API server without nodes. Tokens are the names of users; admin may do all.
type cluster struct {
	*kubernetes.Clientset
	dir, url, etcd string
	program        string // the lab's, which is all of Kubernetes
	stops          []func()
}

// users are whom the API server knows by a token.
var users = []string{"admin,admin,1,system:masters", "sue,sue,2,dev", "bob,bob,3,dev", "eve,eve,4,dev", "nora,nora,5,ops", "calm,calm,6,system:masters", "moved,moved,7,system:masters", "dora,dora,8,dev"}

func startCluster(dir string) (*cluster, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(cache, "inquest-lab", "cache", "bin", "hyperkube")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("the lab's programs are missing, build them by make lab-up: %w", err)
	}
	c := &cluster{dir: dir, program: program}
	client, peer, secure, err := freePorts()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.writeKey(), c.writeUsers(), c.write("audit.json", `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],"rules":[
		{"level":"RequestResponse","resources":[{"group":"authorization.k8s.io","resources":["subjectaccessreviews"]}]},{"level":"Metadata"}]}`)); err != nil {
		return nil, err
	}
	c.url, c.etcd = "https://"+secure, "http://"+client
	if err := errors.Join(
		c.run("etcd", program, "etcd", "--name=e", "--unsafe-no-fsync", "--data-dir="+c.file("etcd"), "--listen-client-urls="+c.etcd, "--advertise-client-urls="+c.etcd,
			"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=e=http://"+peer),
		c.serve("audit.log", secure)); err != nil {
		return nil, err
	}
	c.Clientset, err = c.ready(c.url)
	return c, err
}

// serve starts an API server with an audit log of that name; before are words before its command.
func (c *cluster) serve(audit, secure string, before ...string) error {
	host, port, err := net.SplitHostPort(secure)
	if err != nil {
		return err
	}
	return c.run("kube-apiserver-"+audit, append(before, c.program, "kube-apiserver", "--etcd-servers="+c.etcd, "--bind-address="+host, "--secure-port="+port, "--cert-dir="+c.file("certs"),
		"--endpoint-reconciler-type=none", "--allow-privileged", "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--token-auth-file="+c.file("tokens"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.file("sa.key"), "--service-account-signing-key-file="+c.file("sa.key"),
		"--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection", "--audit-policy-file="+c.file("audit.json"), "--audit-log-path="+c.file(audit))...)
}

func freePorts() (a, b, c string, err error) {
	var all []string
	var open []net.Listener
	for range 3 {
		l, wrong := net.Listen("tcp", "127.0.0.1:0")
		if wrong != nil {
			return "", "", "", wrong
		}
		all, open = append(all, l.Addr().String()), append(open, l)
	}
	for _, l := range open {
		err = errors.Join(err, l.Close())
	}
	return all[0], all[1], all[2], err
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) write(name, data string) error {
	return os.WriteFile(c.file(name), []byte(data), 0o600)
}

func (c *cluster) writeKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return c.write("sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

func (c *cluster) writeUsers() error {
	text := ""
	for _, u := range users {
		text += u + "\n"
	}
	return c.write("tokens", text)
}

// run starts a program, of which what it says is in a log of that name, and which ends with the tests.
func (c *cluster) run(name string, command ...string) error {
	log, err := os.Create(c.file(name + ".log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	c.stops = append(c.stops, func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		log.Close()
	})
	return nil
}

func (c *cluster) stop() {
	for _, stop := range slices.Backward(c.stops) {
		stop()
	}
}

// as makes a client of an API server for whoever has a token.
func (c *cluster) as(url, token string) (*kubernetes.Clientset, error) {
	authority, err := os.ReadFile(c.file("certs/apiserver.crt"))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(&rest.Config{Host: url, BearerToken: token, UserAgent: "test", QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: authority}})
}

// ready waits for an API server, and makes a client that trusts it.
func (c *cluster) ready(url string) (*kubernetes.Clientset, error) {
	deadline, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	for {
		client, err := c.as(url, "admin")
		if err == nil {
			err = client.RESTClient().Get().AbsPath("/readyz").Do(deadline).Error()
		}
		if err == nil {
			_, err = client.CoreV1().Namespaces().Get(deadline, "kube-system", metav1.GetOptions{})
		}
		if err == nil {
			return client, nil
		}
		if pause(deadline, 200*time.Millisecond) != nil {
			return nil, fmt.Errorf("the API server does not get ready: %w", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kubeconfig is one for a token.
func (c *cluster) kubeconfig(t *testing.T, token string) string {
	t.Helper()
	return c.kubeconfigIn(t, token, "")
}

// kubeconfigIn is one for a token, whose context names a namespace.
func (c *cluster) kubeconfigIn(t *testing.T, token, namespace string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority":%q}}],
		"users":[{"name":"u","user":{"token":%q}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u","namespace":%q}}]}`, c.url, c.file("certs/apiserver.crt"), token, namespace)
	must(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// apply has kubectl apply what deploy holds.
func (c *cluster) apply(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", append([]string{"apply", "--server-side", "--force-conflicts", "--kubeconfig", c.kubeconfig(t, "admin")}, args...)...)
	cmd.Dir = "../../deploy"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply %v: %v: %s", args, err, out)
	}
}

// account makes a token of the server's account.
func (c *cluster) account(t *testing.T) string {
	t.Helper()
	return c.tokenOf(t, "inquest-server", "inquest-server")
}

// tokenFor makes one of an account that may nothing, for an audience.
func (c *cluster) tokenFor(t *testing.T, namespace, audience string) string {
	t.Helper()
	who := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: audience}}
	_, err := c.CoreV1().ServiceAccounts(namespace).Create(t.Context(), who, metav1.CreateOptions{})
	must(t, err)
	return c.tokenOf(t, namespace, audience, audience)
}

func (c *cluster) tokenOf(t *testing.T, namespace, name string, audiences ...string) string {
	t.Helper()
	hour := int64(3600)
	ask := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour, Audiences: audiences}}
	token, err := c.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name, ask, metav1.CreateOptions{})
	must(t, err)
	return token.Status.Token
}

// lease says who has the one that replicas take turns on, and how long the API server takes to say so.
func (c *cluster) lease(t *testing.T) string {
	t.Helper()
	begun := time.Now()
	l, err := c.CoordinationV1().Leases("inquest-server").Get(t.Context(), "inquest-server", metav1.GetOptions{})
	must(t, err)
	holder := ""
	if l.Spec.HolderIdentity != nil {
		holder = *l.Spec.HolderIdentity
	}
	return fmt.Sprintf("the lease is held by %q, renewed at %s, told within %s", holder, l.Spec.RenewTime.Time, time.Since(begun))
}

// namespace makes one in which users may read pods and their logs.
func (c *cluster) namespace(t *testing.T, name string, readers ...string) {
	t.Helper()
	_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(t, err)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "pods/log"}, Verbs: []string{"get"}}}}
	_, err = c.RbacV1().Roles(name).Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
	bound := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"}}
	for _, user := range readers {
		bound.Subjects = append(bound.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: user})
	}
	_, err = c.RbacV1().RoleBindings(name).Create(t.Context(), bound, metav1.CreateOptions{})
	must(t, err)
}

// pod makes one that runs.
func (c *cluster) pod(t *testing.T, namespace, name, node string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app", Image: "registry.example/" + name + ":1"}}},
	}
	pod, err := c.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	return c.restarts(t, pod, 0)
}

// restarts writes into the status of a pod that its container ended so often.
func (c *cluster) restarts(t *testing.T, pod *corev1.Pod, n int32) *corev1.Pod {
	t.Helper()
	now := metav1.Now()
	pod = pod.DeepCopy()
	state := corev1.ContainerStatus{
		Name: "app", Image: pod.Spec.Containers[0].Image, ContainerID: fmt.Sprintf("containerd://%064d", n), RestartCount: n, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
	}
	if n > 0 {
		state.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: 3, Reason: "Error", StartedAt: metav1.NewTime(now.Add(-time.Second)), FinishedAt: now, ContainerID: fmt.Sprintf("containerd://%064d", n-1),
			Message: "the message of " + pod.Name,
		}
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &now, ContainerStatuses: []corev1.ContainerStatus{state},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	pod.ResourceVersion = ""
	pod, err := c.CoreV1().Pods(pod.Namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	must(t, err)
	return pod
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
