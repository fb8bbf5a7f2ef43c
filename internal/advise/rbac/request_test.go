// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// TestRequestOf reads URIs as the API server does; the cases are those of its own documentation of RequestInfoFactory, and what it takes a
// name from.
func TestRequestOf(t *testing.T) {
	for _, c := range []struct {
		verb, uri string
		want      Request
	}{
		{"list", "/api/v1/pods?limit=500", Request{Verb: "list", Resource: "pods"}},
		{"get", "/api/v1/namespaces/shop", Request{Verb: "get", Resource: "namespaces", Namespace: "shop", Name: "shop"}},
		{"update", "/api/v1/namespaces/shop/finalize", Request{Verb: "update", Resource: "namespaces/finalize", Namespace: "shop", Name: "shop"}},
		{"get", "/api/v1/namespaces/shop/pods/web-0/log?container=app", Request{Verb: "get", Resource: "pods/log", Namespace: "shop", Name: "web-0"}},
		{"get", "/api/v1/namespaces/shop/pods/web-0/proxy/metrics/all", Request{Verb: "get", Resource: "pods/proxy", Namespace: "shop", Name: "web-0"}},
		{"create", "/apis/apps/v1/namespaces/shop/deployments", Request{Verb: "create", Group: "apps", Resource: "deployments", Namespace: "shop"}},
		{"create", "/api/v1/namespaces/shop/serviceaccounts/cart/token", Request{Verb: "create", Resource: "serviceaccounts/token", Namespace: "shop", Name: "cart"}},
		{"watch", "/api/v1/watch/namespaces/shop/pods", Request{Verb: "watch", Resource: "pods", Namespace: "shop"}},
		{"watch", "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dkey&watch=true", Request{Verb: "watch", Resource: "secrets", Namespace: "shop", Name: "key"}},
		{"list", "/api/v1/pods?fieldSelector=metadata.name%3Da,spec.nodeName%3Dn1", Request{Verb: "list", Resource: "pods", Name: "a"}},
		{"list", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", Request{Verb: "list", Resource: "pods"}},
		{"deletecollection", "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da", Request{Verb: "deletecollection", Resource: "pods", Namespace: "shop"}},
		{"get", "/apis/apps/v1", Request{Verb: "get", Path: "/apis/apps/v1"}},
		{"get", "/healthz?verbose", Request{Verb: "get", Path: "/healthz"}},
		{"get", "/", Request{Verb: "get", Path: "/"}},
	} {
		if got, _, ok := requestOf(c.verb, c.uri); !ok || got != c.want {
			t.Errorf("%s %s: %+v, expected %+v", c.verb, c.uri, got, c.want)
		}
	}
	if _, dry, _ := requestOf("create", "/api/v1/namespaces/shop/pods?dryRun=All"); !dry {
		t.Error("a dry run is not seen")
	}
	if _, _, ok := requestOf("get", "://"); ok {
		t.Error("what is no URI is read")
	}
}

// TestAllows decides as the authorizer does (kubernetes pkg/apis/rbac/v1/evaluation_helpers.go).
func TestAllows(t *testing.T) {
	rule := func(verbs, groups, resources, names, urls string) *rbacv1.PolicyRule {
		return &rbacv1.PolicyRule{Verbs: words(verbs), APIGroups: words(groups), Resources: words(resources), ResourceNames: words(names), NonResourceURLs: words(urls)}
	}
	core := func(verb, resource, name string) Request { return Request{Verb: verb, Resource: resource, Name: name} }
	for _, c := range []struct {
		name string
		rule *rbacv1.PolicyRule
		r    Request
		want bool
	}{
		{"the same", rule("get", "-", "pods", "", ""), core("get", "pods", "a"), true},
		{"another verb", rule("get", "-", "pods", "", ""), core("list", "pods", ""), false},
		{"another group", rule("get", "apps", "pods", "", ""), core("get", "pods", "a"), false},
		{"a resource is not its subresource", rule("get", "-", "pods", "", ""), core("get", "pods/log", "a"), false},
		{"a subresource of all", rule("update", "*", "*/scale", "", ""), Request{Verb: "update", Group: "apps", Resource: "deployments/scale"}, true},
		{"pods/* is no wildcard", rule("get", "-", "pods/*", "", ""), core("get", "pods/log", "a"), false},
		{"all resources are subresources too", rule("*", "-", "*", "", ""), core("create", "pods/exec", "a"), true},
		{"by name", rule("get", "-", "secrets", "key", ""), core("get", "secrets", "key"), true},
		{"by another name", rule("get", "-", "secrets", "key", ""), core("get", "secrets", "other"), false},
		{"what is made has no name", rule("create", "-", "secrets", "key", ""), core("create", "secrets", ""), false},
		{"a list by name", rule("list", "-", "secrets", "key", ""), core("list", "secrets", "key"), true},
		{"a path", rule("get", "", "", "", "/metrics"), Request{Verb: "get", Path: "/metrics"}, true},
		{"a path below", rule("get", "", "", "", "/metrics"), Request{Verb: "get", Path: "/metrics/cadvisor"}, false},
		{"paths below", rule("get", "", "", "", "/metrics/*"), Request{Verb: "get", Path: "/metrics/cadvisor"}, true},
		{"a path is no resource", rule("*", "*", "*", "", ""), Request{Verb: "get", Path: "/metrics"}, false},
	} {
		if got := allows(c.rule, c.r); got != c.want {
			t.Errorf("%s: %v on %v is %t", c.name, c.rule, c.r, got)
		}
	}
}

// TestSubject: whoever is named one way or the other is the same.
func TestSubject(t *testing.T) {
	for user, want := range map[string]string{
		"system:serviceaccount:shop:cart": "sa:shop/cart", "sue": "user:sue", "system:serviceaccount:odd": "user:system:serviceaccount:odd",
	} {
		if s := SubjectOf(user); s.String() != want || s.User() != user {
			t.Errorf("%s is %s, of the user name %s", user, s, s.User())
		}
	}
}
