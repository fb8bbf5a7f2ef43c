// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// TestPatches: what each patch of deploy/agent mounts beside the rest, and that flags which name it are right. They are put upon
// each other in any order.
func TestPatches(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile("../../deploy/agent/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var daemons []byte
	for doc := range strings.SplitSeq(string(read("agent.yaml")), "\n---\n") {
		if strings.Contains(doc, "kind: DaemonSet") {
			var err error
			if daemons, err = yaml.YAMLToJSON([]byte(doc)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, order := range [][]string{{"signals.yaml", "journal.yaml", "health.yaml", "canary.yaml"}, {"canary.yaml", "health.yaml", "journal.yaml", "signals.yaml"}} {
		patched := daemons
		for _, name := range order {
			patch, err := yaml.YAMLToJSON(read(name))
			if err == nil {
				patched, err = strategicpatch.StrategicMergePatch(patched, patch, appsv1.DaemonSet{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(strings.Join([]string{
			"/host/cgroup=/sys/fs/cgroup:ro", "/host/proc=/proc:ro", "/host/run/log/journal=/run/log/journal:ro", "/host/tracing=/sys/kernel/tracing",
			"/host/var/lib/kubelet/config.yaml=/var/lib/kubelet/config.yaml:ro", "/host/var/lib/kubelet/pki=/var/lib/kubelet/pki:ro",
			"/host/var/log/journal=/var/log/journal:ro", "/run/containerd=/run/containerd:ro", "/run/crio=/run/crio:ro", "/run/dbus=/run/dbus:ro",
			"/var/lib/inquest-agent=/var/lib/inquest-agent", "/var/log/pods=/var/log/pods:ro",
		}, "\n"), mounts(t, patched)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
	}
}

// mounts are the paths of a DaemonSet's container and those of the host that they show.
func mounts(t *testing.T, daemons []byte) string {
	t.Helper()
	var ds appsv1.DaemonSet
	if err := json.Unmarshal(daemons, &ds); err != nil {
		t.Fatal(err)
	}
	pod := ds.Spec.Template.Spec
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
