// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func kubelet(t *testing.T, o NodeOptions, cgroup string) map[string]any {
	t.Helper()
	text, err := kubeletConfig(o, cgroup)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestKubeletConfig(t *testing.T) {
	config := kubelet(t, NodeOptions{Name: "n2", MaxBackoff: 5 * time.Second}, "/inquest-n2")
	for key, want := range map[string]any{
		"address": "10.98.0.12", "failCgroupV1": false, "cgroupRoot": "/inquest-n2",
		"crashLoopBackOff": map[string]any{"maxContainerRestartPeriod": "5s"},
	} {
		if got := config[key]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	own := kubelet(t, NodeOptions{Name: "n2", MemoryMiB: 1024, Kubelet: `{"failCgroupV1":true,"maxPods":5}`}, "/")
	if own["systemReserved"] != nil || own["crashLoopBackOff"] != nil {
		t.Errorf("a node with its own memory and Kubernetes' own backoff has %v and %v", own["systemReserved"], own["crashLoopBackOff"])
	}
	if own["failCgroupV1"] != true || own["maxPods"] != 5.0 {
		t.Errorf("overrides are lost: %v", own)
	}
}

func TestValidate(t *testing.T) {
	for _, bad := range []NodeOptions{
		{Name: "n0"}, {Name: "n10"}, {Name: "cp"}, {Name: ""}, {Name: "n1/.."},
		{Name: "n1", DiskMiB: 1}, {Name: "n1", DiskMiB: -1}, {Name: "n1", MemoryMiB: 100}, {Name: "n1", Kubelet: "[]"},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	if err := (NodeOptions{Name: "n9", DiskMiB: 512, MemoryMiB: 2048, Kubelet: "{}"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestPodRoutes(t *testing.T) {
	routes := podRoutes(2)
	if len(routes) != maxNodes-1 || slices.Contains(routes, podSubnet(2)+" via "+nodeIP(2)) {
		t.Errorf("n2 routes %v", routes)
	}
	if want := "10.243.1.0/24 via 10.98.0.11"; routes[0] != want {
		t.Errorf("got %s, want %s", routes[0], want)
	}
}

func TestCNIConfigIsJSON(t *testing.T) {
	if text := cniConfig("10.243.1.0/24"); !json.Valid([]byte(text)) || !strings.Contains(text, `"10.243.1.0/24"`) {
		t.Errorf("got %s", text)
	}
}

// decide is what the API server makes of a policy: the first rule that
// matches, see https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/.
func decide(policy map[string]any, user, group, verb string, lease bool) string {
	for _, r := range policy["rules"].([]any) {
		rule := r.(map[string]any)
		if rule["resources"] != nil && !lease || rule["nonResourceURLs"] != nil {
			continue
		}
		matches := func(field, value string) bool {
			list, ok := rule[field].([]string)
			return !ok || slices.Contains(list, value)
		}
		if matches("users", user) && matches("userGroups", group) && matches("verbs", verb) {
			return rule["level"].(string)
		}
	}
	return "None"
}

func TestAuditPolicyCountsWhatPeopleRead(t *testing.T) {
	policy := auditPolicy()
	for _, c := range []struct {
		user, group, verb string
		lease             bool
		want              string
	}{
		{"lab-admin", "system:masters", "list", false, "Metadata"},
		{"bob", "dev", "get", false, "Metadata"},
		{"bob", "dev", "get", true, "Metadata"},
		{"system:serviceaccount:default:inquest", "system:serviceaccounts:default", "get", false, "Metadata"},
		{"system:node:n1", "system:nodes", "watch", false, "None"},
		{"system:node:n1", "system:nodes", "patch", false, "Metadata"},
		{"system:node:n1", "system:nodes", "update", true, "None"},
		{"system:kube-scheduler", "", "list", false, "None"},
		{"system:kube-scheduler", "", "update", true, "None"},
		{"system:serviceaccount:kube-system:job-controller", "system:serviceaccounts:kube-system", "list", false, "None"},
	} {
		if got := decide(policy, c.user, c.group, c.verb, c.lease); got != c.want {
			t.Errorf("%s by %s, lease %v: %s, want %s", c.verb, c.user, c.lease, got, c.want)
		}
	}
}

func TestSpecs(t *testing.T) {
	l := Lab{State: t.TempDir(), Cache: t.TempDir()}
	if err := l.makePKI(time.Now()); err != nil {
		t.Fatal(err)
	}
	o := Options{Nodes: []NodeOptions{{Name: "n1"}, {Name: "n2", MemoryMiB: 2048}}, NodeMonitorGrace: 20 * time.Second}
	first, err := l.specs(o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.specs(o)
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("the same options give other machines: %v", err)
	}
	if len(first) != 3 || first[1].Address != "10.98.0.11/24" || first[2].Cgroup() != "/" {
		t.Errorf("machines: %+v", first)
	}
	if !slices.Contains(first[0].Units[2].Args, "--node-monitor-grace-period=20s") {
		t.Errorf("controller manager: %v", first[0].Units[2].Args)
	}
	if err := l.makePKI(time.Now()); err != nil {
		t.Errorf("certificates are made again: %v", err)
	}
}

func TestUserKubeconfig(t *testing.T) {
	l := Lab{State: t.TempDir()}
	if _, err := l.UserKubeconfig("bob", nil, false, time.Now()); err == nil {
		t.Error("without an authority there is no certificate")
	}
	if err := l.makePKI(time.Now()); err != nil {
		t.Fatal(err)
	}
	for user, good := range map[string]bool{"bob": true, "../bob": false, "": false} {
		if _, err := l.UserKubeconfig(user, []string{"dev"}, true, time.Now()); (err == nil) != good {
			t.Errorf("user %q: %v", user, err)
		}
	}
}
