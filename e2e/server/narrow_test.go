// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/history"
)

// binds has dora read and watch what the server's roles name, in one namespace; the returned function takes that away.
func (c *cluster) binds(t *testing.T, namespace string) (revoke func()) {
	t.Helper()
	roles := []string{"inquest-reader", "inquest-server"}
	for _, role := range roles {
		bound := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "dora"}},
		}
		_, err := c.RbacV1().RoleBindings(namespace).Create(t.Context(), bound, metav1.CreateOptions{})
		must(t, err)
	}
	return func() {
		for _, role := range roles {
			must(t, c.RbacV1().RoleBindings(namespace).Delete(t.Context(), role, metav1.DeleteOptions{}))
		}
	}
}

// TestNarrow has somebody serve who may read one namespace and nothing else. What dies there is recorded and diagnosed; nothing is asked for
// elsewhere that is not refused, and what is not seen is named, with the right that is missing. Rights that are taken away and given again
// open a gap and close it.
func TestNarrow(t *testing.T) {
	control.apply(t, "-f", "rbac/reader.yaml")
	control.apply(t, "-k", "server/base")
	control.namespace(t, "counter")
	control.namespace(t, "safe")
	refusedBy(t, "say with -n which ones to watch")
	refusedBy(t, "cannot watch pods in namespace safe: ask for a role there", "-n", "safe")
	revoke := control.binds(t, "counter")
	w := newWitness(t, "narrow", "dora", "--access", "loopback", "--kubeconfig", control.kubeconfigIn(t, "dora", "counter"))
	said, err := os.ReadFile(w.log)
	must(t, err)
	if want := "namespace counter is watched, which the context names"; !strings.Contains(string(said), want) {
		t.Errorf("it says %q, expected %q", said, want)
	}
	mine, theirs := control.pod(t, "counter", "mine", ""), control.pod(t, "safe", "theirs", "")
	n := int32(0)
	dies := func() {
		n++
		control.restarts(t, mine, n)
		control.restarts(t, theirs, n)
	}
	eventually(t, time.Minute, "a death in the namespace is recorded and diagnosed", func() bool {
		dies()
		must(t, pause(t.Context(), 2*time.Second))
		return slices.ContainsFunc(w.deaths(t, history.Filter{}), func(d history.Death) bool {
			return d.HasBundle && d.Verdict != nil && d.Verdict.Rule != "" && d.Verdict.Settled
		})
	})
	blind := w.now(t)
	for _, want := range []string{"nothing is watched beyond namespace counter", "nothing was heard of nodes: forbidden: cannot watch nodes", "forbidden: cannot list nodes.metrics.k8s.io"} {
		if !strings.Contains(blind, want) {
			t.Errorf("the first page does not say %q: %s", want, blind)
		}
	}
	revoke()
	w.relay.turn(direct()) // the API server lets watches go on that have begun
	const gap = "nothing was heard of pods in namespace counter: forbidden: cannot watch pods in namespace counter"
	eventually(t, time.Minute, "what was taken away is a gap", func() bool { return w.gaps(t)[gap] })
	dies()
	control.binds(t, "counter")
	eventually(t, 2*time.Minute, "what was given again is none", func() bool { return !w.gaps(t)[gap] })
	eventually(t, time.Minute, "what died meanwhile is known", func() bool {
		c := w.count(t, "counter", string(mine.UID))
		return c.Recorded+c.Missing == int(n)
	})
	if elsewhere := w.count(t, "safe", ""); elsewhere.Recorded+elsewhere.Missing > 0 {
		t.Errorf("of another namespace it has %+v", elsewhere)
	}
	narrowly(t)
}

// refusedBy checks that who may watch no pods is told so, with what to do.
func refusedBy(t *testing.T, says string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, inquest, append([]string{"serve", "--kubeconfig", control.kubeconfig(t, "dora"), "--listen", "127.0.0.1:0", "--db", "memory:"}, args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), says) || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%q: %v: it says %q, expected one line with %q", args, err, out, says)
	}
}

// now returns the first page, as somebody who has the link.
func (w *witness) now(t *testing.T) string {
	t.Helper()
	base, path, _ := strings.Cut(w.url, "/login")
	client := &http.Client{Timeout: patient.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/login"+path, http.NoBody)
	must(t, err)
	resp, err := client.Do(r)
	must(t, err)
	resp.Body.Close()
	if len(resp.Cookies()) != 1 {
		t.Fatalf("the link lets nobody in: %s", resp.Status)
	}
	_, body := (caller{base: base, cookie: resp.Cookies()[0]}).ask(t, "/?format=json")
	return body
}

// gaps returns what is not heard now.
func (w *witness) gaps(t *testing.T) map[string]bool {
	t.Helper()
	all, err := w.store.GapsIn(t.Context(), "", time.Time{}, time.Time{}, nil, 1000)
	must(t, err)
	open := map[string]bool{}
	for _, g := range all {
		if g.To.IsZero() {
			open[g.What] = true
		}
	}
	return open
}

// narrowly looks up in the audit log what was asked as dora: what was answered is in the namespace, and beyond it are few things.
func narrowly(t *testing.T) {
	t.Helper()
	answered, refused := map[string]int{}, map[string]int{}
	for _, r := range control.requests(t, "audit.log", "dora") {
		what := strings.TrimSpace(r.Verb + " " + r.ObjectRef.Resource + " " + r.ObjectRef.Namespace)
		switch {
		case r.ResponseStatus.Code == http.StatusForbidden:
			refused[what]++
		case r.ObjectRef.Namespace != "counter":
			t.Errorf("answered with %d: %s %s", r.ResponseStatus.Code, r.Verb, r.RequestURI)
		default:
			answered[what]++
		}
	}
	may := []string{"watch nodes", "watch pods", "get namespaces kube-system", "list nodes", "list pods inquest", "watch pods safe"}
	for what := range refused {
		if !strings.HasSuffix(what, " counter") && !slices.Contains(may, what) {
			t.Errorf("it asked to %s", what)
		}
	}
	if answered["watch pods counter"] < 2 || answered["watch events counter"] < 2 || answered["get pods counter"] == 0 {
		t.Errorf("answered was %v", answered)
	}
	t.Logf("answered %v; refused %v", answered, refused)
}
