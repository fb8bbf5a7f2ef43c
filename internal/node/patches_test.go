// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// patches are those of deploy/agent.
var patches = []string{"signals.yaml", "journal.yaml", "health.yaml", "canary.yaml"}

// deployed is the pod as deploy/agent/agent.yaml has it, with what patches add as kubectl patch does it.
func deployed(t *testing.T, patches ...string) corev1.PodSpec {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile("../../deploy/agent/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	_, manifest, _ := strings.Cut(string(read("agent.yaml")), "\nkind: DaemonSet\n")
	manifest = "kind: DaemonSet\n" + manifest
	set, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range patches {
		patch, err := yaml.YAMLToJSONStrict(read(name))
		if err == nil {
			set, err = strategicpatch.StrategicMergePatch(set, patch, appsv1.DaemonSet{})
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var ds appsv1.DaemonSet
	if err := yaml.UnmarshalStrict(set, &ds); err != nil {
		t.Fatal(err)
	}
	if up := ds.Spec.UpdateStrategy.RollingUpdate; up == nil || up.MaxUnavailable == nil {
		t.Error("all agents are replaced one by one")
	}
	return ds.Spec.Template.Spec
}

// TestPatches: what each patch of deploy/agent mounts beside the rest, and that flags which name it are right. They are put upon
// each other in any order, but for the features: the last one says which there are, as it says itself.
func TestPatches(t *testing.T) {
	back := slices.Clone(patches)
	slices.Reverse(back)
	for features, order := range map[string][]string{"runtime,logs,kernel,usage,health,canary": patches, "runtime,logs,kernel,signals,usage,health": back} {
		pod := deployed(t, order...)
		if diff := cmp.Diff(strings.Join([]string{
			"/host/cgroup=/sys/fs/cgroup:ro", "/host/proc=/proc:ro", "/host/run/log/journal=/run/log/journal:ro", "/host/tracing=/sys/kernel/tracing",
			"/host/var/lib/kubelet/config.yaml=/var/lib/kubelet/config.yaml:ro", "/host/var/lib/kubelet/pki=/var/lib/kubelet/pki:ro",
			"/host/var/log/journal=/var/log/journal:ro", "/run/containerd=/run/containerd:ro", "/run/crio=/run/crio:ro", "/run/dbus=/run/dbus:ro",
			"/var/lib/inquest-agent=/var/lib/inquest-agent", "/var/log/pods=/var/log/pods:ro",
		}, "\n"), mounts(pod)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
		for _, e := range pod.Containers[0].Env {
			if e.Name == "INQUEST_FEATURES" && e.Value != features {
				t.Errorf("%v: the features are %s, expected %s", order, e.Value, features)
			}
		}
	}
}

// mounts are the paths of a pod's container and those of the host that they show.
func mounts(pod corev1.PodSpec) string {
	paths := map[string]string{}
	for _, v := range pod.Volumes {
		paths[v.Name] = v.HostPath.Path
	}
	var list []string
	for _, m := range pod.Containers[0].VolumeMounts {
		mode := ""
		if m.ReadOnly {
			mode = ":ro"
		}
		list = append(list, fmt.Sprintf("%s=%s%s", m.MountPath, paths[m.Name], mode))
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}
