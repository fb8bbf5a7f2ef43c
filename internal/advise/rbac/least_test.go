// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestLeast: whatever was granted and asked for, the proposed roles allow all that was let through, give nothing that was not granted, and
// none of their rules can be left out.
func TestLeast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		objects := drawGrants(rt)
		o := NewObjects(objects)
		grants := o.grantsTo(cart, nil)
		act := &Activity{Uses: map[Request]*Use{}}
		for range rapid.IntRange(1, 30).Draw(rt, "requests") {
			if r := drawRequest(rt); allowedBy(grants, r, anyGrant) {
				act.Uses[r] = &Use{Asked: 1}
			}
		}
		roles, _ := propose(cart, act, grants, nil, nil)
		if again := replay(roles, act, grants); len(again.Refused) > 0 {
			rt.Fatalf("refused: %v", again.Refused)
		}
		for i, role := range roles {
			for k, p := range role.Rules {
				without := slices.Clone(roles)
				without[i].Rules = slices.Delete(slices.Clone(role.Rules), k, k+1)
				if refused := len(replay(without, act, grants).Refused); refused == 0 || p.Needed == 0 {
					rt.Fatalf("%v can be left out: needed by %d, and %d are refused without", p.Rule, p.Needed, refused)
				}
				givenBefore(rt, role.Namespace, p, grants)
			}
		}
	})
}

// givenBefore checks that a rule gives nothing that was not granted.
func givenBefore(rt *rapid.T, namespace string, p Proposed, grants []Grant) {
	names := append(slices.Clone(p.Rule.ResourceNames), "")
	if len(names) > 1 {
		names = names[:len(names)-1]
	}
	for _, right := range rightsOf(&p.Rule) {
		for _, name := range names {
			right.Namespace, right.Name = namespace, name
			if right.Resource == "" {
				right.Namespace, right.Name = "", ""
			}
			if !allowedBy(grants, right, anyGrant) {
				rt.Fatalf("%s was not granted", right)
			}
		}
	}
}

var (
	someNamespaces = []string{"", "a", "b", "c", "d", "e"}
	someVerbs      = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	someResources  = []string{"pods", "secrets", "configmaps", "leases", "pods/log", "serviceaccounts/token"}
	someNames      = []string{"x", "y", "z"}
)

func drawGrants(rt *rapid.T) []evidence.Object {
	var all []evidence.Object
	for i := range rapid.IntRange(1, 4).Draw(rt, "grants") {
		var rules []string
		for range rapid.IntRange(1, 4).Draw(rt, "rules") {
			text := rapid.SampledFrom(append(someVerbs, "*", "get,list,watch")).Draw(rt, "verbs") + " - " + rapid.SampledFrom(append(someResources, "*", "pods,secrets")).Draw(rt, "resources")
			if rapid.IntRange(0, 3).Draw(rt, "named") == 0 {
				text += " " + rapid.SampledFrom(append(someNames, "x,y")).Draw(rt, "names")
			}
			rules = append(rules, text)
		}
		all = append(all, granted(fmt.Sprint("r", i), rapid.SampledFrom(someNamespaces).Draw(rt, "in"), rules...)...)
	}
	return all
}

func drawRequest(rt *rapid.T) Request {
	r := Request{
		Verb: rapid.SampledFrom(someVerbs).Draw(rt, "verb"), Resource: rapid.SampledFrom(someResources).Draw(rt, "resource"),
		Namespace: rapid.SampledFrom(someNamespaces).Draw(rt, "namespace"),
	}
	if r.Verb != "deletecollection" && (r.Verb != "create" || r.Resource == "pods/log" || r.Resource == "serviceaccounts/token") && rapid.Bool().Draw(rt, "named") {
		r.Name = rapid.SampledFrom(someNames).Draw(rt, "name")
	}
	return r
}
