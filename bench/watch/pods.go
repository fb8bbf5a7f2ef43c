// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// namespaces is how many hold the pods, and replicas how many of these a ReplicaSet owns.
const (
	namespaces = 50
	replicas   = 20
)

func namespaceOf(i int) string { return fmt.Sprintf("team-%02d", i/replicas%namespaces) }

// podOf returns the i-th pod: one of a Deployment with a sidecar, with all that real ones carry.
func podOf(i, nodes int) *corev1.Pod {
	app := fmt.Sprintf("service-%05d", i/replicas)
	yes, grace := true, int64(30)
	hash := fmt.Sprintf("%010x", uint32(i/replicas)*2654435761)
	labels := map[string]string{
		"app.kubernetes.io/name": app, "app.kubernetes.io/instance": app, "app.kubernetes.io/version": "v1.42.0", "app.kubernetes.io/component": "backend",
		"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": app + "-1.42.0", "pod-template-hash": hash, "team": namespaceOf(i), "tier": "backend",
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%s-%05x", app, hash, i), Namespace: namespaceOf(i), Labels: labels,
			Annotations: map[string]string{
				"checksum/config": strings.Repeat("7d2c", 16), "prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics",
				"kubectl.kubernetes.io/restartedAt": "2026-11-01T12:00:00Z", "sidecar.istio.io/status": `{"initContainers":["setup"],"containers":["proxy"],"volumes":["data"]}`,
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-" + hash, UID: "3b6d1c9e-1111-4222-8333-444455556666", Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(i % nodes), RestartPolicy: corev1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace, DNSPolicy: corev1.DNSClusterFirst,
			Containers:     []corev1.Container{container("app", app, 8), container("proxy", "mesh-proxy", 4)},
			InitContainers: []corev1.Container{container("setup", "setup", 0)},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: app + "-config"}}}},
				{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: app + "-credentials"}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
			Tolerations: []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "backend", Effect: corev1.TaintEffectNoSchedule}},
			Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{
					TopologyKey: "kubernetes.io/hostname", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": app}},
				},
			}}}},
		},
	}
}

// container returns one with probes, limits, mounts and n variables.
func container(name, image string, n int) corev1.Container {
	probe := func(path string, period int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080)}},
			InitialDelaySeconds: 10, PeriodSeconds: period, TimeoutSeconds: 2, FailureThreshold: 3,
		}
	}
	c := corev1.Container{
		Name: name, Image: "registry.example.com/platform/" + image + ":v1.42.0", Args: []string{"--config=/etc/config/app.yaml", "--listen=:8080", "--log-format=json"},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/config", ReadOnly: true}, {Name: "credentials", MountPath: "/etc/credentials", ReadOnly: true}, {Name: "data", MountPath: "/data"}},
	}
	if name != "setup" {
		c.Ports = []corev1.ContainerPort{{Name: name, ContainerPort: int32(8080 + len(name))}}
		c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = probe("/healthz", 10), probe("/ready", 5), probe("/healthz", 2)
	}
	for i := range n {
		v := corev1.EnvVar{Name: fmt.Sprintf("SETTING_%02d", i), Value: fmt.Sprintf("http://dependency-%02d.platform.svc.cluster.local:8080/api/v1", i)}
		if i%4 == 0 {
			v = corev1.EnvVar{Name: v.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: image + "-credentials"}, Key: "password",
			}}}
		}
		c.Env = append(c.Env, v)
	}
	return c
}

// statusOf returns the status of a pod that has run for an hour.
func statusOf(i int, now time.Time) corev1.PodStatus {
	began := metav1.NewTime(now.Add(-time.Hour).Truncate(time.Second))
	ip := fmt.Sprintf("10.%d.%d.%d", 128+i>>16, i>>8&255, i&255)
	s := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "192.168.0.1", HostIPs: []corev1.HostIP{{IP: "192.168.0.1"}}, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
		StartTime: &began, QOSClass: corev1.PodQOSBurstable,
		InitContainerStatuses: []corev1.ContainerStatus{{
			Name: "setup", Ready: true, Image: imageOf("setup"), ImageID: imageID, ContainerID: containerID(i, 2, 0),
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: began, FinishedAt: began, ContainerID: containerID(i, 2, 0)}},
		}},
		ContainerStatuses: []corev1.ContainerStatus{running(i, 0, "app", began), running(i, 1, "proxy", began)},
	}
	for _, kind := range []corev1.PodConditionType{"PodReadyToStartContainers", corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: began, LastProbeTime: began})
	}
	return s
}

func running(i, c int, name string, began metav1.Time) corev1.ContainerStatus {
	yes := true
	return corev1.ContainerStatus{
		Name: name, Ready: true, Started: &yes, Image: imageOf(name), ImageID: imageID, ContainerID: containerID(i, c, 0),
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}},
	}
}

func imageOf(name string) string { return "registry.example.com/platform/" + name + ":v1.42.0" }

const imageID = "registry.example.com/platform/app@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

func containerID(pod, container, run int) string {
	return fmt.Sprintf("containerd://%056x%02x%06x", pod, container, run)
}

// endings are how runs end here, in turn.
var endings = []corev1.ContainerStateTerminated{
	{ExitCode: 1, Reason: "Error", Message: "panic: cannot reach the database: dial tcp 10.0.0.7:5432: connect: connection refused"}, {ExitCode: 137, Reason: "OOMKilled"},
	{ExitCode: 139, Reason: "Error"}, {ExitCode: 143, Reason: "Error"}, {ExitCode: 2, Reason: "Error"},
}

// end lets the run of a container end and the next one begin.
func end(st *corev1.ContainerStatus, pod, c int, how corev1.ContainerStateTerminated, now time.Time) {
	how.StartedAt, how.FinishedAt, how.ContainerID = metav1.NewTime(now.Add(-time.Minute)), metav1.NewTime(now), st.ContainerID
	if r := st.State.Running; r != nil {
		how.StartedAt = r.StartedAt
	}
	st.RestartCount++
	st.LastTerminationState.Terminated = &how
	st.ContainerID = containerID(pod, c, int(st.RestartCount))
	st.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now)}
}

func nodeName(i int) string { return fmt.Sprintf("node-%04d", i) }

func nodeOf(i int) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), Labels: map[string]string{
		"kubernetes.io/hostname": nodeName(i), "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3),
	}}}
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110")}
	n.Status = corev1.NodeStatus{Capacity: room, Allocatable: room, NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.37.2", ContainerRuntimeVersion: "containerd://2.1.4"}}
	for _, kind := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		status := corev1.ConditionFalse
		if kind == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: kind, Status: status, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()})
	}
	for j := range 30 { // images that it holds
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example.com/platform/service-%05d:v1.42.0", j)}, SizeBytes: 120 << 20})
	}
	return n
}
