// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/report"
)

// withAgents makes the faults of which a node's agent knows more than the API server, with agents on the lab's nodes. They were made
// without before. It comes last, as a node that has just booted explains much.
func withAgents(t *testing.T) {
	agentsUp(t)
	all := map[bool][]faults.Sight{}
	for _, s := range faults.Sights() {
		f, err := faults.Find(s.Fault)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Alone] = append(all[f.Alone], s)
	}
	t.Run("together", func(t *testing.T) {
		for _, s := range all[false] {
			t.Run(s.Fault, func(t *testing.T) { t.Parallel(); tryWithAgent(t, s) })
		}
	})
	for _, s := range all[true] {
		t.Run(s.Fault, func(t *testing.T) { tryWithAgent(t, s) })
	}
	t.Run("views", nodeViews)
	t.Run("storm", squall.rage)
	t.Run("requests", agentRequests)
}

// agentsUp runs agents on the lab's nodes until the test has ended.
func agentsUp(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), lab, "agent", "up").CombinedOutput(); err != nil {
		t.Fatalf("lab agent up: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(lab, "agent", "down").CombinedOutput(); err != nil {
			t.Errorf("lab agent down: %v: %s", err, out)
		}
	})
}

// agentUser is as whom agents ask the API server.
const agentUser = "system:serviceaccount:inquest:inquest-agent"

// agentRequests looks up in the API server's audit log what the agents asked: what their role allows, all of it, and nothing else.
func agentRequests(t *testing.T) {
	rights, used := withinRights(t, agentUser)
	for right := range rights {
		if !used[right] {
			t.Errorf("the agents may %s and never did", right)
		}
	}
	t.Logf("the agents may and did: %q", slices.Sorted(maps.Keys(used)))
}

// withinRights looks up in the audit log what an account asked, which must be what its roles allow, and returns what these are and what
// it used.
func withinRights(t *testing.T, user string) (rights, used map[string]bool) {
	rights, used = rightsOf(t, user), map[string]bool{}
	if len(rights) == 0 {
		t.Errorf("no role is bound to %s", user)
	}
	beyond := map[string]bool{}
	for _, r := range requestsOf(t, user) {
		right := r.right()
		if used[right] = true; !rights[right] || r.refused() {
			beyond[fmt.Sprintf("%s (%s: %d)", right, r.RequestURI, r.ResponseStatus.Code)] = true
		}
	}
	for what := range beyond {
		t.Errorf("%s asked to %s, which its roles do not allow", user, what)
	}
	return rights, used
}

// rightsOf returns each right that a role of the cluster or a namespace gives to a service account by name: one of those named, or any.
func rightsOf(t *testing.T, user string, roles ...string) map[string]bool {
	rbac := connect(t, "").RbacV1()
	rights := map[string]bool{}
	for _, b := range bindings(t, rbac) {
		ours := func(s rbacv1.Subject) bool {
			return s.Name == user || s.Kind == "ServiceAccount" && "system:serviceaccount:"+s.Namespace+":"+s.Name == user
		}
		if !slices.ContainsFunc(b.Subjects, ours) || len(roles) > 0 && !slices.Contains(roles, b.RoleRef.Name) {
			continue
		}
		for _, r := range rulesOf(t, rbac, b) {
			for _, right := range rightsIn(r) {
				rights[right] = true
			}
		}
	}
	return rights
}

// rightsIn are those that a rule of a role gives.
func rightsIn(r rbacv1.PolicyRule) (rights []string) {
	for _, verb := range r.Verbs {
		for _, resource := range r.Resources {
			for _, group := range r.APIGroups {
				rights = append(rights, verb+" "+resource+" of "+group)
			}
		}
		for _, path := range r.NonResourceURLs {
			rights = append(rights, verb+" "+path)
		}
	}
	return rights
}

// bindings are all of the cluster; those that hold everywhere have no namespace.
func bindings(t *testing.T, rbac rbacclient.RbacV1Interface) []rbacv1.RoleBinding {
	some, err := rbac.RoleBindings(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	everywhere, err := rbac.ClusterRoleBindings().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range everywhere.Items {
		some.Items = append(some.Items, rbacv1.RoleBinding{RoleRef: b.RoleRef, Subjects: b.Subjects})
	}
	return some.Items
}

// rulesOf are those of the role that is bound.
func rulesOf(t *testing.T, rbac rbacclient.RbacV1Interface, b rbacv1.RoleBinding) []rbacv1.PolicyRule {
	if b.RoleRef.Kind == "Role" {
		role, err := rbac.Roles(b.Namespace).Get(t.Context(), b.RoleRef.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return role.Rules
	}
	role, err := rbac.ClusterRoles().Get(t.Context(), b.RoleRef.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

func tryWithAgent(t *testing.T, s faults.Sight) {
	f, err := faults.Find(s.Fault)
	if err != nil {
		t.Fatal(err)
	}
	c := establish(t, f, "e2e-agent-"+f.Name)
	problem := ""
	for range settling { // an agent takes a moment to tell of what just happened
		r := why(t, f.Ask, c.Namespace)
		if problem = differs(t, r, s); problem == "" {
			break
		}
		pause(t.Context(), time.Second)
	}
	keep(t, c, f)
	if problem != "" {
		t.Error(problem)
	}
}

// settling is how often a question is asked until an agent has told of what just happened: that nobody sent a signal is known four
// seconds after an end, and a run that is started again at once may end again within those. What is certain must be right at once.
const settling = 12

// differs says in what a report is other than what an agent makes possible. A certain cause that is none is an error at any time.
func differs(t *testing.T, r report.Report, s faults.Sight) string {
	if len(s.Want) == 0 {
		silent(t, r)
		return ""
	}
	if len(r.Causes) == 0 {
		return fmt.Sprintf("no cause; undetermined: %v; gaps: %v", r.Undetermined, r.Gaps)
	}
	first := r.Causes[0]
	t.Logf("%s %s: %s; gaps: %v", first.Rule, first.Confidence, first.Message, r.Gaps)
	expected := slices.Contains(s.Want, first.Rule)
	if !expected && first.Confidence == "certain" {
		t.Errorf("the first cause is %s, and certain, expected %s", first.Rule, strings.Join(s.Want, " or "))
	}
	switch said := wordsOf(first); {
	case !expected || sure[first.Confidence] < sure[s.Least]:
		return fmt.Sprintf("the first cause is %s %s, expected %s %s", first.Rule, first.Confidence, strings.Join(s.Want, " or "), cmp.Or(s.Least, "certain"))
	case !regexp.MustCompile(s.Says).MatchString(said):
		return fmt.Sprintf("nothing in it matches %q:\n%s", s.Says, said)
	}
	return ""
}

// wordsOf returns what a cause and what follows from it say and cite.
func wordsOf(c report.Cause) string {
	words := c.Rule + " " + c.Message + "\n"
	for _, f := range c.Facts {
		words += f.Source + " " + f.Text + "\n"
	}
	for _, lead := range c.Leads {
		words += wordsOf(lead)
	}
	return words
}

// nodeViews looks at what inquest node shows: the agent's own container is among it.
func nodeViews(t *testing.T) {
	for view, want := range map[string]string{"containers": `"id"`, "attempts": "inquest-agent", "saturation": "pids"} {
		out, err := exec.CommandContext(t.Context(), inquest, "node", "n1", view, "-o", "json").Output()
		if err != nil || !json.Valid(out) || !strings.Contains(string(out), want) {
			t.Errorf("inquest node n1 %s: %v: %s", view, err, fmt.Sprintf("%.300s", out))
		}
	}
}
