// SPDX-License-Identifier: Apache-2.0

package rbac

import "testing"

// TestPolicy: a right is silent where a rule that may come before all others does not log it.
func TestPolicy(t *testing.T) {
	metadata := PolicyRule{Level: "Metadata"}
	none := func(r PolicyRule) *Policy { r.Level = "None"; return &Policy{Rules: []PolicyRule{r, metadata}} }
	sue := person{"sue", []string{"dev"}}
	pods := Request{Verb: "get", Resource: "pods", Namespace: "*", Name: "*"}
	for _, c := range []struct {
		name   string
		policy *Policy
		who    person
		right  Request
		silent bool
	}{
		{"all is logged", &Policy{Rules: []PolicyRule{metadata}}, sue, pods, false},
		{"nothing is", &Policy{}, sue, pods, true},
		{"the first rule counts", &Policy{Rules: []PolicyRule{metadata, {Level: "None"}}}, sue, pods, false},
		{"another user", none(PolicyRule{Users: []string{"bob"}}), sue, pods, false},
		{"the user", none(PolicyRule{Users: []string{"sue"}}), sue, pods, true},
		{"some of a group", none(PolicyRule{Users: []string{"bob"}}), person{"", []string{"dev"}}, pods, true},
		{"the group", none(PolicyRule{UserGroups: []string{"dev"}}), sue, pods, true},
		{"another verb", none(PolicyRule{Verbs: []string{"list"}}), sue, pods, false},
		{"one of all verbs", none(PolicyRule{Verbs: []string{"list"}}), sue, Request{Verb: "*", Resource: "pods", Namespace: "*", Name: "*"}, true},
		{"a namespace of all", none(PolicyRule{Namespaces: []string{"shop"}}), sue, pods, true},
		{"another namespace", none(PolicyRule{Namespaces: []string{"shop"}}), sue, Request{Verb: "get", Resource: "pods", Namespace: "bank", Name: "*"}, false},
		{"subresources", none(PolicyRule{Resources: []GroupResources{{Resources: []string{"pods/*"}}}}), sue, pods, false},
		{"a subresource", none(PolicyRule{Resources: []GroupResources{{Resources: []string{"pods/*"}}}}), sue, Request{Verb: "get", Resource: "pods/log", Namespace: "*", Name: "*"}, true},
		{"a subresource of all", none(PolicyRule{Resources: []GroupResources{{Group: "*", Resources: []string{"*/log"}}}}), sue, Request{Verb: "get", Resource: "pods/log", Namespace: "*", Name: "*"}, true},
		{"one of all resources", none(PolicyRule{Resources: []GroupResources{{Resources: []string{"events"}}}}), sue, Request{Verb: "get", Resource: "*", Namespace: "*", Name: "*"}, true},
		{"another group of resources", none(PolicyRule{Resources: []GroupResources{{Group: "apps"}}}), sue, pods, false},
		{"a name of all", none(PolicyRule{Resources: []GroupResources{{Resources: []string{"pods"}, ResourceNames: []string{"a"}}}}), sue, pods, true},
		{"a path is no resource", none(PolicyRule{NonResourceURLs: []string{"/healthz*"}}), sue, pods, false},
		{"a path", none(PolicyRule{NonResourceURLs: []string{"/healthz*"}}), sue, Request{Verb: "get", Path: "/healthz/etcd"}, true},
		{"one of many paths", none(PolicyRule{NonResourceURLs: []string{"/healthz"}}), sue, Request{Verb: "get", Path: "/*"}, true},
		{"no stage that tells", &Policy{OmitStages: []string{"ResponseComplete"}, Rules: []PolicyRule{metadata}}, sue, pods, true},
		{"a stage that tells of a watch", &Policy{OmitStages: []string{"ResponseComplete"}, Rules: []PolicyRule{metadata}}, sue, Request{Verb: "watch", Resource: "pods", Namespace: "*", Name: "*"}, false},
	} {
		if got := c.policy.silent(c.who, c.right); (got != "") != c.silent {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if (&Policy{Kind: "Pod"}).Validate() == nil || (&Policy{Kind: "Policy", Rules: []PolicyRule{{Level: "All"}}}).Validate() == nil {
		t.Error("what is no policy is taken for one")
	}
}
