// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package server

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// A worker is an account and the work that it does, with the rights that are shipped for it.
type worker struct {
	name    string
	cluster []string // ClusterRoles
	leases  bool     // and the Role for the lease that servers take turns on
	work    func(t *testing.T, token string) error
	whole   string // the one of these that it makes use of wholly
	least   int    // how many rules its least roles have at least
	again   bool   // the work is also done without each rule, and not asked of the authorizer alone
}

// inLeast is the namespace of the accounts.
const inLeast = "least"

// TestLeast: each of our accounts does its work with the rights that are shipped, and inquest rbac proposes the least roles by the audit log
// of that. Under these alone the same work passes again, and without any one of their rules something in it is refused.
func TestLeast(t *testing.T) {
	for _, file := range []string{"rbac/reader.yaml", "rbac/access.yaml", "agent/agent.yaml"} {
		control.apply(t, "-f", file)
	}
	control.apply(t, "-k", "server/base")
	control.apply(t, "-k", "server/replicas")
	control.namespace(t, inLeast)
	stage(t)
	for _, w := range []worker{
		{name: "reader", cluster: []string{"inquest-reader", "inquest-access-reader"}, whole: "inquest-access-reader", work: askQuestions, least: 10, again: true},
		{name: "server", cluster: []string{"inquest-reader", "inquest-server"}, leases: true, work: recordAndServe, least: 5},
		{name: "agent", cluster: []string{"inquest-agent"}, whole: "inquest-agent", work: answerAsAgent, least: 2},
	} {
		t.Run(w.name, func(t *testing.T) { leastOf(t, w) })
	}
}

func leastOf(t *testing.T, w worker) {
	from := control.logSize(t)
	must(t, w.work(t, control.shipped(t, w)))
	log := control.logSince(t, from, accountOf(w.name))
	roles := proposedRoles(t, w, log)
	rules := 0
	for _, r := range roles {
		rules += len(r.rules)
	}
	if rules < w.least {
		t.Fatalf("%d rules are proposed: %v", rules, roles)
	}
	if w.whole != "" {
		control.givenWhole(t, w.whole, roles)
	}
	t.Logf("%s: %d requests, %d rules in %d roles", w.name, len(log.requests), rules, len(roles))

	again := w.name + "-again"
	token := control.bind(t, again, roles)
	if refused := control.replay(t, again, log.requests); len(refused) > 0 {
		t.Fatalf("the proposed roles refuse %q", refused)
	}
	from = control.logSize(t)
	must(t, w.work(t, token))
	if refused := refusedIn(control.logSince(t, from, accountOf(again))); len(refused) > 0 {
		t.Errorf("under the least roles it was refused to %q", refused)
	}
	for i := range roles {
		for k := range roles[i].rules {
			without := slices.Clone(roles)
			without[i].rules = slices.Delete(slices.Clone(roles[i].rules), k, k+1)
			name := fmt.Sprintf("%s-%d-%d", w.name, i, k)
			token := control.bind(t, name, without)
			refused := control.replay(t, name, log.requests)
			if w.again {
				from := control.logSize(t)
				wrong := w.work(t, token) // most of it goes on without, and says so
				if done := refusedIn(control.logSince(t, from, accountOf(name))); len(done) == 0 {
					t.Errorf("without %+v the work passes: %v", roles[i].rules[k], wrong)
				}
			}
			if len(refused) == 0 {
				t.Errorf("without %+v nothing is refused", roles[i].rules[k])
			}
		}
	}
}

// givenWhole checks that all rules of a ClusterRole are among those that are proposed: all of it was used.
func (c *cluster) givenWhole(t *testing.T, name string, roles []leastRole) {
	t.Helper()
	shipped, err := c.RbacV1().ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	for _, rule := range shipped.Rules {
		if !slices.ContainsFunc(roles, func(r leastRole) bool {
			return slices.ContainsFunc(r.rules, func(one rbacv1.PolicyRule) bool { return cmp.Equal(one, rule) })
		}) {
			t.Errorf("%s gives %+v, which is not proposed: %+v", name, rule, roles)
		}
	}
}

// refusedIn are the requests that an authorizer refused.
func refusedIn(p part) (all []string) {
	for _, r := range p.requests {
		if r.ResponseStatus.Code == http.StatusForbidden {
			all = append(all, r.Verb+" "+r.RequestURI)
		}
	}
	return all
}

func accountOf(name string) string { return "system:serviceaccount:" + inLeast + ":" + name }

// stage makes what questions are about.
func stage(t *testing.T) {
	t.Helper()
	_, err := control.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "least-1"}}, metav1.CreateOptions{})
	must(t, err)
	_, err = control.CoreV1().ConfigMaps(inLeast).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}, metav1.CreateOptions{})
	must(t, err)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec: corev1.PodSpec{NodeName: "least-1", ServiceAccountName: "default", Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/shop:1",
			EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		}}},
	}
	pod, err = control.CoreV1().Pods(inLeast).Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	control.restarts(t, pod, 2)
}

// askQuestions asks what a person asks, one after the other.
func askQuestions(t *testing.T, token string) (wrong error) {
	kubeconfig := control.kubeconfig(t, token)
	for _, question := range [][]string{
		{"why", "-A"}, {"why", "pod/shop", "-n", inLeast}, {"why", "-n", inLeast}, {"why", "node/least-1"}, {"why", "control-plane"}, {"rbac"},
		{"collect", "pod/shop", "-n", inLeast, "-o", filepath.Join(t.TempDir(), "case.zip")},
	} {
		if out, err := exec.CommandContext(t.Context(), inquest, append(question, "--kubeconfig", kubeconfig)...).CombinedOutput(); err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("inquest %s: %w: %s", strings.Join(question, " "), err, out))
		}
	}
	return wrong
}

// recordAndServe records an end as the replica that leads, and tells a person of it.
func recordAndServe(t *testing.T, token string) error {
	name := fmt.Sprintf("least%d", shops.Add(1))
	postgres.create(t, name)
	r := serve(t, name, token, "--db", postgres.url(name, name), "--lease", "inquest-server/inquest-server", "--lease-duration", "5s")
	defer r.kill(t)
	pod, n, admin := control.pod(t, inLeast, name, "least-1"), int32(0), caller{base: r.url, token: "admin"}
	eventually(t, 2*time.Minute, "the end of "+name+" is told", func() bool {
		n++
		control.restarts(t, pod, n)
		must(t, pause(t.Context(), time.Second))
		_, body := admin.ask(t, "/?format=json")
		return strings.Contains(body, name)
	})
	return nil
}

var shops atomic.Int32

// answerAsAgent runs an agent, and asks it as somebody.
func answerAsAgent(t *testing.T, token string) error {
	dir := t.TempDir()
	program := filepath.Join(control.dir, "inquest-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/inquest-agent")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build inquest-agent: %v: %s", err, out)
	}
	authority, err := os.ReadFile(control.file("certs/apiserver.crt"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), authority, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	listen, _, _, err := freePorts()
	must(t, err)
	agent := exec.CommandContext(t.Context(), program, "--node-name=least-1", "--api-server="+control.url, "--service-account-dir="+dir, "--listen="+listen, "--state-dir="+filepath.Join(dir, "state"), "--features=usage")
	var said bytes.Buffer
	agent.Stderr = &said
	must(t, agent.Start())
	defer func() {
		_ = agent.Process.Kill() // it has no other end
		_ = agent.Wait()
	}()
	eventually(t, time.Minute, "the agent answers", func() bool {
		ask := exec.CommandContext(t.Context(), "curl", "--silent", "--insecure", "--fail", "--header", "Authorization: Bearer admin", "https://"+listen+"/metrics")
		return ask.Run() == nil
	})
	return nil
}

// A part is what an audit log has of one account within a time.
type part struct {
	file     string
	requests []request
}

func (c *cluster) logSize(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(c.file("audit.log"))
	must(t, err)
	return info.Size()
}

// logSince waits until the log has no more to tell of an account, and returns what it told since then.
func (c *cluster) logSince(t *testing.T, from int64, user string) part {
	t.Helper()
	p := part{file: filepath.Join(t.TempDir(), "audit.log")}
	changed, last := time.Now(), -1
	eventually(t, time.Minute, "the audit log settles", func() bool {
		data, err := os.ReadFile(c.file("audit.log"))
		must(t, err)
		must(t, os.WriteFile(p.file, data[from:bytes.LastIndexByte(data, '\n')+1], 0o600))
		p.requests = requestsIn(t, p.file, user)
		if len(p.requests) != last {
			changed, last = time.Now(), len(p.requests)
		}
		return last > 0 && time.Since(changed) > 2*time.Second
	})
	return p
}

// shipped makes the account, and binds what is shipped for it.
func (c *cluster) shipped(t *testing.T, w worker) string {
	t.Helper()
	c.makeAccount(t, w.name)
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: inLeast, Name: w.name}}
	for _, role := range w.cluster {
		b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "least-" + w.name + "-" + role}, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}}
		_, err := c.RbacV1().ClusterRoleBindings().Create(t.Context(), b, metav1.CreateOptions{})
		must(t, err)
	}
	if w.leases {
		b := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "least-" + w.name}, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "inquest-server-lease"}}
		_, err := c.RbacV1().RoleBindings("inquest-server").Create(t.Context(), b, metav1.CreateOptions{})
		must(t, err)
	}
	c.effective(t, w.name, w.cluster[0] != "inquest-agent")
	return c.tokenOf(t, inLeast, w.name)
}

// effective waits until the authorizer has heard of an account's bindings.
func (c *cluster) effective(t *testing.T, name string, reads bool) {
	t.Helper()
	ask := authorizationv1.ResourceAttributes{Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews"}
	if reads {
		ask = authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"}
	}
	eventually(t, time.Minute, "the rights of "+name+" hold", func() bool { return c.may(t, name, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &ask}) })
}

func (c *cluster) makeAccount(t *testing.T, name string) {
	t.Helper()
	_, err := c.CoreV1().ServiceAccounts(inLeast).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(t, err)
}

// A leastRole is one that is proposed.
type leastRole struct {
	namespace string
	rules     []rbacv1.PolicyRule
}

// proposedRoles asks inquest rbac for them.
func proposedRoles(t *testing.T, w worker, log part) []leastRole {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), inquest, "rbac", "--kubeconfig", control.kubeconfig(t, "admin"), "--audit", log.file, "--policy", control.file("audit.json"),
		"--subject", "sa:"+inLeast+"/"+w.name, "-o", "roles")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("inquest rbac: %v: %s", err, out)
	}
	var roles []leastRole
	for text := range strings.SplitSeq(string(out), "---\n") {
		var role rbacv1.Role
		must(t, yaml.Unmarshal([]byte(text), &role))
		if role.Kind == "Role" || role.Kind == "ClusterRole" {
			roles = append(roles, leastRole{role.Namespace, role.Rules})
		}
	}
	return roles
}

// bind makes an account that has these roles and nothing else, and waits until they hold.
func (c *cluster) bind(t *testing.T, name string, roles []leastRole) string {
	t.Helper()
	c.makeAccount(t, name)
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: inLeast, Name: name}}
	meta := metav1.ObjectMeta{Name: "least-" + name}
	to := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Name: meta.Name}
	rbac := c.RbacV1()
	var err error
	for _, r := range roles {
		if r.namespace == "" {
			to.Kind = "ClusterRole"
			_, err = rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: r.rules}, metav1.CreateOptions{})
			must(t, err)
			_, err = rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: to, Subjects: subjects}, metav1.CreateOptions{})
			must(t, err)
			continue
		}
		to.Kind = "Role"
		_, err = rbac.Roles(r.namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: r.rules}, metav1.CreateOptions{})
		must(t, err)
		_, err = rbac.RoleBindings(r.namespace).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: to, Subjects: subjects}, metav1.CreateOptions{})
		must(t, err)
	}
	for _, r := range roles {
		for _, rule := range r.rules {
			one := oneOf(r.namespace, rule)
			eventually(t, time.Minute, fmt.Sprintf("%s may %+v", name, rule), func() bool { return c.may(t, name, one) })
		}
	}
	return c.tokenOf(t, inLeast, name)
}

// oneOf is a request that a rule allows.
func oneOf(namespace string, rule rbacv1.PolicyRule) (spec authorizationv1.SubjectAccessReviewSpec) {
	if len(rule.NonResourceURLs) > 0 {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: rule.Verbs[0], Path: rule.NonResourceURLs[0]}
		return spec
	}
	resource, sub, _ := strings.Cut(rule.Resources[0], "/")
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: sub, Namespace: namespace}
	if len(rule.ResourceNames) > 0 {
		spec.ResourceAttributes.Name = rule.ResourceNames[0]
	}
	return spec
}

// may asks the API server's authorizer.
func (c *cluster) may(t *testing.T, name string, spec authorizationv1.SubjectAccessReviewSpec) bool {
	t.Helper()
	spec.User, spec.Groups = accountOf(name), []string{"system:serviceaccounts", "system:serviceaccounts:" + inLeast, "system:authenticated"}
	answer, err := c.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	must(t, err)
	return answer.Status.Allowed
}

// replay asks the API server's authorizer whether an account may do all that was asked for, and returns what it may not.
func (c *cluster) replay(t *testing.T, name string, requests []request) (refused []string) {
	t.Helper()
	seen := map[authorizationv1.ResourceAttributes]bool{}
	for _, r := range requests {
		o := r.ObjectRef
		if o.Resource == "" {
			path, _, _ := strings.Cut(r.RequestURI, "?")
			if !c.may(t, name, authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: r.Verb, Path: path}}) {
				refused = append(refused, r.Verb+" "+path)
			}
			continue
		}
		ask := authorizationv1.ResourceAttributes{Verb: r.Verb, Group: o.APIGroup, Resource: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Name: o.Name}
		if !seen[ask] && !c.may(t, name, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &ask}) {
			refused = append(refused, fmt.Sprintf("%s %s %s", r.Verb, o.Resource, o.Name))
		}
		seen[ask] = true
	}
	return refused
}
