// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// surveyedWorld is three nodes, of which the first has an agent that is ready and figures, the second an agent that is not, and the last
// nothing.
func surveyedWorld() *evidence.Snapshot {
	s := &evidence.Snapshot{}
	for i, name := range []string{"n1", "n2", "n3"} {
		s.Objects = append(s.Objects, &corev1.Node{ObjectMeta: object("", name)})
		if i == 2 {
			break
		}
		pod := &corev1.Pod{ObjectMeta: object(agentNamespace, "inquest-agent-"+name), Spec: corev1.PodSpec{NodeName: name}}
		pod.Labels = map[string]string{"app.kubernetes.io/name": "inquest-agent"}
		ready := []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}[i]
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "agent", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		s.Objects = append(s.Objects, pod, &metricsv1.NodeMetrics{ObjectMeta: object("", name)})
	}
	return s
}

// TestSurvey: all nodes are there, and each that cannot be seen into is named, whether or not anything died on it.
func TestSurvey(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*apitest.Server)
		gaps   []string
		nodes  int
	}{
		"as it is": {func(*apitest.Server) {}, []string{
			"host node/n2: its agent is not ready", "host node/n3: no node agent", "usage node/n3: metrics.k8s.io has no figures of it",
		}, 3},
		"no metrics": {func(s *apitest.Server) {
			s.Answer("/apis/metrics.k8s.io", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
		}, []string{"host node/n2: its agent is not ready", "host node/n3: no node agent", "usage cluster: metrics.k8s.io is not served (no metrics-server)"}, 3},
		"no agents to see": {func(s *apitest.Server) { s.Fail("/namespaces/inquest/pods", http.StatusForbidden, "no") }, []string{
			"host cluster: no node agent is known of: forbidden: cannot list pods in namespace inquest", "usage node/n3: metrics.k8s.io has no figures of it",
		}, 3},
		"no nodes to see": {func(s *apitest.Server) { s.Fail("/api/v1/nodes", http.StatusForbidden, "no") }, []string{"node cluster: forbidden: cannot list nodes"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := apitest.New(t, surveyedWorld())
			test.change(server)
			s, err := Cluster{Config: server.Config(), limits: patient}.Survey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var gaps []string
			for _, g := range s.Gaps {
				gaps = append(gaps, fmt.Sprintf("%s %s: %s", g.Kind, g.About, g.Why))
			}
			slices.Sort(gaps)
			if diff := cmp.Diff(test.gaps, gaps); diff != "" {
				t.Error(diff)
			}
			if n := len(evidence.List[*corev1.Node](s)); n != test.nodes {
				t.Errorf("%d nodes, want %d", n, test.nodes)
			}
			if n := len(server.Requests()); n != 3 {
				t.Errorf("%d requests: %v", n, server.Requests())
			}
		})
	}
}
