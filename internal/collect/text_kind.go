// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// kindWords are the names of kinds as kubectl prints and takes them, beside the kind itself in lower case and that with
// an s.
var kindWords = map[string]string{
	"po": "Pod", "deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet", "cj": "CronJob",
	"rc": "ReplicationController", "no": "Node", "ns": "Namespace", "svc": "Service", "pvc": "PersistentVolumeClaim",
	"pv": "PersistentVolume", "quota": "ResourceQuota", "limits": "LimitRange", "ev": "Event", "cm": "ConfigMap",
	"sc": "StorageClass", "storageclasses": "StorageClass", "hpa": "HorizontalPodAutoscaler", "pdb": "PodDisruptionBudget",
	"ep": "Endpoints", "endpoints": "Endpoints", "sa": "ServiceAccount", "networkpolicies": "NetworkPolicy",
	"netpol": "NetworkPolicy", "ing": "Ingress", "ingresses": "Ingress", "priorityclasses": "PriorityClass",
	"runtimeclasses": "RuntimeClass", "podmetrics": "PodMetrics",
}

// textKinds are the kinds that texts name.
var textKinds = []string{
	"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController", "Node",
	"Namespace", "Service", "PersistentVolumeClaim", "PersistentVolume", "ResourceQuota", "LimitRange", "Event",
	"ConfigMap", "Secret", "StorageClass", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Endpoints", "EndpointSlice",
	"ServiceAccount", "NetworkPolicy", "Ingress", "Lease", "PriorityClass", "RuntimeClass", "ControllerRevision",
}

// clusterKinds have no namespace.
var clusterKinds = map[string]bool{
	"Node": true, "Namespace": true, "PersistentVolume": true, "StorageClass": true, "PriorityClass": true, "RuntimeClass": true,
}

// kindNamed finds a kind by any of its names, also with its group: "deployment.apps", "pods", "po".
func kindNamed(word string) string {
	word, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(word)), ".")
	if kind := kindWords[word]; kind != "" {
		return kind
	}
	for _, kind := range textKinds {
		if lower := strings.ToLower(kind); word == lower || word == lower+"s" {
			return kind
		}
	}
	return ""
}

// refNamed reads "pod/web-0", "Pod/web-0", "deployment.apps/web". A kind that is not known keeps its word.
func refNamed(s, namespace string) (evidence.Ref, bool) {
	word, name, ok := strings.Cut(strings.TrimSpace(s), "/")
	if !ok || name == "" || word == "" || strings.ContainsAny(s, " \t") {
		return evidence.Ref{}, false
	}
	kind := kindNamed(word)
	if kind == "" {
		kind, _, _ = strings.Cut(word, ".")
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 { // "Pod/shop/web-0"
		namespace, name = name[:i], name[i+1:]
	}
	if clusterKinds[kind] {
		namespace = ""
	}
	return evidence.RefTo(kind, namespace, name), true
}

// isName tells whether a word can be the name of an object: a DNS subdomain (RFC 1123), as almost all kinds have it.
func isName(s string) bool {
	if s == "" || len(s) > 253 || !isAlnum(s[0]) || !isAlnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '.' && c != ':' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// none are the ways in which kubectl says that there is nothing.
func none(s string) bool {
	switch s {
	case "", "<none>", "<unset>", "<nil>", "<unknown>", "n/a", "-":
		return true
	}
	return false
}
