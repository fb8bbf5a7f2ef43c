// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// hostNamed finds the name of the machine in lines of syslog and the journal.
var hostNamed = regexp.MustCompile(`(?m)^(?:[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) ([a-zA-Z0-9][a-zA-Z0-9.-]*) (?:kernel|kubelet|containerd|systemd|dockerd|crio)(?:\[\d+\])?:`)

// placeHosts reads the logs of nodes. A node that nothing else tells of is added without a status, so that there is
// something that the log is of.
func (g *gathering) placeHosts(s *evidence.Snapshot) {
	for _, h := range g.hosts {
		node := g.nodeOf(h)
		facts := ParseHostLog(h.text, node, s.Taken)
		for i := range facts {
			facts[i].Text, _ = Redact(facts[i].Text)
		}
		s.Facts = append(s.Facts, facts...)
		s.Has |= evidence.Host | evidence.Node // rules about a node look at its log, too
		if ref := evidence.RefTo("Node", "", node); g.held[ref] == nil {
			g.hold(found{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, guessed, 0})
		}
	}
}

// asHostLogs takes logs for those of a node where there is nothing else and they tell of one: an excerpt need not look
// like one.
func (g *gathering) asHostLogs(now time.Time) bool {
	for _, l := range g.logs {
		if len(ParseHostLog(l.text, "node", now)) > 0 {
			g.hosts = append(g.hosts, hostText{l.name, l.text})
		}
	}
	if len(g.hosts) > 0 {
		g.logs = nil
	}
	return len(g.hosts) > 0
}

// nodeOf finds the node that a log is of: by the name of the file, by what its lines say, else the only one.
func (g *gathering) nodeOf(h hostText) string {
	var nodes []string
	for _, held := range g.inOrder() {
		if o, ok := held.object.(*corev1.Node); ok {
			nodes = append(nodes, o.Name)
		}
	}
	for _, name := range nodes {
		if strings.Contains(h.name, name) {
			return name
		}
	}
	if m := hostNamed.FindStringSubmatch(h.text); m != nil && isName(strings.ToLower(m[1])) {
		said := strings.ToLower(m[1])
		for _, name := range nodes {
			if name == said || strings.HasPrefix(name, said+".") {
				return name
			}
		}
		if len(nodes) != 1 {
			return said
		}
	}
	if len(nodes) > 0 {
		return nodes[0]
	}
	return "node"
}
