// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestAutoscaler: one that is there is not proposed again and told at its maximum; one that is proposed has a manifest, and none is where there is no
// room, or a volume that one node alone may mount.
func TestAutoscaler(t *testing.T) {
	load := course(3*144, 10*time.Minute, func(share float64) float64 { return 0.1 + 0.9*math.Pow(math.Sin(3*math.Pi*share), 8) })
	scaler := func(now int32) []*autoscalingv2.HorizontalPodAutoscaler {
		h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "h"}}
		h.Spec.MaxReplicas, h.Status.CurrentReplicas = 4, now
		return []*autoscalingv2.HorizontalPodAutoscaler{h}
	}
	quota := func(hard string) Namespace {
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"}}
		q.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: apiresource.MustParse(hard)}
		q.Status.Used = corev1.ResourceList{corev1.ResourcePods: apiresource.MustParse("4")}
		return Namespace{Quotas: []*corev1.ResourceQuota{q}}
	}
	for name, c := range map[string]struct {
		of       Subject
		want     string // of what is to be looked at; "" for nothing of replicas
		proposes bool
	}{
		"none is there":        {Subject{}, "replicas", true},
		"one is there":         {Subject{Scalers: scaler(3)}, "", false},
		"one is at its most":   {Subject{Scalers: scaler(4)}, "horizontalpodautoscaler/h: it is at its maximum of 4", false},
		"a volume of one node": {Subject{Alone: "a volume is shared"}, "a volume is shared", false},
		"no room":              {Subject{Within: quota("4")}, "resourcequota/q has no room for one replica more: of pods 4 is used of 4", false},
		"not known":            {Subject{Unscaled: "forbidden: cannot list horizontalpodautoscalers in namespace shop"}, "whether an autoscaler is there is not known: forbidden", false},
		"room":                 {Subject{Within: quota("5")}, "replicas", true},
	} {
		t.Run(name, func(t *testing.T) {
			c.of.Container, c.of.Memory, c.of.CPU, c.of.Replicas, c.of.Running = container("100Mi", "110Mi", "500m", ""), flat(100*mib), load, 4, 4
			a := Advise(c.of)
			var said []string
			for _, check := range a.Checks {
				if check.Where == "replicas" || strings.HasPrefix(check.Where, "horizontal") {
					said = append(said, check.Where+": "+check.Says)
				}
			}
			if text := strings.Join(said, "\n"); (text == "") != (c.want == "") || !strings.Contains(text, c.want) || (a.Autoscaler != nil) != c.proposes {
				t.Errorf("it says %q, want %q; proposes %v", text, c.want, a.Autoscaler)
			}
			if data, err := json.Marshal(a.Autoscaler); c.proposes && (err != nil || !strings.Contains(string(data), `"apiVersion":"autoscaling/v2"`) || !strings.Contains(string(data), `"maxReplicas":8`)) {
				t.Errorf("%v: %s", err, data)
			}
		})
	}
}

// TestNamesAutoscaler: one that is there is named, with what a new request does to it, and a quota has room for its maximum.
func TestNamesAutoscaler(t *testing.T) {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "h"}}
	share := int32(70)
	h.Spec.MaxReplicas, h.Spec.Metrics = 9, []autoscalingv2.MetricSpec{{Resource: &autoscalingv2.ResourceMetricSource{
		Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{AverageUtilization: &share},
	}}}
	for request, want := range map[string]string{"2": "gives it 1 to 9 replicas, by a share of the CPU request: with another request", "115m": "gives it 1 to 9 replicas"} {
		a := Advise(Subject{Container: container("100Mi", "110Mi", request, ""), Memory: flat(100 * mib), CPU: flat(0.1), Scalers: []*autoscalingv2.HorizontalPodAutoscaler{h}, Replicas: 2})
		if said := strings.Join(a.Reasons, "\n"); !strings.Contains(said, "horizontalpodautoscaler/h "+want) || a.Replicas != 9 {
			t.Errorf("with a request of %s, for %d replicas:\n%s", request, a.Replicas, said)
		}
	}
}

// TestNamesAutoscalerAtOnce: one is named where there is too little to advise, too.
func TestNamesAutoscalerAtOnce(t *testing.T) {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "h"}}
	if a := Advise(Subject{Container: container("100Mi", "110Mi", "1", ""), Scalers: []*autoscalingv2.HorizontalPodAutoscaler{h}}); a.Enough == "" || !strings.Contains(strings.Join(a.Reasons, " "), "horizontalpodautoscaler/h gives it") {
		t.Errorf("%q, %q", a.Enough, a.Reasons)
	}
}

// TestScaled: the autoscalers of a workload are found in the snapshot, and the volume that its replicas cannot share.
func TestScaled(t *testing.T) {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "h"}}
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	s := (&evidence.Snapshot{Has: evidence.Spec | evidence.Changes, Objects: []evidence.Object{h, claim}}).Freeze()
	if len(scalersOf(s, web)) != 1 || scalersOf(s, evidence.RefTo("Deployment", "shop", "other")) != nil {
		t.Error("the autoscaler of another, or none")
	}
	s.Gaps = []evidence.Gap{{Kind: evidence.Changes, About: evidence.RefTo("Namespace", "", "shop"), Why: "forbidden: cannot list horizontalpodautoscalers in namespace shop"}}
	if unscaled(s, "shop") != s.Gaps[0].Why || unscaled(s, "bank") != "" {
		t.Errorf("unread: %q, of another: %q", unscaled(s, "shop"), unscaled(s, "bank"))
	}
	pod := &corev1.PodSpec{Volumes: []corev1.Volume{{Name: "d"}}}
	pod.Volumes[0].PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}
	if got := alone(s, "shop", pod); !strings.Contains(got, "persistentvolumeclaim/data") || alone(s, "bank", pod) != "" {
		t.Errorf("of its volume: %q", got)
	}
}
