// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// described returns what the text of kubectl describe says of one object.
func describedAs[T evidence.Object](t *testing.T, text string) (T, *part) {
	t.Helper()
	p := &part{}
	parseDescription(strings.Split(text, "\n"), 1, p)
	for _, f := range p.objects {
		if o, ok := f.object.(T); ok {
			return o, p
		}
	}
	var none T
	t.Fatalf("it is none: %v %v", p.objects, p.notices)
	return none, p
}

const podText = `Name:                      web-0
Namespace:                 shop
Priority:                  100
Priority Class Name:       high
Service Account:           web
Node:                      n1/10.0.0.1
Start Time:                Mon, 24 Aug 2026 12:00:00 +0200
Labels:                    app=web
                           tier=front
Annotations:               example.com/a: b: c
Status:                    Terminating (lasts 2m)
Termination Grace Period:  30s
IP:                        10.1.0.4
Controlled By:             StatefulSet/web
Init Containers:
  prepare:
    Image:          busybox:1.36
    State:          Terminated
      Reason:       Completed
      Exit Code:    0
      Started:      Mon, 24 Aug 2026 12:00:01 +0200
      Finished:     Mon, 24 Aug 2026 12:00:02 +0200
    Ready:          True
    Restart Count:  0
Containers:
  app:
    Container ID:  containerd://abc
    Image:         web:1
    Ports:         8080/TCP (http), 9090/TCP
    Host Ports:    0/TCP, 9090/TCP
    Command:
      sh
      -c
      while true; do
        Limits: no
      done
    State:       Running
      Started:   Mon, 24 Aug 2026 12:05:05 +0200
    Last State:  Terminated
      Reason:    Error
      Message:   first line
Reason: second line
  name:
third line
      Exit Code:    143
      Started:      Mon, 24 Aug 2026 12:00:05 +0200
      Finished:     Mon, 24 Aug 2026 12:05:00 +0200
    Ready:          False
    Restart Count:  1
    Limits:
      cpu:     500m
      memory:  256Mi
    Requests:
      memory:   128Mi
    Liveness:   http-get http://:http/healthz delay=5s timeout=1s period=10s #success=1 #failure=3
    Readiness:  exec [cat /tmp/ready] delay=0s timeout=1s period=10s successThreshold=1 failureThreshold=3
    Startup:    tcp-socket :8080 delay=0s timeout=1s period=1s #success=1 #failure=30
    Environment Variables from:
      settings  ConfigMap with prefix 'X_'  Optional: true
    Environment:
      MODE:      fast
      PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false
      LEVEL:     <set to the key 'level' of config map 'settings'>  Optional: true
      POD:       web-0 (v1:metadata.name)
    Mounts:
      /data from data (rw,path="sub")
      /tmp/x from scratch (ro)
Conditions:
  Type              Status
  Ready             False
  PodScheduled      True
Volumes:
  data:
    Type:       PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)
    ClaimName:  data-web-0
    ReadOnly:   false
  scratch:
    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:     Memory
    SizeLimit:  64Mi
  kube-api-access-x:
    Type:                    Projected (a volume that contains injected data from multiple sources)
    TokenExpirationSeconds:  3607
    ConfigMapName:           kube-root-ca.crt
    ConfigMapOptional:       <nil>
    DownwardAPI:             true
QoS Class:                   Burstable
Node-Selectors:              disk=ssd
Tolerations:                 dedicated=web:NoSchedule
                             node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  6m5s               default-scheduler  Successfully assigned shop/web-0 to n1
  Normal   Started    60s (x2 over 6m)   kubelet            Started container app
  Warning  Unhealthy  65s (x3 over 85s)  kubelet            Liveness probe failed: two
lines of it
`

func TestDescribedPod(t *testing.T) {
	pod, p := describedAs[*corev1.Pod](t, podText)
	for what, ok := range map[string]bool{
		"owner":       pod.OwnerReferences[0].Kind == "StatefulSet" && pod.Spec.RestartPolicy == corev1.RestartPolicyAlways,
		"labels":      len(pod.Labels) == 2 && pod.Annotations["example.com/a"] == "b: c",
		"node":        pod.Spec.NodeName == "n1" && pod.Status.HostIP == "10.0.0.1" && *pod.Spec.Priority == 100,
		"containers":  len(pod.Spec.Containers) == 1 && len(pod.Spec.InitContainers) == 1 && pod.Status.InitContainerStatuses[0].Ready,
		"conditions":  len(pod.Status.Conditions) == 2 && pod.Status.Conditions[0].Status == corev1.ConditionFalse,
		"claim":       pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName == "data-web-0",
		"memory":      pod.Spec.Volumes[1].EmptyDir.Medium == corev1.StorageMediumMemory && pod.Spec.Volumes[1].EmptyDir.SizeLimit.String() == "64Mi",
		"projected":   len(pod.Spec.Volumes[2].Projected.Sources) == 3,
		"tolerations": len(pod.Spec.Tolerations) == 2 && *pod.Spec.Tolerations[1].TolerationSeconds == 300 && pod.Spec.NodeSelector["disk"] == "ssd",
		"events":      len(p.events) == 3 && p.events[2].count == 3 && strings.HasSuffix(p.events[2].message, "two\nlines of it"),
		"clock":       p.clock().Equal(time.Date(2026, 8, 24, 10, 6, 5, 0, time.UTC)),
	} {
		if !ok {
			t.Errorf("the %s is read wrong", what)
		}
	}
	for what, ok := range containerIs(pod) {
		if !ok {
			t.Errorf("the %s is read wrong", what)
		}
	}
	p.settle(p.clock())
	if pod.DeletionTimestamp.UTC() != time.Date(2026, 8, 24, 10, 4, 5, 0, time.UTC) || *pod.DeletionGracePeriodSeconds != 30 {
		t.Errorf("deleted at %s", pod.DeletionTimestamp)
	}
}

// containerIs tells what of the pod's container is read as it is printed.
func containerIs(pod *corev1.Pod) map[string]bool {
	app := pod.Spec.Containers[0]
	last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated
	return map[string]bool{
		"command":          len(app.Command) == 3 && strings.Contains(app.Command[2], "Limits: no"),
		"ports":            len(app.Ports) == 2 && app.Ports[0].Name == "http" && app.Ports[1].HostPort == 9090,
		"message":          last.Message == "first line\nReason: second line\n  name:\nthird line",
		"end":              last.ExitCode == 143 && last.Reason == "Error" && last.FinishedAt.Unix()-last.StartedAt.Unix() == 295,
		"limits":           app.Resources.Limits.Memory().String() == "256Mi" && app.Resources.Requests.Cpu().IsZero(),
		"liveness":         app.LivenessProbe.HTTPGet.Path == "/healthz" && app.LivenessProbe.HTTPGet.Port.StrVal == "http",
		"readiness":        len(app.ReadinessProbe.Exec.Command) == 2 && app.ReadinessProbe.FailureThreshold == 3,
		"startup":          app.StartupProbe.TCPSocket.Port.IntVal == 8080 && app.StartupProbe.FailureThreshold == 30,
		"environment from": app.EnvFrom[0].ConfigMapRef.Name == "settings" && *app.EnvFrom[0].ConfigMapRef.Optional && app.EnvFrom[0].Prefix == "X_",
		"environment":      len(app.Env) == 4 && app.Env[1].ValueFrom.SecretKeyRef.Key == "password" && app.Env[2].ValueFrom.ConfigMapKeyRef.Name == "settings",
		"mounts":           app.VolumeMounts[0].SubPath == "sub" && app.VolumeMounts[1].ReadOnly,
	}
}

func TestDescribedWorkloads(t *testing.T) {
	const template = "Pod Template:\n  Labels:  app=web\n  Containers:\n   app:\n    Image:      web:2\n    Limits:\n      memory:  64Mi\n    Environment:  <none>\n    Mounts:       <none>\n  Volumes:        <none>\n"
	d, p := describedAs[*appsv1.Deployment](t, "Name:  web\nNamespace:  shop\nSelector:  app=web\nReplicas:  3 desired | 1 updated | 4 total | 2 available | 2 unavailable\nStrategyType:  RollingUpdate\n"+template+
		"Conditions:\n  Type           Status  Reason\n  ----           ------  ------\n  Progressing    False   ProgressDeadlineExceeded\nOldReplicaSets:  web-1 (2/2 replicas created)\nNewReplicaSet:   web-2 (2/2 replicas created)\nEvents:          <none>")
	if *d.Spec.Replicas != 3 || d.Status.UnavailableReplicas != 2 || d.Spec.Template.Spec.Containers[0].Image != "web:2" ||
		d.Status.Conditions[0].Reason != "ProgressDeadlineExceeded" || len(p.objects) != 3 {
		t.Errorf("deployment %+v, %d objects", d, len(p.objects))
	}
	j, _ := describedAs[*batchv1.Job](t, "Name:  pi\nNamespace:  shop\nSelector:  a=b\nParallelism:  1\nCompletions:  2\nBackoff Limit:  4\nActive Deadline Seconds:  60s\nPods Statuses:  1 Active (0 Ready) / 0 Succeeded / 3 Failed\n"+template)
	if j.Status.Active != 1 || j.Status.Failed != 3 || *j.Spec.Completions != 2 || *j.Spec.ActiveDeadlineSeconds != 60 {
		t.Errorf("job %+v", j)
	}
	ds, _ := describedAs[*appsv1.DaemonSet](t, "Name:  agent\nNamespace:  kube-system\nSelector:  a=b\nDesired Number of Nodes Scheduled: 3\nNumber of Nodes Scheduled with Available Pods: 1\n"+template)
	if ds.Status.DesiredNumberScheduled != 3 || ds.Status.NumberUnavailable != 2 {
		t.Errorf("daemon set %+v", ds.Status)
	}
	sts, _ := describedAs[*appsv1.StatefulSet](t, "Name:  db\nNamespace:  shop\nReplicas:  3 desired | 2 total\nUpdate Strategy:  RollingUpdate\nPods Status:  1 Running / 1 Waiting / 0 Succeeded / 0 Failed\n"+template)
	if *sts.Spec.Replicas != 3 || sts.Status.Replicas != 2 || sts.Status.ReadyReplicas != 1 {
		t.Errorf("stateful set %+v", sts.Status)
	}
	cj, _ := describedAs[*batchv1.CronJob](t, "Name:  nightly\nNamespace:  shop\nSchedule:  0 3 * * *\nConcurrency Policy:  Forbid\nSuspend:  True\nActive Jobs:  nightly-1, nightly-2\n"+template)
	if !*cj.Spec.Suspend || len(cj.Status.Active) != 2 {
		t.Errorf("cron job %+v", cj)
	}
}

func TestDescribedOthers(t *testing.T) {
	pvc, _ := describedAs[*corev1.PersistentVolumeClaim](t, "Name:  data\nNamespace:  shop\nStorageClass:  fast\nStatus:  Pending\nVolume:  \nCapacity:  \nAccess Modes:  \nVolumeMode:  Filesystem\nUsed By:  web-0\nEvents:  <none>")
	if pvc.Status.Phase != corev1.ClaimPending || *pvc.Spec.StorageClassName != "fast" {
		t.Errorf("claim %+v", pvc)
	}
	svc, p := describedAs[*corev1.Service](t, "Name:  web\nNamespace:  shop\nSelector:  app=web,tier=front\nType:  ClusterIP\nIP:  10.0.0.9\nPort:  http  80/TCP\nTargetPort:  8080/TCP\nEndpoints:  <none>\nSession Affinity:  None")
	if len(svc.Spec.Selector) != 2 || svc.Spec.Ports[0].Port != 80 || svc.Spec.Ports[0].TargetPort.IntVal != 8080 || len(p.objects) != 2 {
		t.Errorf("service %+v, %d objects", svc.Spec, len(p.objects))
	}
	q, _ := describedAs[*corev1.ResourceQuota](t, "Name:            compute\nNamespace:       shop\nResource         Used  Hard\n--------         ----  ----\nlimits.cpu       8     10\nrequests.memory  1Gi   2Gi")
	if hard := q.Status.Hard["limits.cpu"]; hard.String() != "10" || len(q.Status.Used) != 2 {
		t.Errorf("quota %+v", q.Status)
	}
	_, p = describedAs[*corev1.Namespace](t, "Name:         shop\nLabels:       <none>\nAnnotations:  <none>\nStatus:       Active\n\nResource Quotas\n  Name:        compute\n  Resource     Used  Hard\n  --------     ---   ---\n  pods         3     4\n\nNo LimitRange resource.")
	if len(p.objects) != 2 {
		t.Errorf("%d objects of a namespace with a quota", len(p.objects))
	}
}

func TestDescribedNode(t *testing.T) {
	node, p := describedAs[*corev1.Node](t, `Name:               n1
Roles:              <none>
Labels:             kubernetes.io/arch=amd64
CreationTimestamp:  Mon, 24 Aug 2026 08:00:00 +0000
Taints:             node.kubernetes.io/unreachable:NoExecute
                    dedicated=db:NoSchedule
Unschedulable:      true
Lease:
  HolderIdentity:  n1
  AcquireTime:     <unset>
  RenewTime:       Mon, 24 Aug 2026 09:59:00 +0000
Conditions:
  Type             Status    LastHeartbeatTime                 LastTransitionTime                Reason              Message
  ----             ------    -----------------                 ------------------                ------              -------
  Ready            Unknown   Mon, 24 Aug 2026 09:58:00 +0000   Mon, 24 Aug 2026 10:00:00 +0000   NodeStatusUnknown   Kubelet stopped posting node status.
Addresses:
  InternalIP:  10.0.0.1
Capacity:
  cpu:     4
Allocatable:
  cpu:     3920m
System Info:
  Boot ID:          b1
  Kubelet Version:  v1.31.0
`)
	c := node.Status.Conditions[0]
	if len(node.Spec.Taints) != 2 || !node.Spec.Unschedulable || c.Status != corev1.ConditionUnknown || c.Message != "Kubelet stopped posting node status." ||
		node.Status.Allocatable.Cpu().String() != "3920m" || node.Status.NodeInfo.BootID != "b1" || len(p.objects) != 2 || p.newest.Hour() != 10 {
		t.Errorf("node %+v", node)
	}
}

// seeds adds the files of the recordings whose names match, as seeds.
func seeds(f *testing.F, suffix string) {
	files, err := filepath.Glob("testdata/text/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(data), "\n-- ") {
			if name, text, ok := strings.Cut(part, " --\n"); ok && strings.HasSuffix(name, suffix) {
				f.Add(text)
			}
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(podText)
	seeds(f, "describe.txt")
	f.Fuzz(func(t *testing.T, text string) {
		p := &part{}
		parseDescription(strings.Split(printable(text), "\n"), 1, p)
		p.settle(p.clock())
		for _, found := range p.objects {
			mask(found.object)
			if _, err := encodeObject(found.object); err != nil {
				t.Errorf("it cannot be written: %v", err)
			}
		}
	})
}
