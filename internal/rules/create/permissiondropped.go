// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// PermissionDropped recognises a process that fails at something that takes a capability which its spec drops.
var PermissionDropped = &diagnosis.Rule{
	ID:    "CRT016",
	Title: "Process lacks a capability that its container gave up",
	Doc: `
The container drops capabilities, or may not gain privileges, and its process ends soon after it began with "operation
not permitted" in its log: changing owner or user at start (chown, setuid, su-exec, gosu), binding a port below 1024,
setting a limit, mounting. Images that begin as root and step down need some of what "drop: ALL" takes.

**How it is told from its look-alikes.** The error in the log is EPERM, "operation not permitted"; EACCES, "permission
denied", is about owners and modes of files, and a capability only hides it. The spec drops ALL or the like, and the
process ended by itself within its first minute. A log line alone proves little, so the finding is never certain.

**What to do.** Add back the one capability that the message speaks of (CHOWN, SETUID and SETGID, NET_BIND_SERVICE), or
use an image that runs as its user from the start.

The capabilities and what needs them are in capabilities(7).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Spec | evidence.Status | evidence.Logs,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a, c := p.Attempt(), p.Spec()
		if c == nil || a.Reason != "Error" || a.Finished.Sub(a.Started) > early {
			return
		}
		line := notPermitted.FindString(p.Log().Text)
		name, need := needed(line)
		dropped := drops(c, name)
		if line == "" || len(dropped) == 0 {
			return
		}
		fix := diagnosis.Fix{Title: fmt.Sprintf("Let container %s have the capability that the failed call takes, or use an image that starts as its user", c.Name)}
		if name != "" {
			fix.Title = fmt.Sprintf("Add capability %s to container %s, or use an image that does not need it", name, c.Name)
			fix.Patch = p.PatchContainer(map[string]any{"securityContext": map[string]any{"capabilities": map[string]any{"add": append(names(c.SecurityContext.Capabilities.Add), name)}}})
			if fix.Patch != nil {
				fix.Risk = diagnosis.Restart
			}
		}
		sure := diagnosis.Likely
		if name == "" {
			sure = diagnosis.Possible
		}
		p.Report(diagnosis.Finding{
			At: a.Finished, Confidence: sure,
			Facts:   []evidence.Fact{a.LineFact(untimed(line), a.Finished), a.Fact(), p.CiteSpec("securityContext.capabilities.drop", dropped)},
			Message: fmt.Sprintf("container %s %s, which takes a capability that it drops", c.Name, need),
			Fixes:   []diagnosis.Fix{fix},
		})
	},
}

// early is how soon a process ends that lacks a capability it begins with.
const early = time.Minute

var notPermitted = regex.New(`(?im)^.*operation not permitted.*$`)

// untimed returns the line without the time that the runtime put before it.
func untimed(line string) string {
	_, text := signature.Parse(line)
	return text
}

// drops returns the capabilities that the container gives up, if the one that is needed is among them and not taken
// back; where nobody knows which is needed, any.
func drops(c *corev1.Container, need string) []corev1.Capability {
	if c.SecurityContext == nil || c.SecurityContext.Capabilities == nil {
		return nil
	}
	names := func(list []corev1.Capability, also string) bool {
		return slices.ContainsFunc(list, func(name corev1.Capability) bool {
			short := strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_")
			return short == need || short == also
		})
	}
	caps := c.SecurityContext.Capabilities
	if names(caps.Add, "ALL") || need != "" && !names(caps.Drop, "ALL") {
		return nil
	}
	return caps.Drop
}

func names(list []corev1.Capability) (out []any) {
	for _, c := range list {
		out = append(out, string(c))
	}
	return out
}

// needed tells from the line which capability the call takes, and what the process tried.
func needed(line string) (capability, tried string) {
	lower := strings.ToLower(line)
	for _, n := range []struct{ part, capability, tried string }{
		{"chown", "CHOWN", "may not change the owner of a file"},
		{"setgid", "SETGID", "may not change its group"},
		{"setgroups", "SETGID", "may not change its groups"},
		{"initgroups", "SETGID", "may not change its groups"},
		{"setuid", "SETUID", "may not change its user"},
		{"bind", "NET_BIND_SERVICE", "may not listen on a port below 1024"},
		{"chroot", "SYS_CHROOT", "may not change its root directory"},
		{"mount", "SYS_ADMIN", "may not mount"},
		{"nice", "SYS_NICE", "may not raise its priority"},
		{"chmod", "FOWNER", "may not change the mode of a file"},
	} {
		if strings.Contains(lower, n.part) {
			return n.capability, n.tried
		}
	}
	return "", "is refused an operation by the kernel"
}
