// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// ofEnvironment is the name of the fact by which a node's agent tells what the environment of a run tells its runtime.
const ofEnvironment = "settings"

// settingsOf is what the environment of the latest run of a container of a pod tells its runtime, but for what the pod itself sets: the manifest may
// have another value by now.
func settingsOf(s *evidence.Snapshot, pod *corev1.Pod, of evidence.Ref) []string {
	facts := s.FactsOn(of, func(f *evidence.Fact) bool {
		return f.Name == ofEnvironment && f.About.InAttempt(evidence.NoAttempt) == of
	})
	if len(facts) == 0 {
		return nil
	}
	latest := slices.MaxFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	spec := evidence.ContainerSpec(pod, of.Container)
	var list []string
	for word := range strings.FieldsSeq(latest.Text) {
		switch {
		case strings.HasPrefix(word, "-") && len(list) > 0: // another flag of a variable
			list[len(list)-1] += " " + word
		case strings.Contains(word, "="):
			list = append(list, word)
		}
	}
	list = slices.DeleteFunc(list, func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		return spec != nil && variable(spec, name) != ""
	})
	if len(list) == 0 {
		return []string{record.NoSettings}
	}
	return list
}

// told is the container with the variables that its image has, or that the manifest takes from elsewhere, as far as they are known.
func (o *Subject) told() *corev1.Container {
	c := o.Spec
	for _, setting := range o.Settings {
		name, value, ok := strings.Cut(setting, "=")
		if ok && variable(&o.Spec, name) == "" {
			c.Env = append(slices.DeleteFunc(slices.Clone(c.Env), func(v corev1.EnvVar) bool { return v.Name == name }), corev1.EnvVar{Name: name, Value: value})
		}
	}
	return &c
}

// A silence is who says nothing of a heap or threads, in words, and who may yet.
type silence struct{ gives, lacks, unless string }

func (o *Subject) silent() silence {
	if len(o.Settings) > 0 {
		return silence{"its manifest and its image give", "its manifest and its image do not", "unless its program does"}
	}
	return silence{"its manifest gives", "its manifest does not", "unless its image does, which was not checked, or its program"}
}
