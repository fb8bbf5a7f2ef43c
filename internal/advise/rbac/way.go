// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A Way is a right that leads to others (https://kubernetes.io/docs/concepts/security/rbac-good-practices/).
type Way struct {
	Rights    []Request `json:"rights"`
	Gives     string    `json:"gives"`
	Binding   string    `json:"binding"`
	Role      string    `json:"role"`
	Rule      int       `json:"rule"`
	Namespace string    `json:"namespace,omitempty"` // where it holds; everywhere when empty
	Names     []string  `json:"names,omitempty"`     // that it is narrowed to
	Used      int       `json:"used"`                // requests of the log
	Reaches   []string  `json:"reaches,omitempty"`   // accounts that it makes one, the mightiest first
	To        string    `json:"to,omitempty"`        // the group that it is given to
}

// A way is one kind of them.
type way struct {
	verbs     string
	group     string
	resources string
	gives     string
	accounts  bool // it makes one a service account of where it holds
}

const (
	rbacGroup  = "rbac.authorization.k8s.io"
	admission  = "admissionregistration.k8s.io"
	templates  = "create update patch"
	everything = "everything: all that is not said below as well"
)

var ways = []way{
	{"escalate", rbacGroup, "roles clusterroles", "writes roles with rights that it has not", false},
	{"bind", rbacGroup, "roles clusterroles", "gives itself roles with rights that it has not", false},
	{"impersonate", "", "users groups", "acts as anybody, in any group", false},
	{"impersonate", "", "serviceaccounts", "acts as service accounts", true},
	{"create", "", "serviceaccounts/token", "makes tokens of service accounts", true},
	{"get create", "", "nodes/proxy", "runs commands in every pod of the nodes, past admission and the audit log", false},
	{"get create", "", "pods/exec pods/attach", "runs commands in pods, with their accounts and what they mount", true},
	{"update patch", "", "pods/ephemeralcontainers", "runs a container beside those of a pod, with its account", true},
	{"get list watch", "", "secrets", "reads Secrets: passwords, keys, tokens", false},
	{"create", "", "secrets", "makes Secrets of the type service-account-token, which are filled with tokens", true},
	{"create", "", "pods", "runs pods as any service account, and where Pod Security admits it as root on a node", true},
	{templates, "apps", "deployments daemonsets statefulsets replicasets", "runs pods as any service account, by their template", true},
	{templates, "batch", "jobs cronjobs", "runs pods as any service account, by their template", true},
	{templates, "", "replicationcontrollers podtemplates", "runs pods as any service account, by their template", true},
	{templates, admission, "mutatingwebhookconfigurations mutatingadmissionpolicies mutatingadmissionpolicybindings", "changes what anybody creates, while it is admitted", false},
	{templates, admission, "validatingwebhookconfigurations", "reads all that anybody writes, Secrets too, while it is admitted", false},
	{"update patch", "certificates.k8s.io", "certificatesigningrequests/approval", "has certificates signed for other users", false},
	{"update patch", "certificates.k8s.io", "certificatesigningrequests/status", "signs certificates for other users", false},
	{templates, "apiregistration.k8s.io", "apiservices", "answers in the API server's place, and gets what is sent there", false},
	{"create", "", "persistentvolumes", "mounts any path of a node", false},
	{"update patch", "", "namespaces", "takes the labels away by which Pod Security is enforced", false},
	{"update patch", "", "nodes nodes/status", "draws pods, and so their tokens and Secrets, to a node", false},
}

// waysOf finds those that the rules of a grant open.
func waysOf(g *Grant, act *Activity) []Way {
	var all []Way
	for i := range g.rules {
		rule := &g.rules[i]
		if grants(rule, Request{Verb: "*", Group: "*", Resource: "*"}) && len(rule.ResourceNames) == 0 {
			all = append(all, found(g, i, act, way{gives: everything, accounts: true}, []Request{{Verb: "*", Group: "*", Resource: "*"}}))
			continue
		}
		for _, w := range ways {
			if rights := w.openedBy(rule); len(rights) > 0 {
				all = append(all, found(g, i, act, w, rights))
			}
		}
	}
	return all
}

// openedBy are the rights of a way that a rule grants.
func (w *way) openedBy(rule *rbacv1.PolicyRule) (rights []Request) {
	for resource := range strings.FieldsSeq(w.resources) {
		for verb := range strings.FieldsSeq(w.verbs) {
			if r := (Request{Verb: verb, Group: w.group, Resource: resource}); grants(rule, r) && useful(rule, verb, resource) {
				rights = append(rights, r)
			}
		}
	}
	return rights
}

// useful tells whether a rule that is narrowed to names lets the verb through: what is made anew has no name yet.
func useful(rule *rbacv1.PolicyRule, verb, resource string) bool {
	return len(rule.ResourceNames) == 0 || verb != "create" || strings.Contains(resource, "/")
}

func found(g *Grant, rule int, act *Activity, w way, rights []Request) Way {
	f := Way{Rights: rights, Gives: w.gives, Binding: g.Binding, Role: g.Role, Rule: rule + 1, Namespace: g.Namespace, Names: g.rules[rule].ResourceNames, To: g.To}
	if act == nil {
		return f
	}
	for r, use := range act.Uses {
		if g.covers(r) && allows(&g.rules[rule], r) && slices.ContainsFunc(rights, func(right Request) bool { return uses(right, r) }) {
			f.Used += use.Asked
		}
	}
	return f
}

// mostReached is how many accounts are named that a way makes one.
const mostReached = 3

// allPowerful is more than there are ways.
const allPowerful = 1000

// mights tells of each service account how mighty it is, where roles give it ways to more.
func (o *Objects) mights() map[Subject]int {
	might := map[Subject]int{}
	for _, s := range o.all() {
		if s.Kind == rbacv1.ServiceAccountKind {
			might[s] = o.might(s)
		}
	}
	return might
}

// reach names the accounts that ways make one, the mightiest first.
func reach(from Subject, all []Way, might map[Subject]int) {
	for i := range all {
		w := &all[i]
		if !makesAccount(w) {
			continue
		}
		var reached []Subject
		for account, n := range might {
			if n > 0 && account != from && w.makes(account) {
				reached = append(reached, account)
			}
		}
		slices.SortFunc(reached, func(a, b Subject) int { return cmp.Or(might[b]-might[a], compareSubjects(a, b)) })
		for _, account := range reached[:min(len(reached), mostReached)] {
			text := account.String()
			if might[account] > allPowerful {
				text += ", which may do everything"
			}
			w.Reaches = append(w.Reaches, text)
		}
		if more := len(reached) - mostReached; more > 0 {
			w.Reaches = append(w.Reaches, fmt.Sprintf("%d more", more))
		}
	}
}

// makes tells whether a way makes one an account: in the way's namespace, and of its names where these are of accounts.
func (w *Way) makes(account Subject) bool {
	ofAccounts := strings.HasPrefix(w.Rights[0].Resource, "serviceaccounts")
	return (w.Namespace == "" || w.Namespace == account.Namespace) && (!ofAccounts || len(w.Names) == 0 || slices.Contains(w.Names, account.Name))
}

func makesAccount(w *Way) bool {
	return slices.ContainsFunc(ways, func(kind way) bool { return kind.accounts && kind.gives == w.Gives })
}

// might orders accounts: who may everything comes before all others, then it counts ways.
func (o *Objects) might(s Subject) int {
	n := 0
	for _, g := range o.grantsTo(s, nil) {
		if g.standard {
			continue
		}
		for _, w := range waysOf(&g, nil) {
			if n++; w.Gives == everything && g.Namespace == "" {
				n += allPowerful
			}
		}
	}
	return n
}
