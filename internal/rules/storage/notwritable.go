// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotWritable recognises a process that ended because a volume is read-only or answers with errors.
var NotWritable = &diagnosis.Rule{
	ID:    "STO022",
	Title: "Volume is read-only or answers with errors",
	Doc: `
The process used a volume, and the kernel answered that it is read-only, that input or output failed, or that the server no longer
knows the file. Either the spec asks for a read-only mount, and the program writes there; or the file system was fine when it was
mounted, and the kernel made it read-only or gave up on it after errors of the device.

**How it is told from its look-alikes.** By the error at the end of the log, about a path below one of the container's mounts. A mount
with readOnly, and volumes made of ConfigMaps, Secrets and the like, are read-only by design, and the finding says so: nothing is
wrong with the storage then. A path outside all volumes is the container's own root, and no matter of storage. From the log alone
the finding is possible; with a record of the node's kernel about errors of a file system or device, likely.

**What to do.** Read-only by design: mount something writable where the program writes. Otherwise look at the kernel log of the node
and the health of the device, save the data, and let the pod start elsewhere.

The errors are EROFS, EIO and ESTALE of errno(3).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Logs | evidence.Host,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NetworkFailed, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c, ok := complains(p, "read-only file system", "erofs", "input/output error", "eio:", "stale file handle", "stale nfs file handle",
			"estale", "transport endpoint is not connected")
		if !ok {
			return
		}
		readOnly := strings.Contains(strings.ToLower(c.line), "read-only") || strings.Contains(c.line, "EROFS")
		what := c.what(p)
		if readOnly && (c.mount.ReadOnly || c.fixed()) {
			byDesign(p, &c, what)
			return
		}
		message := fmt.Sprintf("container %s ended because %s, mounted at %s, answers with errors", p.About().Container, what, c.mount.MountPath)
		if readOnly {
			message = fmt.Sprintf("container %s ended because %s, mounted at %s, has become read-only", p.About().Container, what, c.mount.MountPath)
		}
		f := c.finding(p, message)
		for _, fact := range p.Facts(evidence.Host, "io-error", "fs-error", "fs-readonly") {
			if !fact.At.After(c.at) {
				f.Confidence, f.Facts = diagnosis.Likely, append(f.Facts, fact)
			}
		}
		if c.NFS != nil {
			f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("See that server %s still exports %s, and start the pod anew: what it has open there is gone", c.NFS.Server, c.NFS.Path)}}
			p.Report(f)
			return
		}
		f.Fixes = []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look at the kernel log of node %s for errors of the device, and save the data", p.NodeName()),
			Command: fmt.Sprintf("kubectl debug node/%s -it --image=busybox -- dmesg", p.NodeName()),
		}}
		p.Report(f)
	},
}

// byDesign reports a write to what the spec makes read-only.
func byDesign(p *diagnosis.Pass, c *complaint, what string) {
	f := c.finding(p, fmt.Sprintf("container %s ended because it writes to %s, where %s is mounted read-only, as the spec has it", p.About().Container, c.mount.MountPath, what))
	fix := diagnosis.Fix{Title: "Mount a writable volume where the program writes: what is made of a ConfigMap, a Secret or the like can only be read"}
	if c.mount.ReadOnly {
		f.Confidence = diagnosis.Likely // the spec is a second fact
		f.Facts = append(f.Facts, p.CiteSpec(c.field+".readOnly", true))
		fix = diagnosis.Fix{
			Title: fmt.Sprintf("Mount %s at %s for writing", what, c.mount.MountPath), Risk: diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{"volumeMounts": []any{map[string]any{"mountPath": c.mount.MountPath, "name": c.mount.Name, "readOnly": false}}}),
		}
	}
	f.Fixes = []diagnosis.Fix{fix}
	p.Report(f)
}
