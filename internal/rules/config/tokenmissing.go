// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// TokenMissing recognises a program that looks for a token that its pod does not mount.
var TokenMissing = &diagnosis.Rule{
	ID:    "CFG012",
	Title: "Service account token is not mounted",
	Doc: `
The program talks to the API server and reads its token from the usual file, and the pod does not mount one:
automounting is switched off in the pod or in its service account (good practice for programs that need no API), or a
projected volume covers the directory. It ends at once, or goes on without rights.

**How it is told from its look-alikes.** The log says that the token's file is missing, and the spec shows no mount at
that directory: two facts that agree, so the finding is likely. A token that is there and not accepted gives 401
(expired, or for another audience), one without rights 403 and "is forbidden".

**What to do.** Mount it for this pod (automountServiceAccountToken: true), and give its service account only the rights
it needs.

The path is fixed in kubernetes plugin/pkg/admission/serviceaccount/admission.go (DefaultAPITokenMountPath).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Spec | evidence.Status | evidence.Logs,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a, c := p.Attempt(), p.Spec()
		line := tokenWords.FindString(p.Log().Text)
		if line == "" || a.ExitCode == 0 || slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(tokenPath, m.MountPath) }) {
			return
		}
		f := diagnosis.Finding{At: a.Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{a.LineFact(untimed(line), a.Finished), a.Fact()}}
		spec := p.PodSpec()
		f.Message = fmt.Sprintf("container %s looks for its service account token, and pod %s does not mount one", c.Name, a.Of.Name)
		if v := spec.AutomountServiceAccountToken; v != nil && !*v {
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: a.Of.Object(), Where: "spec.automountServiceAccountToken", Text: "automountServiceAccountToken false",
			})
		} else if sa, ok := diagnosis.Get[*corev1.ServiceAccount](p, a.Of.Namespace, spec.ServiceAccountName); ok && sa.AutomountServiceAccountToken != nil && !*sa.AutomountServiceAccountToken {
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(sa), Where: "automountServiceAccountToken", Text: "automountServiceAccountToken false",
			})
		}
		f.Fixes = []diagnosis.Fix{patched("Mount the service account token in this pod", p.PatchPodSpec(map[string]any{"automountServiceAccountToken": true}))}
		p.Report(f)
	},
}

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token"

var tokenWords = regex.New(`(?im)^.*/var/run/secrets/kubernetes\.io/serviceaccount/?(token)?\S*:? .*no such file or directory.*$`)
