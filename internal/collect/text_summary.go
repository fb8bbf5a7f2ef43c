// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A summary is an object of JSON or YAML by which some other tool tells of a thing in Kubernetes, in names of its own.
// Keys are without case, blanks, hyphens and underscores: "restart_count", "restartCount" and "RestartCount" are one.
type summary map[string]any

func summaryOf(value any) summary {
	m, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	s := make(summary, len(m))
	for key, v := range m {
		if plain := plainKey(key); s[plain] == nil {
			s[plain] = v
		}
	}
	return s
}

var keyMarks = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

func plainKey(key string) string { return strings.ToLower(keyMarks.Replace(key)) }

// text returns the first of the named values that is one: a word, a number or a truth, as text.
func (s summary) text(keys ...string) string {
	for _, key := range keys {
		if t := textOf(s[key]); t != "" {
			return t
		}
	}
	return ""
}

func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(printable(v))
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	}
	return ""
}

// number returns the first of the named values that is a whole number.
func (s summary) number(keys ...string) (int32, bool) {
	for _, key := range keys {
		if f, err := strconv.ParseFloat(textOf(s[key]), 64); err == nil && f >= -1<<31 && f < 1<<31 {
			return int32(f), true
		}
	}
	return 0, false
}

// time returns the first of the named values that is a time: a text, or the seconds or milliseconds since 1970.
func (s summary) time(p *part, keys ...string) time.Time {
	for _, key := range keys {
		text := textOf(s[key])
		t := parseTime(text)
		if n, err := strconv.ParseFloat(text, 64); err == nil && t.IsZero() {
			switch {
			case n > 1e12 && n < 1e14:
				t = time.UnixMilli(int64(n)).UTC()
			case n > 1e9 && n < 1e11:
				t = time.Unix(int64(n), 0).UTC()
			}
		}
		if !t.IsZero() {
			return p.saw(t)
		}
	}
	return time.Time{}
}

// truth returns whether the first of the named values that is there says yes.
func (s summary) truth(keys ...string) (yes, told bool) {
	switch strings.ToLower(s.text(keys...)) {
	case "true", "yes", "ready", "ok", "healthy", "1":
		return true, true
	case "":
		return false, false
	}
	return false, true
}

// list returns the first of the named values that is a list.
func (s summary) list(keys ...string) []any {
	for _, key := range keys {
		if l, ok := s[key].([]any); ok {
			return l
		}
	}
	return nil
}

// inner returns the first of the named values that is an object.
func (s summary) inner(keys ...string) summary {
	for _, key := range keys {
		if m := summaryOf(s[key]); m != nil {
			return m
		}
	}
	return nil
}

// labels returns the first of the named values that is an object of texts.
func (s summary) labels(keys ...string) map[string]string {
	for _, key := range keys {
		m, ok := s[key].(map[string]any)
		if !ok {
			continue
		}
		labels := map[string]string{}
		for k, v := range m {
			if t, ok := v.(string); ok {
				labels[k] = t
			}
		}
		return labels
	}
	return nil
}

func (s summary) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := s[key]; ok {
			return true
		}
	}
	return false
}

// A summarizer reads summaries into a part. Logs that it finds it hands to keep.
type summarizer struct {
	part *part
	logs func(of evidence.Ref, text string, at time.Time)
	used bool
}

// maxSummaryDepth bounds how deep things are looked for.
const maxSummaryDepth = 12

// read looks for things in a value. The hint is the key under which it stands.
func (z *summarizer) read(value any, hint string, depth int) {
	if depth > maxSummaryDepth {
		return
	}
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			z.read(item, hint, depth+1)
		}
	case map[string]any:
		s := summaryOf(v)
		if z.thing(s, hint) {
			z.used = true
			return
		}
		z.logEntries(s)
		for key, inner := range v {
			z.read(inner, plainKey(key), depth+1)
		}
	}
}

// thing reads a summary that is one of a known thing.
func (z *summarizer) thing(s summary, hint string) bool {
	switch {
	case isEventSummary(s):
		return z.event(s)
	case isPodSummary(s, hint):
		return z.pod(s)
	case isNodeSummary(s, hint):
		return z.node(s)
	case isWorkloadSummary(s, hint):
		return z.workload(s, hint)
	case isClaimSummary(s, hint):
		return z.claim(s)
	}
	return false
}

// nameIn returns the name of what is summarised, and its namespace.
func nameIn(s summary, own ...string) (name, namespace string) {
	meta := s.inner("metadata", "meta")
	name = s.text(append(own, "name")...)
	if name == "" && meta != nil {
		name = meta.text("name")
	}
	namespace = s.text("namespace", "ns", "kubenamespace", "podnamespace")
	if namespace == "" && meta != nil {
		namespace = meta.text("namespace")
	}
	if word, rest, ok := strings.Cut(name, "/"); ok { // "shop/web-0", "pod/web-0"
		if kindNamed(word) == "" {
			namespace = word
		}
		name = rest
	}
	return name, namespace
}

func isPodSummary(s summary, hint string) bool {
	name, _ := nameIn(s, "podname", "pod")
	if !isName(name) || s.has("desired", "replicas") {
		return false
	}
	boxes := s.list("containers", "containerstatuses", "containersstatus") != nil
	switch {
	case boxes && (s.has("phase", "status", "state", "nodename", "node", "conditions", "restartcount", "restarts") || podHint(hint)):
		return true
	case s.has("phase") && s.text("phase") != "" && (podHint(hint) || s.has("podname", "pod", "nodename", "restarts", "restartcount")):
		return true
	}
	return podHint(hint) && s.has("status", "state", "ready", "restarts", "restartcount", "reason")
}

func podHint(hint string) bool {
	return strings.HasSuffix(hint, "pods") || hint == "pod" || hint == "podstatus" || hint == "podstatuses"
}

func isEventSummary(s summary) bool {
	return s.text("reason") != "" && s.has("message", "note", "msg") && !s.has("containers", "containerstatuses") &&
		(s.has("involvedobject", "object", "regarding", "involved", "objectname", "involvedname", "resource") ||
			s.has("lasttime", "lasttimestamp", "lastseen", "firsttime", "firsttimestamp", "firstseen") && (s.has("count", "type")))
}

func isNodeSummary(s summary, hint string) bool {
	name, _ := nameIn(s, "nodename", "node")
	hinted := strings.HasSuffix(hint, "nodes") || hint == "node"
	signs := s.has("allocatable", "allocatablecpu", "capacity", "capacitycpu", "memorypressure", "diskpressure", "kubeletversion", "taints", "unschedulable")
	return isName(name) && (signs && (hinted || !s.has("namespace", "phase")) || hinted && s.has("ready", "status", "conditions"))
}

func isClaimSummary(s summary, hint string) bool {
	name, _ := nameIn(s, "pvcname", "claimname")
	return isName(name) && (strings.HasPrefix(hint, "pvc") || strings.Contains(hint, "volumeclaim")) && s.has("status", "phase")
}

// workloadHints are the keys under which summaries of controllers stand.
var workloadHints = map[string]string{
	"deployment": "Deployment", "replicaset": "ReplicaSet", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "job": "Job",
}

func isWorkloadSummary(s summary, hint string) bool {
	name, _ := nameIn(s, "deploymentname", "deployment", "workload")
	return isName(name) && workloadKind(s, hint) != "" &&
		s.has("desired", "replicas", "desiredreplicas", "ready", "readyreplicas", "available", "succeeded", "completions", "conditions")
}

func workloadKind(s summary, hint string) string {
	if kind := kindNamed(s.text("kind", "type", "workloadtype")); workloadKinds[kind] {
		return kind
	}
	if kind := workloadHints[strings.TrimSuffix(hint, "s")]; kind != "" {
		return kind
	}
	if s.has("deploymentname", "deployment") || s.has("desired", "desiredreplicas") && s.has("available", "ready", "readyreplicas") {
		return "Deployment"
	}
	return ""
}
