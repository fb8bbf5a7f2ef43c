// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
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
	Also:     evidence.Events | evidence.Logs | evidence.Spec,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.VolumeFailed),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != fileDenied {
			return
		}
		low := strings.ToLower(e.said)
		facts := identity(p)
		var f diagnosis.Finding
		switch {
		case asRoot.MatchString(low):
			f = e.finding(p, "it refuses to run as the user that it was given: "+e.said,
				diagnosis.Fix{Title: "Set runAsUser to the user that the image is made for", Risk: diagnosis.Restart})
		case strings.Contains(low, "read-only") || strings.Contains(low, "erofs") || strings.Contains(low, "readonly"):
			f = e.finding(p, "it writes where the file system is read-only: "+e.said,
				diagnosis.Fix{Title: "Mount an emptyDir or another volume where it writes; readOnlyRootFilesystem can stay"})
		case strings.Contains(low, "bind") || strings.Contains(low, "listen"):
			f = e.finding(p, "it may not listen on its port: "+e.said,
				diagnosis.Fix{Title: "Listen on a port from 1024 up, or add the capability NET_BIND_SERVICE"})
		default:
			f = e.finding(p, "its user may not use a file: "+e.said,
				diagnosis.Fix{Title: "Set fsGroup or runAsUser so that the file belongs to it, or correct the owner in the image or volume"})
		}
		f.Facts = append(f.Facts, facts...)
		p.Report(f)
	},
}

var asRoot = regexp.MustCompile(`as (?:the )?(?:user )?["']?root|"root" execution|non-root|unprivileged user`)

// identity cites what the spec says about the user and the file system of the container.
func identity(p *diagnosis.Pass) []evidence.Fact {
	var facts []evidence.Fact
	add := func(where string, value any) {
		facts = append(facts, p.CiteSpec("securityContext."+where, value))
	}
	if c := p.Spec(); c != nil && c.SecurityContext != nil {
		if v := c.SecurityContext.RunAsUser; v != nil {
			add("runAsUser", *v)
		}
		if v := c.SecurityContext.ReadOnlyRootFilesystem; v != nil {
			add("readOnlyRootFilesystem", *v)
		}
	}
	if s := p.PodSpec().SecurityContext; s != nil {
		of := p.About().Object()
		cite := func(name string, v *int64) {
			if v != nil {
				facts = append(facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: of, Where: "spec.securityContext." + name, Text: fmt.Sprintf("%s %d", name, *v),
				})
			}
		}
		if len(facts) == 0 { // the container's own counts before the pod's
			cite("runAsUser", s.RunAsUser)
		}
		cite("fsGroup", s.FSGroup)
	}
	return facts
}
