// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A document is one value of JSON, with where it is from.
type document struct {
	name string // of the file
	line int    // where it begins; 0 where that is not known
	hint string // the key or the kind of list that it is in
}

// head is what tells what a document is.
type head struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Type       json.RawMessage `json:"type"`
	Object     json.RawMessage `json:"object"`
	Items      json.RawMessage `json:"items"`
	Metadata   json.RawMessage `json:"metadata"`
	Rows       json.RawMessage `json:"rows"`
	Spec       json.RawMessage `json:"spec"`
	Status     json.RawMessage `json:"status"`
}

var errUnknown = errors.New("nothing in it is known")

// yamlDocument reads one document of YAML.
func (g *gathering) yamlDocument(d document, data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 || !anyValue(data) {
		return nil
	}
	if kind := yamlKind(data); kind != "" && !wanted(kind) {
		g.bound++
		return nil
	}
	if len(data) > maxDocumentBytes || countMarks(data) > maxDocumentMarks {
		return errors.New("larger than what is read of one document")
	}
	if err := refuseAliases(data); err != nil {
		return err
	}
	plain, err := yaml.YAMLToJSON(data)
	if err != nil {
		return oneLine(err)
	}
	return g.value(d, plain)
}

// anyValue tells whether there is more than comments.
func anyValue(data []byte) bool {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}

var kindLine = regex.New(`(?m)^kind: *"?([A-Za-z]+)"? *\r?$`)

// yamlKind finds the kind of a block document without decoding it; most of a large dump is of kinds that nobody asks
// about.
func yamlKind(data []byte) string {
	if m := kindLine.FindSubmatch(data); m != nil {
		return string(m[1])
	}
	return ""
}

// wanted tells whether objects of a kind are looked into: those that are collected from clusters, and lists.
func wanted(kind string) bool {
	_, read := resources[kind]
	return read || strings.HasSuffix(kind, "List") || extraKinds[kind]
}

// extraKinds are read from files although no cluster is asked for them.
var extraKinds = map[string]bool{
	"List": true, "Table": true, "Service": true, "Endpoints": true, "EndpointSlice": true, "NetworkPolicy": true,
	"PodDisruptionBudget": true, "HorizontalPodAutoscaler": true, "NodeMetrics": true, "ControllerRevision": true,
	"MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true, "CSINode": true, "CSIDriver": true,
	"VolumeAttachment": true, "APIService": true,
}

// value reads one value of JSON: an object, a list of any kind, a table, one change of a watch, or a summary.
func (g *gathering) value(d document, data []byte) error {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		return nil
	case jsonDepth(data) > maxNesting:
		return errors.New("nested too deeply")
	case data[0] == '[':
		return g.values(d, data)
	case data[0] != '{':
		return errUnknown
	}
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return g.summary(d, data) // a key such as "kind" that is no text: of another tool
	}
	return g.record(d, data, h)
}

// record reads an object of JSON by what its head says that it is.
func (g *gathering) record(d document, data []byte, h head) error {
	switch {
	case len(h.Object) > 1 && h.Object[0] == '{' && len(h.Type) > 0 && h.Kind == "":
		return g.value(d, h.Object)
	case h.Kind == "Table" && h.Rows != nil:
		return g.serverTable(d, data)
	case len(h.Items) > 0 && h.Items[0] == '[' && (h.Kind == "" || strings.HasSuffix(h.Kind, "List")):
		d.hint = strings.TrimSuffix(h.Kind, "List")
		return g.values(d, h.Items)
	case h.Kind != "" && (h.APIVersion != "" || h.Metadata != nil):
		return g.object(data, h)
	case h.Metadata != nil && (h.Spec != nil || h.Status != nil || kindNamed(d.hint) != ""):
		if h.Kind = guessKind(d, h, data); h.Kind != "" {
			return g.object(data, h)
		}
	}
	return g.summary(d, data)
}

// values reads the items of a list. That one is not known is no reason to say so while others are.
func (g *gathering) values(d document, data []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return err
	}
	if len(items) > 0 && !bytes.HasPrefix(bytes.TrimSpace(items[0]), []byte("{")) {
		return g.summary(d, data)
	}
	known := len(items) == 0
	var first error
	for _, item := range items {
		err := g.value(d, item)
		known = known || err == nil
		if first == nil {
			first = err
		}
	}
	if known && errors.Is(first, errUnknown) {
		return nil
	}
	return first
}

// guessKind tells what an object without a kind is, as lists of some tools have them.
func guessKind(d document, h head, data []byte) string {
	switch {
	case d.hint != "" && kindNamed(d.hint) != "":
		return kindNamed(d.hint)
	case bytes.Contains(data, []byte(`"involvedObject"`)):
		return "Event"
	case bytes.Contains(h.Status, []byte(`"containerStatuses"`)), bytes.Contains(h.Spec, []byte(`"containers"`)) && !bytes.Contains(h.Spec, []byte(`"template"`)):
		return "Pod"
	case bytes.Contains(h.Status, []byte(`"nodeInfo"`)):
		return "Node"
	case bytes.Contains(h.Status, []byte(`"unavailableReplicas"`)), bytes.Contains(h.Spec, []byte(`"progressDeadlineSeconds"`)):
		return "Deployment"
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(d.name, ".json"), "/") {
		if kind := kindNamed(strings.TrimSuffix(part, ".json")); kind != "" && wanted(kind) {
			return kind
		}
	}
	return ""
}

// currentGroups are the groups in which rules know kinds that older clusters served in others.
var currentGroups = map[string]string{
	"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ControllerRevision": "apps/v1",
	"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1", "Node": "v1", "Namespace": "v1", "Event": "v1", "Service": "v1",
	"Endpoints": "v1", "ConfigMap": "v1", "PersistentVolumeClaim": "v1", "PersistentVolume": "v1", "ResourceQuota": "v1",
	"LimitRange": "v1", "ServiceAccount": "v1", "ReplicationController": "v1", "StorageClass": "storage.k8s.io/v1",
	"PriorityClass": "scheduling.k8s.io/v1", "RuntimeClass": "node.k8s.io/v1", "Lease": "coordination.k8s.io/v1",
	"NetworkPolicy": "networking.k8s.io/v1", "PodDisruptionBudget": "policy/v1", "EndpointSlice": "discovery.k8s.io/v1",
	"HorizontalPodAutoscaler": "autoscaling/v2",
}

// object decodes an object and keeps it, without what is secret. A Secret is not even decoded.
func (g *gathering) object(data []byte, h head) error {
	if h.Kind == "Secret" || !wanted(h.Kind) {
		g.bound++
		return nil
	}
	if h.Kind == "Event" && strings.HasPrefix(h.APIVersion, "events.k8s.io/") {
		return g.newEvent(data)
	}
	version := h.APIVersion
	if current := currentGroups[h.Kind]; current != "" && version != "metrics.k8s.io/v1beta1" {
		version = current
	}
	gvk := schema.FromAPIVersionAndKind(version, h.Kind)
	if !objectScheme.Recognizes(gvk) {
		return nil
	}
	typed, err := objectScheme.New(gvk)
	if err != nil {
		return err
	}
	o, ok := typed.(evidence.Object)
	if !ok {
		return nil
	}
	if err := DecodeYAML(data, o); err != nil {
		return err
	}
	o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	if o.GetName() == "" && h.Kind != "Event" {
		return errors.New("an object without a name")
	}
	g.seeTimes(data)
	mask(o)
	g.bound++
	g.keep(o, len(data))
	return nil
}

func (g *gathering) keep(o evidence.Object, size int) {
	kinds := evidence.Spec | evidence.Status
	switch o := o.(type) {
	case *corev1.Event:
		g.event(o)
		return
	case *corev1.Node:
		kinds |= evidence.Node
	}
	if g.affords(o, size) {
		g.hold(found{o, whole, kinds})
	}
}

// newEvent reads an Event of events.k8s.io, whose fields have other names.
func (g *gathering) newEvent(data []byte) error {
	var e eventsv1.Event
	if err := DecodeYAML(data, &e); err != nil {
		return err
	}
	o := &corev1.Event{
		ObjectMeta: e.ObjectMeta, InvolvedObject: e.Regarding, Reason: e.Reason, Message: e.Note, Type: e.Type,
		Source: e.DeprecatedSource, FirstTimestamp: e.DeprecatedFirstTimestamp, LastTimestamp: e.DeprecatedLastTimestamp,
		Count: e.DeprecatedCount, EventTime: e.EventTime, Action: e.Action,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
	}
	if e.Series != nil {
		o.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	g.seeTimes(data)
	mask(o)
	g.bound++
	g.event(o)
	return nil
}

// seenTime matches times that are in the past of what was printed; others, as of certificates, may not be.
var seenTime = regex.New(`"(?:creationTimestamp|last\w*Time|startedAt|finishedAt|startTime|completionTime|\w+Timestamp|eventTime|renewTime|time)": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"`)

func (g *gathering) seeTimes(data []byte) {
	for _, m := range seenTime.FindAllSubmatch(data, -1) {
		if bytes.HasPrefix(m[0], []byte(`"deletionTimestamp`)) {
			continue
		}
		if t, err := time.Parse(time.RFC3339Nano, string(m[1])); err == nil {
			g.saw(t)
		}
	}
}

// serverTable reads the answer of an API server that was asked for a table.
func (g *gathering) serverTable(d document, data []byte) error {
	var t metav1.Table
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	shape := &table{}
	for _, c := range t.ColumnDefinitions {
		shape.columns = append(shape.columns, column{name: strings.ToUpper(c.Name)})
	}
	shape.kind = shape.rowKind()
	p := &part{}
	for i := range t.Rows {
		r := row{}
		for j, cell := range t.Rows[i].Cells {
			if j < len(shape.columns) {
				r[shape.columns[j].name] = textOf(cell)
			}
		}
		var inner struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
		}
		if json.Unmarshal(t.Rows[i].Object.Raw, &inner) == nil {
			r["NAMESPACE"] = inner.Metadata.Namespace
		}
		readRow(shape.kind, r, p)
	}
	g.bound++
	g.take(d.name, p)
	return nil
}

// summary reads what another tool tells in names of its own.
func (g *gathering) summary(d document, data []byte) error {
	var value any
	if err := DecodeYAML(data, &value); err != nil {
		return err
	}
	p := &part{}
	z := &summarizer{part: p, logs: g.summaryLog(d.name)}
	z.read(value, plainKey(baseName(d.name)), 0)
	if !z.used {
		return errUnknown
	}
	g.bound++
	g.take(d.name, p)
	return nil
}
