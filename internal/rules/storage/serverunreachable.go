// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ServerUnreachable recognises a volume on a network file system that its server does not give.
var ServerUnreachable = &diagnosis.Rule{
	ID:    "STO013",
	Title: "Network file system cannot be mounted",
	Doc: `
The volume is on a server (NFS, SMB, Ceph, Gluster), and mount(8) on the node fails. What it says tells apart: the server is
not reached (refused, timed out, no route, unknown name), it refuses (access denied, the path is not exported), or the node
lacks the program that mounts such a file system.

**How it is told from its look-alikes.** By mount's own words after the arguments in the kubelet's FailedMount Event. Only a
time-out, without them, may be anything that is slow. A local disk has no server, and its errors name a device.

**What to do.** As the finding says: the server and the way to it, its export list, or the client package on the node. A pod
that uses such a volume hangs in the kernel when the server goes away later.

The Event is written by kubernetes mount-utils (mount_linux.go); the words are those of mount.nfs(8), mount.cifs(8) and mount(8).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: append([]diagnosis.Effect{diagnosis.NameUnresolved, diagnosis.DependencyDown}, causes...),
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, unserved) {
			why, fix := refusal(f.Message)
			server := captured(source, f.Message, "its server")
			f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted from %s: %s", f.name(p), p.About().Name, server, why),
				diagnosis.Fix{Title: fix, Command: describe(p)})
		}
	},
}

// source is what is mounted: server and path in the arguments of mount(8).
var source = regex.New(`-t (?:nfs4?|cifs|ceph|glusterfs|efs) (?:-o \S+ )?([^ -]\S*)`)

// refusals are the words of mount(8) and its helpers, with what they mean and what helps.
var refusals = []struct{ part, why, fix string }{
	{"you might need a /sbin/mount", "the node has no program to mount it", "Install the client on the node: nfs-common, nfs-utils or cifs-utils"},
	{"unknown filesystem type", "the node has no program to mount it", "Install the client on the node: nfs-common, nfs-utils or cifs-utils"},
	{"Connection refused", "the connection was refused", "See that the server runs and exports to this port, and what is between it and the node"},
	{"timed out", "the server did not answer", "See that the server runs and that nothing between it and the node drops packets"},
	{"No route to host", "there is no route to the server", "Correct the server's address, or the route to it"},
	{"unreachable", "there is no route to the server", "Correct the server's address, or the route to it"},
	{"Name or service not known", "the node cannot resolve the server's name", "Name the server by its address: a node does not use the cluster's DNS"},
	{"could not resolve address", "the node cannot resolve the server's name", "Name the server by its address: a node does not use the cluster's DNS"},
	{"check that your file system ID is correct", "the node cannot resolve the name of the file system", "Correct the id of the file system, and see that it has a mount target in the node's zone"},
	{"Failed to resolve server", "the node cannot resolve the server's name", "Name the server by its address: a node does not use the cluster's DNS"},
	{"access denied", "the server denies access", "Add the node to the export list of the server, or correct the credentials"},
	{"Permission denied", "the server denies access", "Add the node to the export list of the server, or correct the credentials"},
	{"permission denied", "the server denies access", "Add the node to the export list of the server, or correct the credentials"},
	{"Operation not permitted", "the server denies access", "Add the node to the export list of the server, or correct the credentials"},
	{"No such file or directory", "the server does not export that path", "Correct the path, or export it on the server"},
	{"Protocol not supported", "server and node have no version of the protocol in common", "Set a version that the server speaks in mountOptions, as nfsvers=4.1"},
}

func refusal(message string) (why, fix string) {
	_, output, _ := strings.Cut(message, "Output:")
	output = cmp.Or(strings.TrimSpace(output), after(message))
	for _, r := range refusals {
		if strings.Contains(output, r.part) {
			return r.why, r.fix
		}
	}
	return reason(output), "Mend what mount complains about; the kubelet tries again by itself"
}
