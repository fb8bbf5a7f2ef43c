// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A section is one key at the left margin of kubectl describe, with its value and the lines below it.
type section struct {
	key, value string
	line       int // of the key in the text, from 1
	body       []string
}

// A description is the text of kubectl describe about one object.
type description struct {
	sections        []section
	namespace, name string
}

// marginKeys are the keys that stand at the left margin, over all kinds and versions (kubectl pkg/describe). Others
// are text that goes on: a message of several lines begins each of them at the margin.
var marginKeys = keySet(`Name|Namespace|Priority|Priority Class Name|PriorityClassName|Runtime Class Name|Service Account|Node|
	Start Time|Labels|Annotations|Status|Reason|Message|SeccompProfile|LocalhostProfile|IP|IPs|Controlled By|NominatedNodeName|
	Termination Grace Period|Resources|Init Containers|Containers|Ephemeral Containers|Readiness Gates|Conditions|Volumes|
	QoS Class|Node-Selectors|Tolerations|Topology Spread Constraints|SchedulingGroup|Events|Created By|Security Policy|Controllers|
	Roles|CreationTimestamp|Taints|Unschedulable|Lease|Addresses|Capacity|Allocatable|System Info|PodCIDR|PodCIDRs|ProviderID|
	ExternalID|Non-terminated Pods|Allocated resources|Node-Local ResourceSlices|Phase|
	Selector|Replicas|StrategyType|MinReadySeconds|RollingUpdateStrategy|Pod Template|OldReplicaSets|NewReplicaSet|OldReplicaSet|
	Pods Status|Pods Statuses|Update Strategy|Volume Claims|Desired Number of Nodes Scheduled|Current Number of Nodes Scheduled|
	Number of Nodes Scheduled with Up-to-date Pods|Number of Nodes Scheduled with Available Pods|Number of Nodes Misscheduled|
	Node-Selector|Parallelism|Completions|Completion Mode|Suspend|Backoff Limit|TTL Seconds After Finished|Completed At|Duration|
	Active Deadline Seconds|Completed Indexes|Schedule|Concurrency Policy|Time Zone|Successful Job History Limit|
	Failed Job History Limit|Starting Deadline Seconds|Last Schedule Time|Active Jobs|
	StorageClass|Volume|Finalizers|Access Modes|VolumeMode|DataSource|Used By|Mounted By|Claim|Reclaim Policy|Node Affinity|Source|
	Type|IP Family Policy|IP Families|Port|TargetPort|NodePort|Endpoints|Session Affinity|External Traffic Policy|
	Internal Traffic Policy|LoadBalancer Ingress|External IPs|IsDefaultClass|Provisioner|Parameters|AllowVolumeExpansion|
	MountOptions|ReclaimPolicy|VolumeBindingMode|Reference|Metrics|Min replicas|Max replicas|Deployment pods|Behavior|
	Min available|Max unavailable|Allowed disruptions|Scopes|Image pull secrets|Mountable secrets|Tokens|Value|GlobalDefault|
	PreemptionPolicy|Description`)

// lateKeys are the only ones that follow the containers of a pod, where messages of processes are printed.
var lateKeys = keySet(`Containers|Ephemeral Containers|Readiness Gates|Conditions|Volumes|QoS Class|Node-Selectors|Tolerations|
	Topology Spread Constraints|SchedulingGroup|Events`)

func keySet(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.SplitSeq(list, "|") {
		set[strings.TrimSpace(word)] = true
	}
	return set
}

// marginLine matches a key at the left margin and its value.
var marginLine = regex.New(`^([A-Z][A-Za-z -]*[A-Za-z]):(?:[ \t]+(.*))?$`)

// readDescription parts the text of one object into its sections. The first line is number first in its file.
func readDescription(lines []string, first int) *description {
	d := &description{}
	seen, late := map[string]bool{}, false
	for i, line := range lines {
		m := marginLine.FindStringSubmatch(line)
		if m != nil && marginKeys[m[1]] && !seen[m[1]] && (!late || lateKeys[m[1]]) {
			seen[m[1]] = true
			late = late || m[1] == "Containers" || m[1] == "Init Containers"
			d.sections = append(d.sections, section{key: m[1], value: strings.TrimSpace(m[2]), line: first + i})
		} else if n := len(d.sections); n > 0 {
			d.sections[n-1].body = append(d.sections[n-1].body, line)
		}
	}
	d.name, d.namespace = d.value("Name"), d.value("Namespace")
	return d
}

// get returns the section with that key, or nil.
func (d *description) get(key string) *section {
	for i := range d.sections {
		if d.sections[i].key == key {
			return &d.sections[i]
		}
	}
	return nil
}

func (d *description) has(keys ...string) bool {
	for _, key := range keys {
		if d.get(key) == nil {
			return false
		}
	}
	return true
}

// value returns the value beside a key, "" where kubectl prints that there is none.
func (d *description) value(key string) string {
	if s := d.get(key); s != nil && !none(s.value) {
		return s.value
	}
	return ""
}

// all returns the lines of a section, with the one beside the key first.
func (s *section) all() []string {
	if s == nil || none(s.value) && len(s.body) == 0 {
		return nil
	}
	lines := make([]string, 0, 1+len(s.body))
	for _, line := range append([]string{s.value}, s.body...) {
		if line = strings.TrimSpace(line); !none(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// pairs reads "key=value" lines: labels, selectors.
func (s *section) pairs() map[string]string { return readPairs(s.all(), "=") }

// notes reads "key: value" lines: annotations.
func (s *section) notes() map[string]string { return readPairs(s.all(), ": ") }

func readPairs(lines []string, sep string) map[string]string {
	var m map[string]string
	for _, line := range lines {
		key, value, ok := strings.Cut(line, sep)
		if !ok && sep == ": " { // before 1.14 annotations were printed with "="
			key, value, ok = strings.Cut(line, "=")
		}
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[key] = value
	}
	return m
}

// meta returns what is described of any object.
func (d *description) meta(p *part) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name: d.name, Namespace: d.namespace, Labels: d.get("Labels").pairs(), Annotations: d.get("Annotations").notes(),
	}
	m.CreationTimestamp = metav1.NewTime(p.saw(parseTime(d.value("CreationTimestamp"))))
	if kind, name, ok := strings.Cut(d.value("Controlled By"), "/"); ok {
		m.OwnerReferences = controlledBy(kind, name)
	}
	return m
}

func controlledBy(kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: groupOf(kind), Kind: kind, Name: name, Controller: &yes}}
}

func groupOf(kind string) string {
	switch kind {
	case "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "ControllerRevision":
		return "apps/v1"
	case "Job", "CronJob":
		return "batch/v1"
	}
	return "v1"
}

// kind tells what is described by the keys that only this kind has.
func (d *description) kind() string {
	replicas := d.value("Replicas")
	switch {
	case d.has("Containers") && (d.has("IP") || d.has("Node") || d.has("Start Time")):
		return "Pod"
	case d.has("System Info") || d.has("Allocatable") || d.has("Unschedulable") && d.has("Taints"):
		return "Node"
	case d.has("StrategyType"):
		return "Deployment"
	case d.has("Schedule", "Concurrency Policy"):
		return "CronJob"
	case d.has("Parallelism") || d.has("Completions"):
		return "Job"
	case d.has("Desired Number of Nodes Scheduled"):
		return "DaemonSet"
	case strings.Contains(replicas, "total") && d.has("Pod Template"):
		return "StatefulSet"
	case strings.Contains(replicas, "current") && d.has("Pod Template"):
		return "ReplicaSet"
	}
	return d.smallKind()
}

// smallKind tells the kinds without pods apart.
func (d *description) smallKind() string {
	switch {
	case d.has("Reclaim Policy"):
		return "PersistentVolume"
	case d.has("Provisioner"):
		return "StorageClass"
	case d.has("Access Modes") && d.has("StorageClass"):
		return "PersistentVolumeClaim"
	case d.has("Session Affinity") || d.has("Type", "Endpoints"):
		return "Service"
	case d.quotaRows() != nil && d.namespace != "":
		return "ResourceQuota"
	case d.has("Status") && d.namespace == "" && (d.value("Status") == "Active" || d.value("Status") == "Terminating"):
		return "Namespace"
	}
	return ""
}

// describers read the kinds that can be described.
var describers = map[string]func(*description, *part) evidence.Object{
	"Pod": describedPod, "Node": describedNode, "Deployment": describedDeployment, "ReplicaSet": describedReplicaSet,
	"StatefulSet": describedStatefulSet, "DaemonSet": describedDaemonSet, "Job": describedJob, "CronJob": describedCronJob,
	"PersistentVolumeClaim": describedClaim, "PersistentVolume": describedVolume, "StorageClass": describedClass,
	"Service": describedService, "ResourceQuota": describedQuota, "Namespace": describedNamespace,
}

// parseDescription reads the text of kubectl describe about one object into the part. first is the number of its first
// line.
func parseDescription(lines []string, first int, p *part) {
	d := readDescription(lines, first)
	kind := d.kind()
	read := describers[kind]
	if read == nil || d.name == "" {
		p.notice(first, "a description of no kind that is read here")
		return
	}
	o := read(d, p)
	kinds := evidence.Spec | evidence.Status
	if kind == "Node" {
		kinds |= evidence.Node
	}
	if events := d.get("Events"); events != nil {
		kinds |= evidence.Events
		describedEvents(events, evidence.RefOf(o), p)
	}
	p.add(o, described, kinds)
	if pod, ok := o.(*evidence.Pod); ok {
		pinPod(pod, p)
	}
}
