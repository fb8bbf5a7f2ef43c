// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Objects are the roles, the bindings, and the service accounts of a cluster, or of manifests.
type Objects struct {
	roles    map[string]*rbacv1.Role // by namespace/name
	cluster  map[string]*rbacv1.ClusterRole
	bindings []binding
	accounts []Subject

	partial   bool            // there may be more roles than these
	byDefault map[string]bool // ClusterRoles that were not read, and are taken to be as the API server makes them
}

// A binding is a RoleBinding or, without a namespace, a ClusterRoleBinding.
type binding struct {
	namespace, name string
	to              rbacv1.RoleRef
	subjects        []rbacv1.Subject
	labelled        bool // as what the API server makes by itself
}

// NewObjects takes what bears on rights from among all objects of a cluster. Roles that are made of others by their labels are put together here, where the
// controller that does so in a cluster has not (kubernetes pkg/controller/clusterroleaggregation).
func NewObjects(all []evidence.Object) *Objects {
	o := newObjects(all)
	o.aggregate()
	return o
}

func newObjects(all []evidence.Object) *Objects {
	o := &Objects{roles: map[string]*rbacv1.Role{}, cluster: map[string]*rbacv1.ClusterRole{}, byDefault: map[string]bool{}}
	for _, object := range all {
		switch object := object.(type) {
		case *rbacv1.Role:
			o.roles[namespaceOf(object.Namespace)+"/"+object.Name] = object
		case *rbacv1.ClusterRole:
			o.cluster[object.Name] = object
		case *rbacv1.RoleBinding:
			o.bindings = append(o.bindings, binding{namespaceOf(object.Namespace), object.Name, object.RoleRef, object.Subjects, labelled(object)})
		case *rbacv1.ClusterRoleBinding:
			o.bindings = append(o.bindings, binding{"", object.Name, object.RoleRef, object.Subjects, labelled(object)})
		case *corev1.ServiceAccount:
			o.accounts = append(o.accounts, Subject{rbacv1.ServiceAccountKind, namespaceOf(object.Namespace), object.Name})
		}
	}
	slices.SortFunc(o.bindings, func(a, b binding) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	return o
}

// namespaceOf is where kubectl puts what does not say.
func namespaceOf(namespace string) string { return cmp.Or(namespace, metav1.NamespaceDefault) }

// aggregate does so again until nothing is added: what is put together may itself be a part, as edit is of admin.
func (o *Objects) aggregate() {
	names := sortedKeys(o.cluster)
	var made []*rbacv1.ClusterRole
	for _, name := range names {
		if role := o.cluster[name]; role.AggregationRule != nil && len(role.Rules) == 0 {
			o.cluster[name] = role.DeepCopy()
			made = append(made, o.cluster[name])
		}
	}
	for added := true; added; {
		added = false
		for _, role := range made {
			before := len(role.Rules)
			o.collect(role, names)
			added = added || len(role.Rules) > before
		}
	}
}

// collect adds the rules of all that a role is made of.
func (o *Objects) collect(role *rbacv1.ClusterRole, names []string) {
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			continue // the API server takes no such role
		}
		for _, other := range names {
			if from := o.cluster[other]; from != role && selector.Matches(labels.Set(from.Labels)) {
				role.Rules = union(role.Rules, from.Rules)
			}
		}
	}
}

func union(rules, more []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	for i := range more {
		if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return reflect.DeepEqual(r, more[i]) }) {
			rules = append(rules, more[i])
		}
	}
	return rules
}

// Knows tells whether a binding names somebody, or there is such an account.
func (o *Objects) Knows(who Subject) bool { return slices.Contains(o.all(), who) }

// Names are all that rules narrow a right to.
func (o *Objects) Names() map[string]bool {
	names := map[string]bool{}
	add := func(rules []rbacv1.PolicyRule) {
		for i := range rules {
			for _, name := range rules[i].ResourceNames {
				names[name] = true
			}
		}
	}
	for _, role := range o.roles {
		add(role.Rules)
	}
	for _, role := range o.cluster {
		add(role.Rules)
	}
	return names
}

// Subjects are all that bindings name, and service accounts, in order; without those of Kubernetes itself that have what it gives them and
// no more.
func (o *Objects) Subjects() []Subject {
	own := slices.DeleteFunc(slices.Clone(o.accounts), func(s Subject) bool { return s.Namespace == metav1.NamespaceSystem })
	return o.and(own, func(b *binding, s Subject) bool {
		kubernetes := s.Namespace == metav1.NamespaceSystem || strings.HasPrefix(s.Name, "system:")
		return !kubernetes || !b.bootstrapped(s)
	})
}

func (o *Objects) all() []Subject {
	return o.and(slices.Clone(o.accounts), func(*binding, Subject) bool { return true })
}

// and adds those whom bindings name.
func (o *Objects) and(all []Subject, which func(*binding, Subject) bool) []Subject {
	for i := range o.bindings {
		b := &o.bindings[i]
		for _, s := range b.subjects {
			if who := subject(s, b.namespace); which(b, who) {
				all = append(all, who)
			}
		}
	}
	slices.SortFunc(all, compareSubjects)
	return slices.Compact(all)
}

// subject reads one of a binding: the namespace of a service account may be left out of a RoleBinding's in files, and nowhere else.
func subject(s rbacv1.Subject, namespace string) Subject {
	if s.Kind == rbacv1.ServiceAccountKind {
		return Subject{s.Kind, cmp.Or(s.Namespace, namespace), s.Name}
	}
	if s.Kind == rbacv1.UserKind {
		return SubjectOf(s.Name)
	}
	return Subject{Kind: s.Kind, Name: s.Name}
}

func compareSubjects(a, b Subject) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// A Grant is what one binding gives to somebody.
type Grant struct {
	Binding   string `json:"binding"` // ClusterRoleBinding/name or RoleBinding/name
	Role      string `json:"role"`    // ClusterRole/name or Role/name
	Namespace string `json:"namespace,omitempty"`
	To        string `json:"to,omitempty"`      // the group that it is given to, where it is not the subject itself
	Missing   bool   `json:"missing,omitempty"` // there is no such role: nothing is given
	Unread    bool   `json:"unread,omitempty"`  // the role is not among what was read: what it gives is not known
	Default   bool   `json:"default,omitempty"` // the role was not read, and is taken to be as the API server makes it

	rules    []rbacv1.PolicyRule
	standard bool // every cluster gives it to everybody
}

// allows tells whether a grant gives a right, and by which of its rules. A RoleBinding's holds for what lies in its namespace.
func (g *Grant) allows(r Request) (rule int, ok bool) {
	if g.Namespace != "" && (r.Resource == "" || r.Namespace != g.Namespace) {
		return 0, false
	}
	for i := range g.rules {
		if allows(&g.rules[i], r) {
			return i, true
		}
	}
	return 0, false
}

// grantsTo returns what is given to a subject, by its name or as one of a group. Groups beside its own are those that the log has it in.
func (o *Objects) grantsTo(s Subject, groups []string) []Grant {
	groups = append(s.groups(), groups...)
	var all []Grant
	for _, b := range o.bindings {
		who, ok := b.gives(s, groups)
		if !ok {
			continue
		}
		g := o.grant(b)
		if who != s {
			g.To = who.String()
		}
		g.standard = g.To != "" && slices.Contains(defaultRoles, b.name) && b.bootstrapped(who) && o.unchanged(b.to.Name)
		all = append(all, g)
	}
	if s.Kind != rbacv1.GroupKind && s.Name != "system:anonymous" && !slices.ContainsFunc(all, func(g Grant) bool { return g.standard }) {
		all = append(all, Grant{Binding: "ClusterRoleBinding/system:basic-user", Role: "ClusterRole/system:basic-user", To: "group:" + everybody, rules: defaultRules, standard: true})
	}
	return all
}

// gives tells whether a binding names somebody: by the name rather than as one of a group.
func (b *binding) gives(s Subject, groups []string) (as Subject, ok bool) {
	for _, to := range b.subjects {
		switch who := subject(to, b.namespace); {
		case who == s:
			return who, true
		case who.Kind == rbacv1.GroupKind && slices.Contains(groups, who.Name):
			as, ok = who, true
		}
	}
	return as, ok
}

func (o *Objects) grant(b binding) Grant {
	g := Grant{Binding: "RoleBinding/" + b.name, Role: b.to.Kind + "/" + b.to.Name, Namespace: b.namespace}
	if b.namespace == "" {
		g.Binding = "ClusterRoleBinding/" + b.name
	}
	if role := o.cluster[b.to.Name]; b.to.Kind == "ClusterRole" && role != nil {
		g.rules, g.Default = role.Rules, o.byDefault[b.to.Name]
	} else if role := o.roles[b.namespace+"/"+b.to.Name]; b.to.Kind == "Role" && role != nil {
		g.rules = role.Rules
	} else {
		g.Missing, g.Unread = !o.partial, o.partial
	}
	return g
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
