// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A garden is what secrets are planted in. Beside each stands a word that is none.
type garden struct {
	mint
	make     func(mint) secret // of the kind that is planted now
	secrets  []secret
	places   []string          // of each
	beside   map[string]string // where a word stands, by the word
	logs     map[string]string // by pod, and "previous" or "current"
	finished time.Time
}

// plant makes a secret for a place and returns it behind a word that has to stay.
func (g *garden) plant(place string) string {
	word := "beside" + strconv.FormatInt(int64(len(g.secrets)), 36) + "x" + g.word("bcdfghjkmnpqrstvwz", 6)
	g.beside[word] = place
	return word + " " + g.hide(place)
}

// hide makes a secret for a place from which nothing stays.
func (g *garden) hide(place string) string {
	s := g.make(g.mint)
	g.secrets, g.places = append(g.secrets, s), append(g.places, place)
	return s.text
}

// whole makes a value that only its name tells of.
func (g *garden) whole(place string) string {
	s := g.in("%s")
	g.secrets, g.places = append(g.secrets, s), append(g.places, place)
	return s.text
}

// metadata has secrets in annotations, and in a label one of a form that labels may have.
func (g *garden) metadata(name, of string) metav1.ObjectMeta {
	token := g.prefixed("ghp_", mixed, 36)
	g.secrets, g.places = append(g.secrets, token), append(g.places, of+" label")
	return metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"app": name, "build": strings.TrimPrefix(token.text, "used ")},
		Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: g.hide(of + " last applied"), "example.com/note": g.plant(of + " annotation"), "example.com/api-token": g.whole(of + " annotation"),
		},
	}
}

func (g *garden) probe(of string) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
		Path: "/healthz?token=" + g.whole(of+" path"), Port: intstr.FromInt32(8080),
		HTTPHeaders: []corev1.HTTPHeader{{Name: "X-Note", Value: strings.ReplaceAll(g.plant(of+" header"), "\n", " ")}, {Name: "X-Api-Key", Value: g.whole(of + " header")}},
	}}}
}

// claim is a volume whose claim is made from a template with metadata of its own.
func (g *garden) claim() []corev1.Volume {
	template := &corev1.PersistentVolumeClaimTemplate{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"example.com/note": g.plant("claim template"), "example.com/api-token": g.whole("claim template")}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	return []corev1.Volume{{Name: "cache", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: template}}}}
}

func (g *garden) container() corev1.Container {
	address := g.in("https://puller:%s@registry.example/")
	g.secrets, g.places = append(g.secrets, address), append(g.places, "image")
	return corev1.Container{
		Name: "app", Image: address.text + "shop/app:1",
		Command: []string{"sh", "-c", g.plant("command")}, Args: []string{"--note", g.plant("argument"), "--api-key", g.whole("argument"), "--token=" + g.whole("argument")},
		Env: []corev1.EnvVar{
			{Name: "SETTINGS", Value: g.plant("environment")}, {Name: "DB_PASSWORD", Value: g.whole("environment")}, {Name: "API_TOKEN", Value: g.whole("environment")},
			{Name: "FROM_MAP", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "file"}}},
		},
		ReadinessProbe: g.probe("readiness probe"),
		LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check", g.plant("probe command")}}}},
		Lifecycle:      &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"stop", g.plant("hook")}}}},
	}
}

// workload makes a Deployment with its ReplicaSet, whose pods are to be.
func (g *garden) workload(t *testing.T, name string) *appsv1.ReplicaSet {
	t.Helper()
	one, selector := int32(1), &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	template := corev1.PodTemplateSpec{ObjectMeta: g.metadata(name, "template"), Spec: corev1.PodSpec{Containers: []corev1.Container{g.container()}, Volumes: g.claim()}}
	template.Name, template.Annotations[corev1.LastAppliedConfigAnnotation] = "", ""
	d := &appsv1.Deployment{ObjectMeta: g.metadata(name, "deployment"), Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: selector, Template: template}}
	d, err := control.AppsV1().Deployments("vault").Create(t.Context(), d, metav1.CreateOptions{})
	must(t, err)
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: g.plant("condition of a deployment")}}
	_, err = control.AppsV1().Deployments("vault").UpdateStatus(t.Context(), d, metav1.UpdateOptions{})
	must(t, err)
	rs := &appsv1.ReplicaSet{ObjectMeta: g.metadata(name+"-5d4f", "replica set"), Spec: appsv1.ReplicaSetSpec{Replicas: &one, Selector: selector, Template: template}}
	rs.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	rs, err = control.AppsV1().ReplicaSets("vault").Create(t.Context(), rs, metav1.CreateOptions{})
	must(t, err)
	return rs
}

// dies makes a pod whose container has ended: it runs again, or waits to.
func (g *garden) dies(t *testing.T, name string, again bool) {
	t.Helper()
	rs := g.workload(t, name)
	pod := &corev1.Pod{ObjectMeta: g.metadata(name+"-5d4f-x", "pod"), Spec: corev1.PodSpec{NodeName: "keeper", Containers: []corev1.Container{g.container()}, Volumes: g.claim()}}
	pod.Labels["pod-template-hash"] = "5d4f"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	pod, err := control.CoreV1().Pods("vault").Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	which := map[bool]string{true: "previous", false: "current"}[again]
	g.logs[pod.Name+" "+which] = "starts\n" + g.plant("log, "+which) + "\nfatal: cannot go on\n"
	end := &corev1.ContainerStateTerminated{
		ExitCode: 3, Reason: "Error", StartedAt: metav1.NewTime(g.finished.Add(-time.Minute)), FinishedAt: metav1.NewTime(g.finished), ContainerID: "containerd://" + g.word(digits, 64),
		Message: g.plant("termination message"),
	}
	state := corev1.ContainerStatus{
		Name: "app", Image: pod.Spec.Containers[0].Image, ImageID: pod.Spec.Containers[0].Image + "@sha256:" + g.word(digits, 64), ContainerID: "containerd://" + g.word(digits, 64),
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: g.plant("waiting message")}}, LastTerminationState: corev1.ContainerState{Terminated: end},
	}
	if !again {
		state.State, state.LastTerminationState = state.LastTerminationState, corev1.ContainerState{}
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, Message: g.plant("message of a pod"), ContainerStatuses: []corev1.ContainerStatus{state},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Message: g.plant("condition of a pod")}},
	}
	g.event(t, pod)
	_, err = control.CoreV1().Pods("vault").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	must(t, err)
}

// waits makes a pod whose image cannot be had, which the runtime says in the words of the registry.
func (g *garden) waits(t *testing.T, name string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: g.metadata(name, "pod"), Spec: corev1.PodSpec{NodeName: "keeper", Containers: []corev1.Container{g.container()}, Volumes: g.claim()}}
	pod, err := control.CoreV1().Pods("vault").Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "app", Image: pod.Spec.Containers[0].Image,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: fmt.Sprintf("failed to pull image %q: %s", pod.Spec.Containers[0].Image, g.plant("pull message"))}},
	}}}
	_, err = control.CoreV1().Pods("vault").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	must(t, err)
}

func (g *garden) event(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	now := metav1.Now()
	_, err := control.CoreV1().Events("vault").Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: pod.Name, Annotations: map[string]string{"example.com/note": g.hide("annotation of an Event")}},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "vault", Name: pod.Name, UID: pod.UID, FieldPath: "spec.containers{app}"},
		Type:           corev1.EventTypeWarning, Reason: "Unhealthy", Message: g.plant("Event"), FirstTimestamp: now, LastTimestamp: now, Count: 3, Source: corev1.EventSource{Component: "kubelet", Host: "keeper"},
	}, metav1.CreateOptions{})
	must(t, err)
}

// node makes the node that the pods are on, whose kubelet answers for logs at a real API server's request.
func (g *garden) node(t *testing.T) {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/") // /containerLogs/NAMESPACE/POD/CONTAINER
		which := map[bool]string{true: "previous", false: "current"}[r.URL.Query().Get("previous") == "true"]
		if len(parts) != 5 || parts[1] != "containerLogs" {
			http.NotFound(w, r)
			return
		}
		at := g.finished.Add(-30 * time.Second).UTC()
		for line := range strings.Lines(g.logs[parts[3]+" "+which]) {
			at = at.Add(time.Second)
			_, _ = io.WriteString(w, at.Format(time.RFC3339Nano)+" "+line) // who left does not need it
		}
	}))
	t.Cleanup(kubelet.Close)
	host, port, err := net.SplitHostPort(kubelet.Listener.Addr().String())
	must(t, err)
	number, err := strconv.ParseInt(port, 10, 32)
	must(t, err)
	meta := g.metadata("keeper", "node")
	node, err := control.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: meta}, metav1.CreateOptions{})
	must(t, err)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue, Reason: "KubeletHasDiskPressure", Message: g.plant("condition of a node")},
	}
	_, err = control.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	must(t, err)
	settings := &corev1.ConfigMap{ObjectMeta: g.metadata("settings", "config map"), Data: map[string]string{"file": g.hide("config map")}}
	_, err = control.CoreV1().ConfigMaps("vault").Create(t.Context(), settings, metav1.CreateOptions{})
	must(t, err)
}

// sow has a pod die for each kind of secret, and one wait for its image, and returns how many of both.
func (g *garden) sow(t *testing.T) int {
	t.Helper()
	g.finished = time.Now().Add(-10 * time.Second).Truncate(time.Second)
	g.make = makers[0]
	g.node(t)
	for i, kind := range makers {
		g.make = kind
		g.dies(t, fmt.Sprintf("app%02d", i), i%2 == 0)
		g.waits(t, fmt.Sprintf("pull%02d", i))
	}
	return 2 * len(makers)
}

// placesOfWords are the places in which words stand beside secrets.
func (g *garden) placesOfWords() map[string]bool {
	all := map[string]bool{}
	for _, place := range g.beside {
		all[place] = true
	}
	return all
}

// reap takes away what others would find.
func (g *garden) reap(t *testing.T) {
	t.Helper()
	now, ctx := int64(0), context.WithoutCancel(t.Context())
	must(t, control.CoreV1().Pods("vault").DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}))
	must(t, control.CoreV1().Nodes().Delete(ctx, "keeper", metav1.DeleteOptions{}))
}

func newMint() mint { return mint{rand.New(rand.NewPCG(1, 2))} }

// metricsAddress is one that is free.
func metricsAddress(t *testing.T) string {
	t.Helper()
	address, _, _, err := freePorts()
	must(t, err)
	return address
}
