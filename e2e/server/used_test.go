// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestServer: what is shown to whom, who acts, and what of its rights the server made use of in all that.
func TestServer(t *testing.T) {
	control.apply(t, "-f", "rbac/reader.yaml")
	control.apply(t, "-k", "server/base")
	control.apply(t, "-k", "server/replicas")
	t.Run("rights", rights)
	t.Run("turns", turns)
	t.Run("used", used)
}

// account is as whom the server asks.
const account = "system:serviceaccount:inquest-server:inquest-server"

// used looks up in the audit log what the server asked: what its roles allow and nothing else, and all that its own roles allow. The
// role that it shares with the command line is for questions that pods without nodes do not raise.
func used(t *testing.T) {
	own, shared := control.granted(t)
	asked, beyond := map[string]bool{}, map[string]bool{}
	for _, r := range control.requests(t, "audit.log", account) {
		o := r.ObjectRef
		right := right(r.Verb, o.APIGroup, strings.TrimSuffix(o.Resource+"/"+o.Subresource, "/"))
		if o.Resource == "" {
			path, _, _ := strings.Cut(r.RequestURI, "?")
			right = r.Verb + " " + path
		}
		asked[right] = true
		if o.Resource == "secrets" || !own[right] && !shared[right] || r.ResponseStatus.Code == http.StatusForbidden {
			beyond[fmt.Sprintf("%s (%s: %d)", right, r.RequestURI, r.ResponseStatus.Code)] = true
		}
	}
	for what := range beyond {
		t.Errorf("the server asked to %s, which its roles do not allow", what)
	}
	for right := range own {
		if !asked[right] {
			t.Errorf("the server may %s and never did", right)
		}
	}
	t.Logf("the server may and did: %q", slices.Sorted(maps.Keys(asked)))
}

func right(verb, group, resource string) string { return verb + " " + resource + " of " + group }

// granted returns what the server's own roles allow, and what the role allows that it shares with the command line.
func (c *cluster) granted(t *testing.T) (own, shared map[string]bool) {
	t.Helper()
	own, shared = map[string]bool{}, map[string]bool{}
	add := func(to map[string]bool, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, verb := range rule.Verbs {
				for _, resource := range rule.Resources {
					to[right(verb, strings.Join(rule.APIGroups, ","), resource)] = true
				}
				for _, path := range rule.NonResourceURLs {
					to[verb+" "+path] = true
				}
			}
		}
	}
	for name, to := range map[string]map[string]bool{"inquest-server": own, "inquest-reader": shared} {
		role, err := c.RbacV1().ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
		must(t, err)
		add(to, role.Rules)
	}
	lease, err := c.RbacV1().Roles("inquest-server").Get(t.Context(), "inquest-server-lease", metav1.GetOptions{})
	must(t, err)
	add(own, lease.Rules)
	return own, shared
}
