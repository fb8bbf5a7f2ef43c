// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// FileDenied recognises a program that ends because the file system or its user id does not let it work.
var FileDenied = &diagnosis.Rule{
	ID:    "EXT013",
	Title: "Program may not use its files or its user id",
	Doc: `
The program met EROFS, EACCES or EPERM: the root file system is read-only, the user that it runs as may not read or write a file, a
port below 1024 is not for it, or it refuses to run as the user that it was given (servers such as PostgreSQL refuse to be root).

**How it is told from its look-alikes.** By the words, with what the spec says about the user and the file system. A command that
cannot be executed at all, exit code 126 of a shell or an error of the runtime, is another rule's; so is a database that denies a
table, and a permission of the Kubernetes API. "no such file or directory" is a matter of paths.

**What to do.** Mount a volume where it writes instead of opening the root file system; set fsGroup so that volumes belong to
its group; set runAsUser to the user that the image is made for.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.VolumeFailed),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != fileDenied {
			return
		}
		refused := denialOf(e.said)
		f := e.finding(p, refused.why+": "+e.said, diagnosis.Fix{Title: refused.fix, Risk: refused.risk})
		f.Facts = append(f.Facts, identity(p)...)
		p.Report(f)
	},
}

// A denial is what a program was not allowed, by the words that it has for it.
type denial struct {
	says     *regex.Expr
	why, fix string
	risk     diagnosis.Risk
}

// denials in the order in which they count; the last one is what is left.
var denials = []denial{
	{regex.New(`(?i)as (?:the )?(?:user )?["']?root|"root" execution|non-root|unprivileged user`),
		"it refuses to run as the user that it was given", "Set runAsUser to the user that the image is made for", diagnosis.Restart},
	{regex.New(`(?i)read-?only|erofs`),
		"it writes where the file system is read-only", "Mount an emptyDir or another volume where it writes; readOnlyRootFilesystem can stay", diagnosis.Advice},
	{regex.New(`(?i)bind|listen`),
		"it may not listen on its port", "Listen on a port from 1024 up, or add the capability NET_BIND_SERVICE", diagnosis.Advice},
	{regex.New(``),
		"its user may not use a file", "Set fsGroup or runAsUser so that the file belongs to it, or correct the owner in the image or volume", diagnosis.Advice},
}

func denialOf(said string) denial {
	return denials[slices.IndexFunc(denials, func(d denial) bool { return d.says.MatchString(said) })]
}

// identity cites what the spec says about the user and the file system of the container.
func identity(p *diagnosis.Pass) []evidence.Fact {
	var facts []evidence.Fact
	add := func(where string, value any) {
		facts = append(facts, p.CiteSpec("securityContext."+where, value))
	}
	own := cmp.Or(specOf(p).SecurityContext, &corev1.SecurityContext{})
	if v := own.ReadOnlyRootFilesystem; v != nil {
		add("readOnlyRootFilesystem", *v)
	}
	s := cmp.Or(p.PodSpec().SecurityContext, &corev1.PodSecurityContext{})
	of := p.About().Object()
	cite := func(name string, v *int64) {
		if v != nil {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: of, Where: "spec.securityContext." + name, Text: fmt.Sprintf("%s %d", name, *v),
			})
		}
	}
	if v := own.RunAsUser; v != nil { // which counts before the pod's
		add("runAsUser", *v)
	} else {
		cite("runAsUser", s.RunAsUser)
	}
	cite("fsGroup", s.FSGroup)
	return facts
}
