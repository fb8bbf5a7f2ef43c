// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// RedactObject masks secrets in an object in place and returns how many spans it masked: in annotations, in the pod
// template, in messages. It drops copies of the whole object in annotations, the values of a Secret, and of the managed
// fields all but who wrote what is started, and when. Of all else it masks what looks like a secret in any text. The object must not be shared with a cache.
func RedactObject(obj runtime.Object) int {
	spans := 0
	switch o := obj.(type) {
	case *corev1.Pod:
		spans += RedactPodSpec(&o.Spec) + redactPodStatus(&o.Status)
	case *corev1.PodTemplate:
		spans += RedactPodSpec(&o.Template.Spec)
	case *appsv1.ControllerRevision:
		spans += redactRevision(o)
	case *corev1.Event:
		spans += redactText(&o.Message)
	case *eventsv1.Event:
		spans += redactText(&o.Note)
	case *corev1.Secret:
		spans += len(o.Data) + len(o.StringData)
		o.Data, o.StringData = nil, nil
	case *corev1.ConfigMap:
		spans += redactMap(o.Data)
		o.BinaryData = nil
	default:
		if t := templateOf(obj); t != nil {
			spans += RedactPodSpec(&t.Spec)
		}
	}
	return spans + redactRest(reflect.ValueOf(obj), "")
}

// RedactPodSpec masks secrets in the containers of a pod in place and returns how many spans it masked: literal
// values of environment variables, wholly where the name says that they are secret; commands, arguments and HTTP
// headers, those of probes and hooks included; and the parameters of CSI and flex volumes.
func RedactPodSpec(spec *corev1.PodSpec) int {
	spans := 0
	for i := range spec.InitContainers {
		spans += redactContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		spans += redactContainer(&spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		spans += redactContainer(&c)
		spec.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(c)
	}
	for _, v := range spec.Volumes {
		switch {
		case v.CSI != nil:
			spans += redactMap(v.CSI.VolumeAttributes)
		case v.FlexVolume != nil:
			spans += redactMap(v.FlexVolume.Options)
		}
	}
	return spans
}

// appliedCopies are annotations in which deployment tools keep the whole object, environment included.
var appliedCopies = []string{
	corev1.LastAppliedConfigAnnotation, "kapp.k14s.io/original", "objectset.rio.cattle.io/applied", "banzaicloud.com/last-applied",
}

func redactMeta(m metav1.Object) int {
	writers(m)
	notes := m.GetAnnotations()
	for _, name := range appliedCopies {
		delete(notes, name)
	}
	return redactMap(notes) + redactLabels(m.GetLabels())
}

// redactMap masks secrets in the values of a map whose keys name them.
func redactMap(m map[string]string) int {
	spans := 0
	for name, text := range m {
		spans += redactNamed(name, &text)
		m[name] = text
	}
	return spans
}

// redactNamed masks a whole value where its name says that it is secret, or else what in it looks so.
func redactNamed(name string, text *string) int {
	secret := false
	switch classify(name) {
	case strong, bare, header, cookie:
		secret = len(*text) > 1 && !isPlaceholder(*text)
	case weak:
		secret = looksRandom(*text)
	}
	if !secret {
		return redactText(text)
	}
	*text = masked
	return 1
}

func redactText(text *string) int {
	clean, spans := Redact(*text)
	*text = clean
	return spans
}

func redactContainer(c *corev1.Container) int {
	spans := redactLine(c)
	for i := range c.Env {
		spans += redactNamed(c.Env[i].Name, &c.Env[i].Value)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			spans += redactAction(p.Exec, p.HTTPGet)
		}
	}
	if c.Lifecycle == nil {
		return spans
	}
	for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if h != nil {
			spans += redactAction(h.Exec, h.HTTPGet)
		}
	}
	return spans
}

func redactAction(exec *corev1.ExecAction, get *corev1.HTTPGetAction) int {
	spans := 0
	if exec != nil {
		spans += redactArgs(exec.Command)
	}
	if get != nil {
		for i := range get.HTTPHeaders {
			spans += redactNamed(get.HTTPHeaders[i].Name, &get.HTTPHeaders[i].Value)
		}
		spans += redactText(&get.Path)
	}
	return spans
}

// redactLine masks secrets in what a container runs: its command and its arguments are one line, so that what a flag is followed by may
// stand in the other.
func redactLine(c *corev1.Container) int {
	words := slices.Concat(c.Command, c.Args)
	spans := redactArgs(words)
	copy(c.Args, words[copy(c.Command, words):])
	return spans
}

// argBreak joins arguments to one text: a control character counts as a blank, and is never part of what is masked.
const argBreak = "\x1f"

// redactArgs masks secrets in a command line. An argument after one such as "--password" is masked as a whole.
func redactArgs(args []string) int {
	spans := 0
	for i := 1; i < len(args); i++ {
		flag, ok := strings.CutPrefix(args[i-1], "-")
		if ok && takesSecret(flag) && !strings.Contains(flag, "=") && !strings.HasPrefix(args[i], "-") && len(args[i]) > 1 && !isPlaceholder(args[i]) {
			args[i] = masked
			spans++
		}
	}
	text, n := redactScript(strings.Join(args, argBreak))
	if parts := strings.Split(text, argBreak); len(parts) == len(args) {
		copy(args, parts)
		return spans + n
	}
	for i := range args {
		clean, n := redactScript(args[i])
		args[i] = clean
		spans += n
	}
	return spans
}

// takesSecret tells whether what follows a flag is secret.
func takesSecret(flag string) bool {
	kind := classify(flag)
	return kind == strong || kind == bare
}

func redactPodStatus(status *corev1.PodStatus) int {
	spans := redactText(&status.Message)
	for i := range status.Conditions {
		spans += redactText(&status.Conditions[i].Message)
	}
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for i := range list {
			spans += redactState(&list[i].State) + redactState(&list[i].LastTerminationState)
		}
	}
	return spans
}

// redactState masks secrets in the messages of a state; a termination message is text from the container itself.
func redactState(state *corev1.ContainerState) int {
	spans := 0
	if state.Waiting != nil {
		spans += redactText(&state.Waiting.Message)
	}
	if state.Terminated != nil {
		spans += redactText(&state.Terminated.Message)
	}
	return spans
}
