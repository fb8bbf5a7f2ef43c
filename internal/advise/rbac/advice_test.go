// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// rule reads "get,list apps deployments name": verbs, group (- of the core), resources, names.
func rule(text string) rbacv1.PolicyRule {
	of := strings.Fields(text)
	if strings.HasPrefix(of[1], "/") {
		return rbacv1.PolicyRule{Verbs: strings.Split(of[0], ","), NonResourceURLs: strings.Split(of[1], ",")}
	}
	r := rbacv1.PolicyRule{Verbs: strings.Split(of[0], ","), APIGroups: words(strings.ReplaceAll(of[1], ",", " ")), Resources: strings.Split(of[2], ",")}
	if len(of) > 3 {
		r.ResourceNames = strings.Split(of[3], ",")
	}
	return r
}

// granted are a role with these rules, and its binding to sa:shop/cart: everywhere, or in a namespace.
func granted(name, namespace string, rules ...string) []evidence.Object {
	var all []rbacv1.PolicyRule
	for _, text := range rules {
		all = append(all, rule(text))
	}
	to := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "shop", Name: "cart"}}
	meta := metav1.ObjectMeta{Name: name, Namespace: namespace}
	if namespace == "" {
		return []evidence.Object{
			&rbacv1.ClusterRole{ObjectMeta: meta, Rules: all},
			&rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: name}, Subjects: to},
		}
	}
	return []evidence.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: all},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: name}, Subjects: to},
	}
}

var cart = Subject{"ServiceAccount", "shop", "cart"}

var logsAll = &Policy{Kind: "Policy", Rules: []PolicyRule{{Level: "Metadata"}}}

// asks are requests of sa:shop/cart that were let through: "list /api/v1/pods".
func asks(t *testing.T, requests ...string) *Log {
	t.Helper()
	text := ""
	for _, r := range requests {
		verb, uri, _ := strings.Cut(r, " ")
		text += entry(cart.User(), verb, uri, "")
	}
	return reading(t, text)
}

func advise(t *testing.T, objects []evidence.Object, log *Log, policy *Policy) Advice {
	t.Helper()
	o := NewObjects(objects)
	return (&Advisor{Objects: o, Log: log, Policy: policy}).Advise(cart)
}

// proposed says roles in a line a rule.
func proposed(a Advice) []string {
	var all []string
	for _, role := range a.Proposal {
		for _, r := range role.Rules {
			text := role.Namespace + ": " + strings.Join(r.Rule.Verbs, ",") + " " + strings.Join(r.Rule.NonResourceURLs, ",")
			if len(r.Rule.Resources) > 0 {
				text = fmt.Sprintf("%s: %s %s %s %s", role.Namespace, strings.Join(r.Rule.Verbs, ","), strings.Join(r.Rule.APIGroups, ","), strings.Join(r.Rule.Resources, ","), strings.Join(r.Rule.ResourceNames, ","))
			}
			if r.Kept != "" {
				text += " kept"
			}
			all = append(all, strings.TrimSpace(text))
		}
	}
	return all
}

// TestProposal: the least role for what was asked for.
func TestProposal(t *testing.T) {
	const leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
	for _, c := range []struct {
		name    string
		objects []evidence.Object
		asked   []string
		want    []string
	}{
		{"what everybody may is left out", granted("all", "", "* * *", "* /*"),
			[]string{"get /apis/apps/v1", "create /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "get /version", "get /openapi/v3"}, nil},
		{"wildcards become what was asked for", granted("all", "", "* * *", "* /*"),
			[]string{"list /api/v1/pods", "watch /api/v1/pods", "list /api/v1/nodes", "get /metrics"}, []string{": get /metrics", ": list  nodes", ": list,watch  pods"}},
		{"a watch has its list beside it", granted("r", "", "list,watch - pods"), []string{"watch /api/v1/pods?watch=true"}, []string{": list,watch  pods"}},
		{"which is not given to who had none", granted("r", "", "watch - pods"), []string{"watch /api/v1/pods?watch=true"}, []string{": watch  pods"}},
		{"one namespace of all", granted("r", "", "get,list - services"), []string{"list /api/v1/namespaces/shop/services", "get /api/v1/namespaces/shop/services/a"}, []string{"shop: get,list  services"}},
		{"many namespaces", granted("r", "", "list - services"),
			[]string{"list /api/v1/namespaces/a/services", "list /api/v1/namespaces/b/services", "list /api/v1/namespaces/c/services", "list /api/v1/namespaces/d/services"}, []string{": list  services"}},
		{"many namespaces that it was bound in", append(granted("r", "a", "list - pods"), granted("r", "b", "list - pods")...),
			[]string{"list /api/v1/namespaces/a/pods", "list /api/v1/namespaces/b/pods"}, []string{"a: list  pods", "b: list  pods"}},
		{"who lists all may get each", granted("r", "", "get,list - pods"), []string{"list /api/v1/pods", "get /api/v1/namespaces/shop/pods/a"}, []string{": get,list  pods"}},
		{"names that it was granted for", granted("r", "", "get,list - configmaps a,b"), []string{"get /api/v1/namespaces/shop/configmaps/a"}, []string{"shop: get  configmaps a"}},
		{"its own lease", granted("r", "", "create,get,update coordination.k8s.io leases"), []string{"create " + leases, "get " + leases + "/cart", "update " + leases + "/cart"},
			[]string{"shop: create coordination.k8s.io leases", "shop: get,update coordination.k8s.io leases cart"}},
		{"the leases of others have any name", granted("r", "", "get coordination.k8s.io leases"), []string{"get " + leases + "/n1"}, []string{"shop: get coordination.k8s.io leases"}},
		{"Secrets by name", granted("r", "", "get - secrets"), []string{"get /api/v1/namespaces/shop/secrets/key"}, []string{"shop: get  secrets key"}},
		{"pods have new names", granted("r", "", "delete - pods"), []string{"delete /api/v1/namespaces/shop/pods/a-1"}, []string{"shop: delete  pods"}},
		{"namespaces are everywhere", granted("r", "", "get - namespaces"), []string{"get /api/v1/namespaces/shop"}, []string{": get  namespaces"}},
		{"an apply makes", granted("r", "", "create,patch - services"), []string{"patch /api/v1/namespaces/shop/services/a"}, []string{"shop: patch  services"}},
		{"resources with the same verbs together", granted("r", "", "* apps *"), []string{"list /apis/apps/v1/deployments", "list /apis/apps/v1/daemonsets", "get /apis/apps/v1/namespaces/a/deployments/x"},
			[]string{": list apps daemonsets", ": get,list apps deployments"}},
		{"what nothing tells of stays", granted("r", "", "bind rbac.authorization.k8s.io clusterroles view", "create rbac.authorization.k8s.io rolebindings"),
			[]string{"create /apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"},
			[]string{"shop: create rbac.authorization.k8s.io rolebindings", ": bind rbac.authorization.k8s.io clusterroles view kept"}},
		{"also of a wildcard", granted("r", "shop", "* rbac.authorization.k8s.io *"), []string{"create /apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"},
			[]string{"shop: create rbac.authorization.k8s.io rolebindings", "shop: bind rbac.authorization.k8s.io clusterroles  kept", "shop: bind rbac.authorization.k8s.io roles  kept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := advise(t, c.objects, asks(t, c.asked...), logsAll)
			got := proposed(a)
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if len(a.Replay.Refused) > 0 || len(a.Beyond) > 0 {
				t.Errorf("it refuses %v; beyond what was granted is %v", a.Replay.Refused, a.Beyond)
			}
		})
	}
}

// TestPassing: a namespace that was made meanwhile is none to write a Role for.
func TestPassing(t *testing.T) {
	log := reading(t, entry("root", "create", "/api/v1/namespaces", `,"objectRef":{"resource":"namespaces","name":"try"}`)+entry(cart.User(), "list", "/api/v1/namespaces/try/pods", ""))
	if diff := cmp.Diff([]string{": list  pods"}, proposed(advise(t, granted("r", "", "list - pods"), log, logsAll))); diff != "" {
		t.Error(diff)
	}
}

// TestUse: what of each rule was used, and what was not.
func TestUse(t *testing.T) {
	objects := granted("r", "", "get,list - pods,services", "* apps deployments", "get - secrets key,other", "get - secrets", "get - configmaps")
	log := asks(t, "get /api/v1/namespaces/shop/pods/a", "list /api/v1/pods", "patch /apis/apps/v1/namespaces/shop/deployments/x", "get /api/v1/namespaces/shop/secrets/key", "get /api/v1/namespaces/shop/secrets/key")
	rules := advise(t, objects, log, logsAll).Grants[0].Rules
	var got []string
	for _, r := range rules {
		var unused, wild []string
		for _, u := range r.Unused {
			unused = append(unused, u.String())
		}
		for _, w := range r.Wildcards {
			wild = append(wild, w.Field+" "+strings.Join(w.UsedFor, ","))
		}
		got = append(got, fmt.Sprintf("%d %q %q %q %q", r.Requests, unused, r.Names, wild, r.SpareFor))
	}
	want := []string{
		`2 ["get services" "list services"] [] [] ""`,
		`1 [] [] ["verbs patch"] ""`,
		`2 [] ["other"] [] ""`,
		`2 [] [] [] "ClusterRoleBinding/r, rule 3"`,
		`0 ["get configmaps"] [] [] ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestJudged: what a log leaves out is not called unused, and stays granted.
func TestJudged(t *testing.T) {
	objects := granted("r", "", "get - secrets", "get /metrics", "get kubeinquest.io nodefacts", "list - pods")
	other := entry("sue", "list", "/api/v1/secrets", "") + entry("sue", "get", "/healthz", "")
	own := entry(cart.User(), "list", "/api/v1/pods", "")
	unsaid := entry("kubelet", "create", "/apis/authorization.k8s.io/v1/subjectaccessreviews", `,"objectRef":{"resource":"subjectaccessreviews"}`)
	for _, c := range []struct {
		name   string
		log    string
		policy *Policy
		want   []string // rights that cannot be judged
	}{
		{"the policy logs all", own, logsAll, nil},
		{"the policy leaves Secrets out", own, &Policy{Rules: []PolicyRule{{Level: "None", Resources: []GroupResources{{Resources: []string{"secrets"}}}}, {Level: "Metadata"}}}, []string{"get secrets"}},
		{"no policy, and others are seen", own + other, nil, []string{"get nodefacts.kubeinquest.io"}},
		{"no policy, and nobody is seen", own, nil, []string{"get secrets", "get /metrics", "get nodefacts.kubeinquest.io"}},
		{"no policy, and nothing of it", other, nil, []string{"get secrets", "get /metrics", "get nodefacts.kubeinquest.io", "list pods"}},
		{"reviews that do not say what they ask", own + unsaid, logsAll, []string{"get /metrics", "get nodefacts.kubeinquest.io"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := advise(t, objects, reading(t, c.log), c.policy)
			var got []string
			for _, r := range a.Grants[0].Rules {
				for _, u := range r.Unknown {
					got = append(got, u.Right.String())
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			kept := 0
			for _, text := range proposed(a) {
				kept += strings.Count(text, "kept")
			}
			if (kept == 0) != (len(c.want) == 0) {
				t.Errorf("%d rules are kept: %q", kept, proposed(a))
			}
		})
	}
}

// TestAnswers: a right that others asked about counts as used where they were told yes, as unused where no, and stays where the log does
// not have the answer, also of a wildcard.
func TestAnswers(t *testing.T) {
	asked := func(about, more string) string {
		return strings.ReplaceAll(review(about, more), `"user":"sue"`, `"user":"`+cart.User()+`"`)
	}
	const metrics, things = `{"verb":"get","resource":"nodes","subresource":"metrics"}`, `{"verb":"get","group":"example.com","resource":"things","namespace":"shop"}`
	log := asked(metrics, `,"responseObject":{"status":{"allowed":true}}`) + asked(things, `,"responseObject":{"status":{"allowed":false}}`) +
		asked(`{"verb":"get","resource":"pods","namespace":"shop"}`, "")
	a := advise(t, granted("r", "", "get - nodes/metrics", "get example.com things", "* - pods"), reading(t, log), logsAll)
	var got []string
	for _, r := range a.Grants[0].Rules {
		got = append(got, fmt.Sprintf("used %d, unused %v, unknown %v", r.Requests, r.Unused, len(r.Unknown)))
	}
	if diff := cmp.Diff([]string{"used 1, unused [], unknown 0", "used 0, unused [get things.example.com], unknown 0", "used 0, unused [], unknown 1"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{": get  nodes/metrics", ": get  pods  kept"}, proposed(a)); diff != "" {
		t.Error(diff)
	}
	if len(a.Open) != 1 || len(a.Refused) != 1 || a.Requests != 3 {
		t.Errorf("open %v, refused %v, of %d", a.Open, a.Refused, a.Requests)
	}
}

// standardObjects are what an API server makes by itself, as far as everybody has it, and more that somebody has done to it.
func standardObjects(change func(*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding)) []evidence.Object {
	meta := metav1.ObjectMeta{Name: "system:basic-user", Labels: map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: defaultRules[1:]}
	b := &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: meta.Name}, Subjects: []rbacv1.Subject{{Kind: "Group", Name: everybody}}}
	change(role, b)
	return []evidence.Object{role, b}
}

// TestStandard: what every cluster gives to everybody is not shown, unless somebody has changed it or given it away.
func TestStandard(t *testing.T) {
	none := func(*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding) {}
	to := func(s rbacv1.Subject) func(*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding) {
		return func(_ *rbacv1.ClusterRole, b *rbacv1.ClusterRoleBinding) { b.Subjects = append(b.Subjects, s) }
	}
	for name, c := range map[string]struct {
		change   func(*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding)
		shown    int // grants of sa:shop/cart
		subjects string
	}{
		"as it is":              {none, 0, "[]"},
		"an account beside":     {to(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "shop", Name: "cart"}), 1, "[sa:shop/cart]"},
		"a group beside":        {to(rbacv1.Subject{Kind: "Group", Name: "dev"}), 0, "[group:dev]"},
		"a system group beside": {to(rbacv1.Subject{Kind: "Group", Name: nobody}), 0, "[group:system:unauthenticated]"},
		"one of kube-system":    {to(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "kube-system", Name: "tiller"}), 0, "[sa:kube-system/tiller]"},
		"a wider role": {func(r *rbacv1.ClusterRole, _ *rbacv1.ClusterRoleBinding) {
			r.Rules = append(slices.Clone(r.Rules), rule("get - secrets"))
		}, 1, "[]"},
		"another's binding": {func(_ *rbacv1.ClusterRole, b *rbacv1.ClusterRoleBinding) { b.Labels = nil }, 1, "[group:system:authenticated]"},
		"another's role":    {func(r *rbacv1.ClusterRole, _ *rbacv1.ClusterRoleBinding) { r.Labels = nil }, 1, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewObjects(standardObjects(c.change))
			shown := (&Advisor{Objects: o}).Advise(cart).Grants
			if got := fmt.Sprint(o.Subjects()); len(shown) != c.shown || got != c.subjects {
				t.Errorf("%d grants are shown, of %s", len(shown), got)
			}
		})
	}
}

// TestBootstrapped: subjects of Kubernetes are not shown for what it gives them itself, and are for what somebody else does.
func TestBootstrapped(t *testing.T) {
	bind := func(name string, labels map[string]string, to rbacv1.Subject) evidence.Object {
		return &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: name}, Subjects: []rbacv1.Subject{to}}
	}
	label := map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}
	masters, job := rbacv1.Subject{Kind: "Group", Name: "system:masters"}, rbacv1.Subject{Kind: "ServiceAccount", Namespace: "kube-system", Name: "job-controller"}
	node := rbacv1.Subject{Kind: "User", Name: "system:node:n1"}
	for _, c := range []struct {
		of   evidence.Object
		want string
	}{
		{bind("cluster-admin", label, masters), "[]"},
		{bind("cluster-admin", nil, masters), "[group:system:masters]"},
		{bind("cluster-admin", label, node), "[user:system:node:n1]"},
		{bind("system:controller:job-controller", label, job), "[]"},
		{bind("system:controller:node-controller", label, job), "[sa:kube-system/job-controller]"},
		{bind("mine", nil, job), "[sa:kube-system/job-controller]"},
	} {
		if got := fmt.Sprint(NewObjects([]evidence.Object{c.of}).Subjects()); got != c.want {
			t.Errorf("%v: %s, want %s", c.of, got, c.want)
		}
	}
}

// TestRoleNames: no two subjects have a role of the same name.
func TestRoleNames(t *testing.T) {
	names := map[string]Subject{}
	for _, who := range []Subject{
		{"ServiceAccount", "a", "b-c"}, {"ServiceAccount", "a-b", "c"}, {"ServiceAccount", "user", "x"}, {"ServiceAccount", "shop", "x"},
		user("x"), group("x"), user("a/b"), user("a-b"), user("a=2Fb"), user("a%b"), user("shop:x"), group("shop:x"),
	} {
		for _, in := range []string{"", "shop"} {
			key := in + "/" + roleName(who, in)
			if other, known := names[key]; known || strings.ContainsAny(roleName(who, in), "/%") {
				t.Errorf("%s is the name of a role of %s and of %s", key, who, other)
			}
			names[key] = who
		}
	}
}

// TestPaths: paths are given to nobody in a namespace; of many in one folder the folder is, and never all.
func TestPaths(t *testing.T) {
	none := &Policy{Kind: "Policy", Rules: []PolicyRule{{Level: "None"}}}
	a := advise(t, granted("r", "shop", "get /metrics"), asks(t, "list /api/v1/pods"), none)
	if rules := a.Grants[0].Rules; len(rules[0].Unused) != 1 || len(rules[0].Unknown) > 0 {
		t.Errorf("%+v", rules)
	}
	for _, role := range a.Proposal {
		if role.Namespace != "" && len(role.Rules) > 0 && len(role.Rules[0].Rule.NonResourceURLs) > 0 {
			t.Errorf("a path in a namespace: %+v", role)
		}
	}
	var many []string
	for i := range mostPaths + 1 {
		many = append(many, fmt.Sprint("get /debug/", i), fmt.Sprint("get /top-", i))
	}
	got := strings.Join(proposed(advise(t, granted("r", "", "get /*"), asks(t, append(many, "get /metrics")...), logsAll)), " ")
	if !strings.Contains(got, "get /debug/*,/metrics,/top-0") || strings.Contains(got, "/*,/*") || strings.Contains(got, " /*") {
		t.Error(got)
	}
	if got := proposed(advise(t, granted("r", "", "get /*"), asks(t), none)); len(got) > 0 {
		t.Errorf("wildcards are kept: %q", got)
	}
	a = advise(t, granted("r", "", "* * *", "* /*"), asks(t, "get /*", "get /apis/*/v1/*", "get /metrics"), logsAll)
	if got := proposed(a); len(got) != 1 || got[0] != ": get /metrics" || len(a.Replay.Refused) != 2 || !strings.Contains(strings.Join(a.Notes, " "), "2 different requests") {
		t.Errorf("%q, refused %v, notes %q", got, a.Replay.Refused, a.Notes)
	}
}

// TestWays finds rights that lead to others, where and by which names they hold, and whose rights they are.
func TestWays(t *testing.T) {
	objects := slices.Concat(
		granted("r", "shop", "create - serviceaccounts/token", "get,list - secrets", "get - pods", "create - secrets key", "*  rbac.authorization.k8s.io clusterroles"),
		granted("s", "", "update - nodes/metrics", "create - pods/eviction"),
		[]evidence.Object{
			&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "cluster-admin"}, Rules: []rbacv1.PolicyRule{rule("* * *"), rule("* /*")}},
			&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "boss"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "cluster-admin"}, Subjects: []rbacv1.Subject{
				{Kind: "ServiceAccount", Namespace: "shop", Name: "boss"}, {Kind: "ServiceAccount", Namespace: "bank", Name: "boss"},
			}},
		})
	a := advise(t, objects, asks(t, "list /api/v1/namespaces/shop/secrets"), logsAll)
	var got []string
	for _, w := range a.Ways {
		got = append(got, fmt.Sprintf("%v in %q used %d: %q", w.Rights, w.Namespace, w.Used, w.Reaches))
	}
	want := []string{
		`[create serviceaccounts/token] in "shop" used 0: ["sa:shop/boss, which may do everything"]`,
		`[get secrets list secrets] in "shop" used 1: []`,
		`[escalate clusterroles.rbac.authorization.k8s.io] in "shop" used 0: []`,
		`[bind clusterroles.rbac.authorization.k8s.io] in "shop" used 0: []`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	boss := (&Advisor{Objects: NewObjects(objects)}).Advise(Subject{"ServiceAccount", "bank", "boss"})
	if len(boss.Ways) != 1 || boss.Ways[0].Gives != everything.Gives {
		t.Errorf("%+v", boss.Ways)
	}
}

// TestObjects: roles that are made of others, bindings of groups, and roles that there are not.
func TestObjects(t *testing.T) {
	made := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "made"}, AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"to": "made"}}}}}
	part := func(name, text string) *rbacv1.ClusterRole {
		return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"to": "made"}}, Rules: []rbacv1.PolicyRule{rule(text)}}
	}
	bound := func(name, role string, to rbacv1.Subject) *rbacv1.ClusterRoleBinding {
		return &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: []rbacv1.Subject{to}}
	}
	o := NewObjects([]evidence.Object{
		made, part("b", "list - pods"), part("a", "get - pods"), part("c", "get - pods"),
		bound("of-accounts", "made", rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts:shop"}),
		bound("gone", "gone", rbacv1.Subject{Kind: "User", Name: cart.User()}),
		bound("others", "made", rbacv1.Subject{Kind: "Group", Name: "dev"}),
	})
	var got []string
	for _, g := range o.grantsTo(cart, nil) {
		if !g.standard {
			got = append(got, fmt.Sprintf("%s %s %q %t %d", g.Binding, g.Role, g.To, g.Missing, len(g.rules)))
		}
	}
	want := []string{`ClusterRoleBinding/gone ClusterRole/gone "" true 0`, `ClusterRoleBinding/of-accounts ClusterRole/made "group:system:serviceaccounts:shop" false 2`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(o.Subjects()); got != "[group:dev group:system:serviceaccounts:shop sa:shop/cart]" {
		t.Error(got)
	}
}

// TestAggregation: a role that is made of others, which are made of others in turn or of itself, has the rules of all.
func TestAggregation(t *testing.T) {
	of := func(name, to, rules string) *rbacv1.ClusterRole {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"to": to}}}
		if rules != "" {
			role.Rules = []rbacv1.PolicyRule{rule(rules)}
			return role
		}
		role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"to": name}}}}
		return role
	}
	o := NewObjects([]evidence.Object{of("admin", "view", ""), of("edit", "admin", ""), of("view", "edit", ""), of("x", "view", "get - pods"), of("y", "edit", "update - pods")})
	for _, name := range []string{"admin", "edit", "view"} {
		if n := len(o.cluster[name].Rules); n != 2 {
			t.Errorf("%s has %d rules, expected 2: %v", name, n, o.cluster[name].Rules)
		}
	}
}

// TestRest: what was refused, what no role allows, dry runs, and what a short log may not have.
func TestRest(t *testing.T) {
	log := reading(t, entry(cart.User(), "list", "/api/v1/secrets", `,"annotations":{"authorization.k8s.io/decision":"forbid"}`)+entry(cart.User(), "list", "/api/v1/nodes", "")+
		entry(cart.User(), "delete", "/api/v1/namespaces/shop/pods/a?dryRun=All", ""))
	a := advise(t, granted("r", "shop", "delete - pods", "update coordination.k8s.io leases", "get example.com things"), log, logsAll)
	if got := fmt.Sprint(a.Refused, a.Beyond, a.DryRuns); got != "[{list secrets 1}] [{list nodes 1}] [{delete pods a in shop 1}]" {
		t.Error(got)
	}
	if len(a.Replay.Refused) != 0 || a.Replay.Requests != 2 {
		t.Errorf("%+v: what was let through is to be let through again", a.Replay)
	}
	for i, word := range []string{"shorter than a day", "ran already", "leader: update leases.coordination.k8s.io", "objects of a kind that nobody may have made yet: get things.example.com"} {
		if i >= len(a.Missed) || !strings.Contains(a.Missed[i], word) {
			t.Errorf("%q is missing from %q", word, a.Missed)
		}
	}
}
