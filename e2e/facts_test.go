// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/e2e/grounded"
	"github.com/kubeinquest/inquest/internal/report"
)

// An output is what the cluster itself says at one moment of the things that faults happen to.
type output struct {
	cluster faults.Cluster
	objects map[string]map[string]any // by Kind/name
	events  []string                  // "Kind/name Reason: message"
	logs    map[string]string         // by pod/container: the last run's and the current one's
	usage   map[string]map[string]any // by node: what its kubelet says at /stats/summary
}

// shown are the kinds that facts are about, where a cluster keeps them.
var shown = []struct {
	kind       string
	resource   schema.GroupVersionResource
	namespaced bool
}{
	{"Pod", schema.GroupVersionResource{Version: "v1", Resource: "pods"}, true},
	{"PodMetrics", schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods"}, true},
	{"NodeMetrics", schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "nodes"}, false},
	{"Service", schema.GroupVersionResource{Version: "v1", Resource: "services"}, true},
	{"ServiceAccount", schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, true},
	{"ResourceQuota", schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}, true},
	{"LimitRange", schema.GroupVersionResource{Version: "v1", Resource: "limitranges"}, true},
	{"PersistentVolumeClaim", schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, true},
	{"PersistentVolume", schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}, false},
	{"Namespace", schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, false},
	{"StorageClass", schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, false},
	{"CSINode", schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "csinodes"}, false},
	{"RuntimeClass", schema.GroupVersionResource{Group: "node.k8s.io", Version: "v1", Resource: "runtimeclasses"}, false},
	{"PriorityClass", schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}, false},
	{"EndpointSlice", schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}, true},
	{"NetworkPolicy", schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, true},
	{"StatefulSet", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}, true},
	{"DaemonSet", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, true},
	{"ControllerRevision", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}, true},
	{"CronJob", schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}, true},
	{"HorizontalPodAutoscaler", schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, true},
	{"PodDisruptionBudget", schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}, true},
	{"ConfigMap", schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, true},
	{"Deployment", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, true},
	{"ReplicaSet", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}, true},
	{"Job", schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, true},
	{"Node", schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, false},
	{"Lease", schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}, true},
}

func look(ctx context.Context, c faults.Cluster) (output, error) {
	o := output{cluster: c, objects: map[string]map[string]any{}, logs: map[string]string{}, usage: map[string]map[string]any{}}
	for _, s := range shown {
		namespace := ""
		if s.namespaced {
			namespace = c.Namespace
		}
		if s.kind == "Lease" {
			namespace = corev1.NamespaceNodeLease
		}
		list, err := c.Objects.Resource(s.resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil && s.resource.Group == "metrics.k8s.io" { // not every cluster serves it; then nothing is cited from it
			continue
		}
		if err != nil {
			return o, fmt.Errorf("list %s: %w", s.resource.Resource, err)
		}
		for _, item := range list.Items {
			o.objects[s.kind+"/"+item.GetName()] = item.Object
			if s.kind == "Node" {
				o.usage[item.GetName()] = summary(ctx, c, item.GetName())
			}
		}
	}
	for _, namespace := range []string{c.Namespace, metav1.NamespaceDefault} { // those of nodes are in default
		list, err := c.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return o, fmt.Errorf("list events: %w", err)
		}
		for _, e := range list.Items {
			o.events = append(o.events, e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name+" "+e.Reason+": "+e.Message)
		}
	}
	return o, o.readLogs(ctx, c)
}

// summary returns a kubelet's /stats/summary with the pods of the namespace by their names; nil if it does not answer.
func summary(ctx context.Context, c faults.Cluster, node string) map[string]any {
	page, err := c.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy/stats/summary").Timeout(logLimit).DoRaw(ctx)
	if err != nil {
		return nil
	}
	var of map[string]any
	d := json.NewDecoder(bytes.NewReader(page))
	d.UseNumber()
	if d.Decode(&of) != nil {
		return nil
	}
	pods, named := of["pods"].([]any), map[string]any{}
	for _, pod := range pods {
		name, _, _ := unstructured.NestedString(pod.(map[string]any), "podRef", "name")
		if namespace, _, _ := unstructured.NestedString(pod.(map[string]any), "podRef", "namespace"); namespace == c.Namespace {
			named[name] = pod
		}
	}
	of["pods"] = named
	return of
}

// logLimit is for nodes that do not answer: the API server would wait for two minutes.
const logLimit = 3 * time.Second

func (o output) readLogs(ctx context.Context, c faults.Cluster) error {
	pods, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	for i := range pods.Items {
		for _, container := range slices.Concat(pods.Items[i].Spec.InitContainers, pods.Items[i].Spec.Containers) {
			key := pods.Items[i].Name + "/" + container.Name
			for _, previous := range []bool{true, false} {
				options := &corev1.PodLogOptions{Container: container.Name, Previous: previous}
				request := c.CoreV1().Pods(c.Namespace).GetLogs(pods.Items[i].Name, options).Timeout(logLimit)
				data, err := request.DoRaw(ctx)
				if err == nil { // without a log no fact can be from it
					o.logs[key] += string(data) + "\n" // the last line may have no end
				}
			}
		}
	}
	return nil
}

var times = regexp.MustCompile(` \(x\d+\)$`) // how often an Event was seen, behind its message

// has tells whether the output says what a fact says, at the place that it names.
func (o output) has(f report.Fact) bool {
	switch f.Source {
	case "event":
		line := f.About.Kind + "/" + f.About.Name + " " + times.ReplaceAllString(f.Text, "")
		return slices.Contains(o.events, line)
	case "log":
		return slices.Contains(strings.Split(o.logs[f.About.Name+"/"+f.About.Container], "\n"), f.Text)
	}
	if node, page, ok := strings.Cut(strings.TrimPrefix(f.Where, "node/"), " /metrics/cadvisor "); ok {
		return o.counts(node, page, f)
	}
	if node, path, ok := strings.Cut(strings.TrimPrefix(f.Where, "node/"), " /stats/summary "); ok {
		return grounded.Says(o.usage[node], path, f.Text)
	}
	object, there := o.objects[f.About.Kind+"/"+f.About.Name]
	if f.Text == "not found" {
		return !there
	}
	return grounded.Says(object, f.Where, f.Text)
}

// counts tells whether a node's kubelet counts a metric for the container that a fact is about, and no less than the fact
// says: it goes on counting.
func (o output) counts(node, metric string, f report.Fact) bool {
	page, err := o.cluster.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy/metrics/cadvisor").DoRaw(context.Background())
	if err != nil {
		return false
	}
	said, err := strconv.ParseFloat(strings.Fields(f.Text)[0], 64)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(page)) {
		of := fmt.Sprintf(`container=%q`, f.About.Container)
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(line, metric+"{") && strings.Contains(line, of) && strings.Contains(line, fmt.Sprintf(`pod=%q`, f.About.Name)) {
			now, err := strconv.ParseFloat(fields[len(fields)-2], 64) // behind the value stands the time
			return err == nil && now >= said
		}
	}
	return false
}

// unseen returns the facts of a report that none of the outputs has.
func unseen(r report.Report, outputs ...output) []string {
	var missing []string
	for _, f := range facts(r.Causes) {
		if !slices.ContainsFunc(outputs, func(o output) bool { return o.has(f) }) {
			missing = append(missing, fmt.Sprintf("%s %s of %s/%s: %s", f.Source, f.Where, f.About.Kind, f.About.Name, f.Text))
		}
	}
	return missing
}

// facts returns what causes and what follows from them cite, for and against.
func facts(causes []report.Cause) []report.Fact {
	var all []report.Fact
	for _, c := range causes {
		all = slices.Concat(all, c.Facts, c.Against, facts(c.Leads))
	}
	return all
}
