// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/record"
)

var (
	sum = "sha256:" + strings.Repeat("0123456789abcdef", 4)

	// images are references, and what has to be left of them.
	images = map[string]string{
		"":                                                                 "",
		"api-token:v1.2.3":                                                 "api-token:v1.2.3",
		"ghcr.io/reset-password:4.1.0":                                     "ghcr.io/reset-password:4.1.0",
		"client-secret:5000/shop/app:1":                                    "client-secret:5000/shop/app:1",
		"quay.io/a/authorization:2026.11.25":                               "quay.io/a/authorization:2026.11.25",
		"api-token:v1@" + sum:                                              "api-token:v1@" + sum,
		"registry.example:5000/token@" + sum:                               "registry.example:5000/token@" + sum,
		"docker-pullable://refresh-token@" + sum:                           "docker-pullable://refresh-token@" + sum,
		sum:                                                                sum,
		"user:hunter2@host.example/api-token:1":                            "user:[masked]@host.example/api-token:1",
		"user:hunter2@host.example:5000/app@" + sum:                        "user:[masked]@host.example:5000/app@" + sum,
		"https://user:hunter2@host.example/my-secret:1":                    "https://user:[masked]@host.example/my-secret:1",
		"https://user:hun/ter2@host.example/app:1":                         "https://user:[masked]@host.example/app:1",
		"https://Zk3Jq9Lw2Xv8Tn5Rb7Yd4@host.example/a:1":                   "https://[masked]@host.example/a:1",
		"https://user@host.example/a-token:1":                              "https://user@host.example/a-token:1",
		"user:[masked]@host.example/api-token:1":                           "user:[masked]@host.example/api-token:1",
		"host.example/app:gh~p_16C7e42F292c6912E7710c838347Ae178B4a":       "host.example/app:[masked]",
		"host.example/gl~pat-abcDEF123456ghiJKL78/app:1":                   "host.example/[masked]/app:1",
		"gh~p_16C7e42F292c6912E7710c838347Ae178B4a:hunter2@host.example/a": "[masked]:[masked]@host.example/a",
	}
)

// What is left of an image is the same in the spec, in a status, in a revision, and in what an agent says.
func TestRedactImages(t *testing.T) {
	for image, want := range images {
		image = strings.ReplaceAll(image, "~", "")
		spec := corev1.PodSpec{
			Containers: []corev1.Container{{Image: image}},
			Volumes:    []corev1.Volume{{VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: image}}}},
		}
		raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}})
		if err != nil {
			t.Fatal(err)
		}
		pod := corev1.Pod{Spec: *spec.DeepCopy()}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Image: image, ImageID: image}}
		node := corev1.Node{Status: corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{image}}}}}
		revision := appsv1.ControllerRevision{}
		revision.Data.Raw = raw
		entry := record.Entry{Run: &record.Run{Image: image, Digest: image}}
		RedactObject(&pod)
		RedactObject(&node)
		RedactObject(&revision)
		maskEntry(&entry)
		status := pod.Status.ContainerStatuses[0]
		for where, got := range map[string]string{
			"container": pod.Spec.Containers[0].Image, "volume": pod.Spec.Volumes[0].Image.Reference, "status": status.Image, "id": status.ImageID,
			"node": node.Status.Images[0].Names[0], "run": entry.Run.Image, "digest": entry.Run.Digest,
		} {
			if got != want {
				t.Errorf("%s %q\n  = %q\nwant %q", where, image, got, want)
			}
		}
		if got := string(revision.Data.Raw); want != "" && strings.Count(got, `"`+want+`"`) != 2 {
			t.Errorf("revision with %q\n  = %s\nwant %q twice", image, got, want)
		}
	}
}

// What is left of an image in the words of a kubelet or a runtime is what is left of it in the spec.
func TestRedactQuotedImages(t *testing.T) {
	for image, want := range images {
		image = strings.ReplaceAll(image, "~", "")
		if image == "" {
			continue
		}
		for _, message := range []string{
			"Back-off pulling image %q", "Failed to pull image %q: rpc error: code = Unknown desc = failed to resolve reference %[1]q: unexpected status",
			"Failed to apply default image tag %q: couldn't parse image name",
		} {
			quoted := fmt.Sprintf("failed to start with ImagePullBackOff: %q", fmt.Sprintf(message, image))
			wantQuoted := fmt.Sprintf("failed to start with ImagePullBackOff: %q", fmt.Sprintf(message, want))
			for in, want := range map[string]string{fmt.Sprintf(message, image): fmt.Sprintf(message, want), quoted: wantQuoted} {
				got, _ := Redact(in)
				if got != want {
					t.Errorf("Redact(%q)\n  = %q\nwant %q", in, got, want)
				}
				checkRedacted(t, in, got)
			}
		}
	}
}

// What is quoted after the word image and can be none is a text like any other.
func TestRedactQuotedNoImage(t *testing.T) {
	for in, want := range map[string]string{
		`image "password=hunter2"`:                         `image "password=[masked]"`,
		`image "x" password: "hunter2"`:                    `image "x" password: "[masked]"`,
		`image "a token: hunter22"`:                        `image "a token: [masked]"`,
		`no image "a", user-token:hunter22`:                `no image "a", user-token:[masked]`,
		`the image is "user-token:hunter22"`:               `the image is "user-token:[masked]"`,
		`image "https://u:hun!ter2@host.example/app:1": x`: `image "https://u:[masked]@host.example/app:1": x`,
	} {
		got, _ := Redact(in)
		if got != want {
			t.Errorf("Redact(%q)\n  = %q\nwant %q", in, got, want)
		}
		checkRedacted(t, in, got)
	}
	odd := "api token=hunter2"
	if redactImage(&odd); odd != "api token=[masked]" {
		t.Errorf("of what is no image is left %q", odd)
	}
}

// A claim that a pod or a StatefulSet makes has metadata of its own.
func TestRedactClaimTemplates(t *testing.T) {
	const meta = `"metadata":{"labels":{"app":"web"},"annotations":{"note":"beside","a-token":"hunter2","kubectl.kubernetes.io/last-applied-configuration":"{\"x\":\"hunter2\"}"}}`
	const pod = `{"spec":{"volumes":[{"name":"v","ephemeral":{"volumeClaimTemplate":{` + meta + `}}}]}}`
	for kind, doc := range map[string]string{
		"v1 Pod":                     pod,
		"apps/v1 Deployment":         `{"spec":{"template":` + pod + `}}`,
		"apps/v1 StatefulSet":        `{"spec":{"template":{},"volumeClaimTemplates":[{` + meta + `}]}}`,
		"apps/v1 ControllerRevision": `{"data":{"spec":{"template":` + pod + `}}}`,
		"batch/v1 CronJob":           `{"spec":{"jobTemplate":{"spec":{"template":` + pod + `}}}}`,
	} {
		obj := newObject(t, kind)
		if err := DecodeYAML([]byte(doc), obj); err != nil {
			t.Fatal(err)
		}
		spans := RedactObject(obj)
		left, err := json.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		if spans != 1 || strings.Contains(string(left), "hunter2") || !strings.Contains(string(left), "beside") || !strings.Contains(string(left), `"app":"web"`) {
			t.Errorf("%s: masked %d spans and left %s", kind, spans, left)
		}
	}
}
