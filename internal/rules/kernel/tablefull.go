// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TableFull recognises a table of the network stack that has no room left.
var TableFull = &diagnosis.Rule{
	ID:    "KRN009",
	Title: "Kernel table of connections is full",
	Doc: `
The kernel keeps tables of all connections (conntrack), of neighbours (ARP, IPv6) and a budget of memory for sockets. When one is full
it drops what would need a new entry: connections fail at random on this node, with time-outs and not with refusals, DNS first
because each query is a connection of its own.

**How it is told from its look-alikes.** By the line that names the table. A refused connection is an answer and comes from the other side. A
NetworkPolicy drops always and not at random. The record "net_ratelimit: callbacks suppressed" near it only says that there were more lines.

**What to do.** Find who opens so many connections, and raise the limit: net.netfilter.nf_conntrack_max (kube-proxy sets it from its
conntrack settings), net.ipv4.neigh.default.gc_thresh1 to 3, net.ipv4.tcp_mem. "too many orphaned sockets" is about connections that no
process holds any more (net.ipv4.tcp_max_orphans), and mostly about peers that went away.

The lines are written in net/netfilter/nf_conntrack_core.c, net/core/neighbour.c and net/ipv4/tcp.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NetworkFailed,
	Run: func(p *diagnosis.Pass) {
		for _, t := range tables {
			facts := slices.DeleteFunc(records(p, t.sort), func(f evidence.Fact) bool { return !strings.Contains(f.Text, t.says) })
			if len(facts) == 0 {
				continue
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: few(facts),
				Message: fmt.Sprintf("%s of %s is full%s: the kernel drops %s", t.what, nodeName(p), times(facts), t.drops),
				Fixes: []diagnosis.Fix{
					onNode("Raise "+t.sysctl+", and find who fills it", "sysctl "+t.sysctl+"; "+t.look),
				},
			})
		}
	},
}

var tables = []struct{ sort, says, what, drops, sysctl, look string }{
	{"conntrack-full", "", "the connection tracking table (conntrack)", "packets of new connections", "net.netfilter.nf_conntrack_max", "conntrack -L -o extended | awk '{print $7}' | sort | uniq -c | sort -rn | head"},
	{"neighbour-full", "", "the neighbour table (ARP)", "packets to addresses that it does not know yet", "net.ipv4.neigh.default.gc_thresh3", "ip -s neigh | wc -l"},
	{"tcp-memory", "out of memory", "the memory for TCP sockets", "connections", "net.ipv4.tcp_mem", "ss -s"},
	{"tcp-memory", "orphaned", "the table of TCP connections without a process", "connections that were closed and not yet acknowledged", "net.ipv4.tcp_max_orphans", "ss -s"},
}
