// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package serve

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
)

// ownAddress is an address of this machine that the API server's proxy takes for that of a pod: it refuses the loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but the loopback")
	return ""
}

// agentPod makes the API server believe that a pod of the DaemonSet runs where the server under test listens.
func (c *cluster) agentPod(ip string, port int) {
	c.t.Helper()
	ready := []any{map[string]any{"type": "Ready", "status": "True"}}
	c.create("/api/v1/nodes", map[string]any{"metadata": map[string]any{"name": "n1"}})
	const pods = "/api/v1/namespaces/inquest/pods"
	c.create(pods, map[string]any{
		"metadata": map[string]any{"name": "inquest-agent-x", "labels": map[string]any{"app.kubernetes.io/name": "inquest-agent"}},
		"spec": map[string]any{"nodeName": "n1", "tolerations": []any{map[string]any{"operator": "Exists"}}, "containers": []any{
			map[string]any{"name": "agent", "image": "x", "ports": []any{map[string]any{"containerPort": port}}},
		}},
	})
	status, answer := c.ask(http.MethodPatch, pods+"/inquest-agent-x/status", "admin", map[string]any{
		"status": map[string]any{"phase": "Running", "conditions": ready, "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}}},
	})
	if status != http.StatusOK {
		c.t.Fatalf("the status of the pod: %d %s", status, answer)
	}
}

// TestThroughTheProxy: a client outside asks the agent by the API server's proxy to pods, with a token that it has made.
func TestThroughTheProxy(t *testing.T) {
	c := newCluster(t)
	for _, name := range []string{"agent.yaml", "reader.yaml"} {
		c.apply(name)
	}
	c.write("token", []byte(c.token("inquest-agent")))
	_, from := sources()
	ip := ownAddress(t)
	s := start(t, NewAPI(c.url, c.dir), from, func(s *Server) { s.o.Listen = net.JoinHostPort(ip, "0") })
	_, portText, err := net.SplitHostPort(strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	c.agentPod(ip, port)
	config := &rest.Config{Host: c.url, BearerToken: "admin", TLSClientConfig: rest.TLSClientConfig{CAFile: c.file("ca.crt")}}
	for path, want := range map[string]string{collect.AgentRecord: "1 2 3 4 5 6", collect.AgentRuns: "", collect.AgentSaturation: ""} {
		list, err := collect.Cluster{Config: config}.AskAgent(t.Context(), "n1", path, nil)
		if err != nil || numbers(list) != want || len(list) == 0 {
			t.Errorf("%s gives %d entries, %s: %v", path, len(list), numbers(list), err)
		}
	}
	proxied := "/api/v1/namespaces/inquest/pods/https:inquest-agent-x:" + portText + "/proxy"
	for path, want := range map[string]int{"/v1/entries": 401, "/healthz": 200, "/v1/..%2fmetrics": 401} {
		if status, answer := c.ask(http.MethodGet, proxied+path, "admin", nil); status != want {
			t.Errorf("%s through the proxy, without a token for agents: %d %s", path, status, answer)
		}
	}
}
