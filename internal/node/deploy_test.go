// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// rights are what a pod may do on its node, by the names of the table in deploy/agent/README.md.
func rights(spec *corev1.PodSpec) []string {
	var list []string
	c := &spec.Containers[0]
	for _, v := range spec.Volumes {
		list = append(list, v.HostPath.Path)
	}
	for _, name := range c.SecurityContext.Capabilities.Add {
		list = append(list, string(name))
	}
	for name, has := range map[string]bool{
		"hostNetwork": spec.HostNetwork, "hostPID": spec.HostPID, "hostIPC": spec.HostIPC, "runAsUser: 0": *c.SecurityContext.RunAsUser == 0,
	} {
		if has {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// TestRightsAreDocumented: each right on the node has its line in deploy/agent/README.md with the features that it is for, and
// there is no line of what the agent has not.
func TestRightsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../deploy/agent/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "| what | features |")
	var rows []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		rows = append(rows, strings.Trim(cells[1], " `"))
		for feature := range strings.SplitSeq(cells[2], ",") {
			if feature = strings.TrimSpace(feature); feature != "all" && !slices.Contains(allFeatures, feature) {
				t.Errorf("%s is for %q, which is no feature", cells[1], feature)
			}
		}
	}
	slices.Sort(rows)
	spec := deployed(t, patches...)
	if diff := cmp.Diff(rights(&spec), rows); diff != "" {
		t.Errorf("deploy/agent/README.md (-granted +documented):\n%s", diff)
	}
}

// TestDeployedHard: what an agent that somebody took over cannot do.
func TestDeployedHard(t *testing.T) {
	spec := deployed(t, patches...)
	c := &spec.Containers[0]
	is := c.SecurityContext
	for what, holds := range map[string]bool{
		"it is one container":               len(spec.Containers) == 1 && len(spec.InitContainers) == 0,
		"it is not privileged":              is.Privileged == nil || !*is.Privileged,
		"it drops all capabilities":         slices.Equal(is.Capabilities.Drop, []corev1.Capability{"ALL"}),
		"it gains no privilege":             !*is.AllowPrivilegeEscalation,
		"its file system is read-only":      *is.ReadOnlyRootFilesystem,
		"it has a profile of seccomp":       is.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"its memory is limited":             !c.Resources.Limits.Memory().IsZero() && c.Resources.Limits.Memory().Value() >= 2*memoryLimit,
		"its processors are limited":        !c.Resources.Limits.Cpu().IsZero(),
		"it runs on nodes in trouble":       len(spec.Tolerations) == 1 && spec.Tolerations[0] == corev1.Toleration{Operator: corev1.TolerationOpExists},
		"it is there before others":         spec.PriorityClassName == "system-node-critical",
		"its pod says why it does not run":  c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError,
		"it has a token of its own account": spec.ServiceAccountName == "inquest-agent",
	} {
		if !holds {
			t.Errorf("not so: %s", what)
		}
	}
	for _, m := range c.VolumeMounts {
		if writes := m.Name == "state" || m.Name == "tracing"; m.ReadOnly == writes {
			t.Errorf("%s is mounted read-only: %v", m.MountPath, m.ReadOnly)
		}
		if m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional {
			t.Errorf("what is mounted on %s is mounted on the node", m.MountPath)
		}
	}
}
