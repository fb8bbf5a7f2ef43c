// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// nodesOnly lets see the nodes, and one namespace.
type nodesOnly struct{ headerAccess }

func (n nodesOnly) Rights(ctx context.Context, r *http.Request) (Rights, error) {
	may, err := n.headerAccess.Rights(ctx, r)
	may.Nodes, may.Foreign = true, []string{"bank"}
	return may, err
}

// surveys answers with so many nodes: the last is full, the one before it has no agent, and what its condition says names a namespace.
func surveys(nodes int) func(context.Context) (*evidence.Snapshot, error) {
	s := &evidence.Snapshot{Taken: noon, Has: evidence.Node | evidence.Usage}
	for i := range nodes {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%04d", i)}}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourceCPU: resource.MustParse("4")}
		n.Status.NodeInfo.KubeletVersion, n.Status.NodeInfo.ContainerRuntimeVersion = "v1.37.2", "containerd://2.1"
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Message: `evicted the pods of namespace "bank"`}}
		use := &metricsv1.NodeMetrics{ObjectMeta: n.ObjectMeta, Usage: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi"), corev1.ResourceCPU: resource.MustParse("1")}}
		if i == nodes-1 {
			use.Usage[corev1.ResourceMemory] = resource.MustParse("7800Mi")
		}
		s.Objects = append(s.Objects, n, use)
	}
	s.Gaps = []evidence.Gap{
		{Kind: evidence.Host, About: evidence.RefTo("Node", "", fmt.Sprintf("node-%04d", nodes-2)), Why: "no node agent"},
		{Kind: evidence.Events, Why: `forbidden: cannot list events in namespace "bank"`},
	}
	s.Freeze()
	return func(context.Context) (*evidence.Snapshot, error) { return s, nil }
}

func withSurvey(t *testing.T, access Access, survey func(context.Context) (*evidence.Snapshot, error), deaths ...history.Death) http.Handler {
	t.Helper()
	c := consoleWith(t, access, deaths...)
	c.Survey = survey
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestBlindNodes: a node that cannot be seen into is named on the first page although nothing died on it, to who may see nodes alone, and
// without names that he may not see.
func TestBlindNodes(t *testing.T) {
	h := withSurvey(t, headerAccess{}, surveys(3), died("shop", "web", 1))
	_, body, _ := get(t, h, "*", "/")
	contains(t, "the first page", body, "What cannot be seen", "no node agent", "node/node-0001", "bank")
	for _, path := range []string{"/", "/nodes", "/?format=json", "/nodes?format=json"} {
		if _, body, _ := get(t, h, "shop", path); strings.Contains(body, "node-000") {
			t.Errorf("%s names nodes to who may not see them", path)
		}
	}
	h = withSurvey(t, nodesOnly{}, surveys(3), died("shop", "web", 1))
	for _, path := range []string{"/", "/?format=json", "/nodes", "/nodes?format=json", "/nodes/node-0001", "/nodes/node-0001?format=json"} {
		_, body, _ := get(t, h, "shop", path)
		contains(t, path+" of who may see nodes", body, "node-0001")
		if strings.Contains(body, "bank") {
			t.Errorf("%s names a namespace that its reader may not see: %s", path, body)
		}
	}
}

// TestSlowSurvey: a cluster that does not answer keeps no page waiting for long. What it said before is still shown while it may be so, and
// then that it is not known.
func TestSlowSurvey(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("shop", "web", 1))
	var now atomic.Pointer[time.Time]
	at := func(after time.Duration) {
		then := noon.Add(after)
		now.Store(&then)
	}
	at(0)
	var hangs atomic.Bool
	good, asked := surveys(2), make(chan bool, 8)
	c.Now = func() time.Time { return *now.Load() }
	c.Survey = func(ctx context.Context) (*evidence.Snapshot, error) {
		asked <- true
		if hangs.Load() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return good(ctx)
	}
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := get(t, h, "*", "/nodes")
	contains(t, "the first answer", body, "node-0001", "Those of the cluster")
	hangs.Store(true)
	at(surveyAge - time.Second)
	_, body, _ = get(t, h, "*", "/nodes")
	contains(t, "soon after", body, "node-0001", "Those of the cluster")
	if len(asked) != 2 {
		t.Errorf("the cluster was asked %d times", len(asked))
	}
	at(surveyAge)
	code, body, _ := get(t, h, "*", "/nodes")
	if code != http.StatusOK || !strings.Contains(body, "/nodes/web") || strings.Contains(body, "node-0001") || strings.Contains(body, "Those of the cluster") {
		t.Errorf("%d: %s", code, body)
	}
	_, body, _ = get(t, h, "*", "/")
	contains(t, "the first page", body, "the cluster has not told how its nodes are since 2026")
}

// TestAllNodes: every node of the cluster is listed, in trouble first, page by page, with its state and what is used of it.
func TestAllNodes(t *testing.T) {
	h := withSurvey(t, headerAccess{}, surveys(1234), died("shop", "web", 1))
	seen, pages := map[string]bool{}, 0
	for path := "/nodes"; path != ""; pages++ {
		_, body, _ := get(t, h, "*", path)
		path = ""
		for _, link := range links(body) {
			if strings.HasPrefix(link, "/nodes/") {
				seen[link] = true
			}
			if strings.HasPrefix(link, "/nodes?page=") {
				path = link
			}
		}
	}
	_, body, _ := get(t, h, "*", "/nodes")
	contains(t, "the first page", body, "v1.37.2", "containerd://2.1", "cpu: 25%, memory: 25%", "memory: 95% of what pods may have, beyond its mark of 90", "1235")
	if strings.Index(body, "node-1233") > strings.Index(body, "node-0000") {
		t.Error("a full node is behind one that is well")
	}
	if len(seen) != 1235 || pages != 13 {
		t.Errorf("%d nodes on %d pages", len(seen), pages)
	}
	if code, _, _ := get(t, h, "*", "/nodes?page=0"); code != http.StatusBadRequest {
		t.Errorf("page 0: %d", code)
	}
	if code, body, _ := get(t, h, "*", "/nodes?page=99"); code != http.StatusOK || strings.Contains(body, "data-row") {
		t.Errorf("a page behind the last: %d", code)
	}
}

// TestNodeAsItIsNow: a node is shown as the cluster has it now, and not as it was when something died on it.
func TestNodeAsItIsNow(t *testing.T) {
	d := died("shop", "node-0001", 1)
	d.Verdict.Bundle = map[string][]byte{
		"meta.yaml":                            []byte("format: 1\ntaken: 2026-11-01T11:00:00Z\nhas: [spec, status, node]\n"),
		"objects/_cluster/node/node-0001.yaml": []byte("apiVersion: v1\nkind: Node\nmetadata: {name: node-0001}\nstatus: {nodeInfo: {kubeletVersion: v1.30.0}}\n"),
	}
	_, body, _ := get(t, withSurvey(t, headerAccess{}, nil, d), "*", "/nodes/node-0001")
	contains(t, "as it was captured", body, "v1.30.0")
	_, body, _ = get(t, withSurvey(t, headerAccess{}, surveys(2), d), "*", "/nodes/node-0001")
	contains(t, "as the cluster has it", body, "v1.37.2")
}
