// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Denied recognises what a security module of the kernel forbade.
var Denied = &diagnosis.Rule{
	ID:    "KRN014",
	Title: "AppArmor, SELinux or seccomp denied an operation",
	Doc: `
A security module of the kernel forbade something to a process: AppArmor by the profile of the container, SELinux by its label, seccomp by the filter of system
calls. The process sees EACCES or EPERM although users and modes of files allow it, or is killed with SIGSYS.

**How it is told from its look-alikes.** By the audit record: apparmor="DENIED", "avc: denied", or type 1326 for seccomp. apparmor="ALLOWED" and
permissive=1 are records of what would have been denied, and nothing was; so is a seccomp record with code=0x7ffc0000 (SECCOMP_RET_LOG), as a
profile that only logs makes them. EACCES without a record is a matter of users, groups and modes, EROFS of a read-only
mount.

**What to do.** The record names process, operation and target. Where it is meant to be allowed, change the pod's appArmorProfile, seLinuxOptions or
seccompProfile, or relabel the volume; do not turn the module off.

The records are written in security/apparmor/audit.c, security/selinux/avc.c and kernel/auditsc.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.ProcessFailed,
	Run: func(p *diagnosis.Pass) {
		for _, module := range modules {
			var facts []evidence.Fact
			for _, f := range records(p, module.sort) {
				if !allowed.MatchString(f.Text) {
					facts = append(facts, f)
				}
			}
			if len(facts) == 0 {
				continue
			}
			who := ""
			if names := distinct(facts, auditedProcess); len(names) > 0 {
				who = " to process " + strings.Join(names, ", ")
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: few(facts),
				Message: fmt.Sprintf("%s of %s denied an operation%s%s", module.name, nodeName(p), who, times(facts)),
				Fixes:   []diagnosis.Fix{onNode("Allow it in the pod's "+module.field+" if it is meant to be allowed", "")},
			})
		}
	},
}

var modules = []struct{ sort, name, field string }{
	{"apparmor", "AppArmor", "securityContext.appArmorProfile"},
	{"selinux", "SELinux", "securityContext.seLinuxOptions"},
	{"seccomp", "seccomp", "securityContext.seccompProfile"},
}

// allowed marks the records of what was not denied (include/uapi/linux/seccomp.h has the code).
var allowed = regex.New(`permissive=1|code=0x7ffc0000`)

var comm = regex.New(`comm="([^"]+)"`)

func auditedProcess(f evidence.Fact) string { return matched(comm, f) }
