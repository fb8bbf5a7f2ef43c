// SPDX-License-Identifier: Apache-2.0

package faults

import corev1 "k8s.io/api/core/v1"

// images are pods whose image cannot be had.
func images() []Fault {
	pulling := waiting("ErrImagePull", "ImagePullBackOff")
	return []Fault{{
		Name: "image-not-found", About: "the registry does not know the image",
		So: pulling, Ask: "pod/image-not-found", Want: []string{"IMG001"}, NeedsNodes: true,
	}, {
		Name: "image-unauthorised", About: "the registry wants credentials",
		So: pulling, Ask: "pod/image-unauthorised", Want: []string{"IMG002"}, NeedsNodes: true,
	}, {
		Name: "registry-refused", About: "nothing listens on the registry's port",
		So: pulling, Ask: "pod/registry-refused", Want: []string{"IMG003"},
	}, {
		Name: "registry-unresolved", About: "the registry's name cannot be resolved",
		So: pulling, Ask: "pod/registry-unresolved", Want: []string{"IMG003"},
	}, {
		Name: "image-bad-name", About: "the image's name has a capital letter",
		So: waiting("InvalidImageName"), Ask: "pod/image-bad-name", Want: []string{"IMG004"},
	}, {
		Name: "image-never", About: "the image is not on the node and may not be pulled",
		So: waiting("ErrImageNeverPull"), Ask: "pod/image-never", Want: []string{"IMG005"},
	}}
}

// config are pods that refer to configuration which is not there.
func config() []Fault {
	const reason = "CreateContainerConfigError"
	return []Fault{{
		Name: "config-missing", About: "the ConfigMap of envFrom is missing",
		So: waiting(reason), Ask: "pod/config-missing", Want: []string{"CFG001"},
	}, {
		Name: "config-missing-many", About: "three pods of a Deployment lack the same ConfigMap",
		So: pods(3, func(p *corev1.Pod) bool { return waitsFor(p, reason) }), Ask: "deploy/shop", Want: []string{"CFG001"},
	}, {
		Name: "config-volume-missing", About: "the ConfigMap of a volume is missing",
		So: event("FailedMount", "not found"), Ask: "pod/config-volume-missing", Want: []string{"CFG001"}, Least: "likely",
	}, {
		Name: "secret-missing", About: "the Secret of an environment variable is missing",
		So: waiting(reason), Ask: "pod/secret-missing", Want: []string{"CFG002"},
	}, {
		Name: "config-key-missing", About: "the ConfigMap lacks the key",
		So: waiting(reason), Ask: "pod/config-key-missing", Want: []string{"CFG003"},
	}}
}

// scheduling are pods that no node takes.
func scheduling() []Fault {
	return []Fault{{
		Name: "too-large", About: "no node has 500 CPUs",
		So: event("FailedScheduling", "Insufficient cpu"), Ask: "pod/too-large", Want: []string{"SCH001"},
	}, {
		Name: "untolerated-taint", About: "every node has a taint that the pod does not tolerate",
		Prepare: taintNodes(true), Undo: taintNodes(false), Alone: true,
		So:  event("FailedScheduling", "had untolerated taint"),
		Ask: "pod/untolerated-taint", Want: []string{"SCH002"},
	}, {
		Name: "selector-mismatch", About: "no node has the label that the pod selects",
		So:  event("FailedScheduling", "didn't match Pod's node affinity/selector"),
		Ask: "pod/selector-mismatch", Want: []string{"SCH003"},
	}}
}
