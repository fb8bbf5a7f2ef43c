// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// The labels by which a namespace says which level its pods must keep, and as which version of Kubernetes has it
// (https://kubernetes.io/docs/concepts/security/pod-security-admission/).
const (
	enforceLabel = "pod-security.kubernetes.io/enforce"
	versionLabel = "pod-security.kubernetes.io/enforce-version"
)

// oldestLevels is the minor version from which on the levels demand all that is looked at here, but for what says itself since when.
const oldestLevels = 23

// NamespaceRefuses recognises a pod that its own namespace does not let in.
var NamespaceRefuses = &diagnosis.Rule{
	ID:    "SEC107",
	Title: "Pod is refused by the level of its namespace",
	Doc: `
The Namespace among the manifests has the label pod-security.kubernetes.io/enforce, and the pod asks for what that level of the Pod Security Standards
forbids. The API server refuses the pod. A Deployment or another controller is taken, makes no pod, and says so only in an Event.

**How it is told from its look-alikes.** Each field is held against the standard as Kubernetes 1.37 has it
(https://kubernetes.io/docs/concepts/security/pod-security-standards/). Where enforce-version names an older one, what that forbids beyond is not told;
before v1.23 nothing is. The labels warn and audit refuse nothing. What an administrator has exempted in the configuration of the API server (namespaces
as kube-system, users, runtime classes) is in no manifest, and is not known here.

**What to do.** Take the setting away, or run the pod in a namespace that allows it.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			ns, ok := diagnosis.Get[*corev1.Namespace](p, "", pod.Namespace)
			if !ok {
				continue
			}
			level := ns.Labels[enforceLabel]
			broken := refused(pod, level, ns.Labels[versionLabel])
			if len(broken) == 0 {
				continue
			}
			first, more := broken[0], ""
			if len(broken) > 1 {
				more = fmt.Sprintf(", and %d more", len(broken)-1)
			}
			p.Report(diagnosis.Finding{
				About: evidence.RefOf(pod), Confidence: diagnosis.Possible,
				Message: fmt.Sprintf("namespace %s enforces the %s level, by which the API server refuses %s: %s%s", ns.Name, level, made(pod), first.text, more),
				Facts: []evidence.Fact{
					{Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pod), Where: first.field, Text: first.text},
					{Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(ns), Where: "metadata.labels[" + enforceLabel + "]", Text: level},
				},
				Fixes: []diagnosis.Fix{{Title: first.fix, Risk: diagnosis.Restart}},
			})
		}
	},
}

// refused returns what of a pod a level forbids, as a version of Kubernetes has it. Of a level or a version that there is not the API server takes
// no label.
func refused(pod *corev1.Pod, level, version string) []violation {
	minor, named := strings.CutPrefix(version, "v1.")
	since, err := strconv.Atoi(minor)
	latest := version == "" || version == "latest"
	if !latest && (!named || err != nil || since < oldestLevels) {
		return nil
	}
	var list []violation
	switch level {
	case "baseline":
		list = belowBaseline(&pod.ObjectMeta, &pod.Spec)
	case "restricted":
		list = append(belowBaseline(&pod.ObjectMeta, &pod.Spec), belowRestricted(&pod.Spec)...)
	}
	return slices.DeleteFunc(list, func(v violation) bool { return !latest && v.since > since })
}

// made says whose pod it is.
func made(pod *corev1.Pod) string {
	if c := metav1.GetControllerOfNoCopy(pod); c != nil {
		return "the pods of " + evidence.RefTo(c.Kind, pod.Namespace, c.Name).String()
	}
	return evidence.RefOf(pod).String()
}
