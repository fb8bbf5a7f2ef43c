// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/regex"
)

// hostNamed finds the name of the machine in lines of syslog and the journal.
var hostNamed = regex.New(`(?m)^(?:[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) ([a-zA-Z0-9][a-zA-Z0-9.-]*) (?:kernel|kubelet|containerd|systemd|dockerd|crio)(?:\[\d+\])?:`)

// placeHosts reads the logs of nodes. A node that nothing else tells of is added without a status, so that there is
// something that the log is of.
func (g *gathering) placeHosts(s *evidence.Snapshot) {
	for _, h := range g.hosts {
		node := g.nodeOf(h)
		facts := hostFacts(h.text, node, s.Taken)
		for i := range facts {
			if !hostlog.Formed(h.text) { // anybody could have printed it
				facts[i].Source = evidence.FromLog
			}
		}
		s.Facts = append(s.Facts, facts...)
		s.Has |= evidence.Host | evidence.Node // rules about a node look at its log, too
		if ref := evidence.RefTo("Node", "", node); g.held[ref] == nil {
			g.hold(found{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, guessed, 0})
		}
	}
}

// asHostLogs takes logs for those of a node where there is nothing else and they look like it.
func (g *gathering) asHostLogs() bool {
	g.logs = slices.DeleteFunc(g.logs, func(l pendingLog) bool {
		is := hostlog.Recognise(l.text)
		if is {
			g.hosts = append(g.hosts, hostText{l.name, l.text})
		}
		return is
	})
	return len(g.hosts) > 0
}

// ofNodes is how files of a node's log are named.
var ofNodes = regex.New(`(?i)dmesg|kern|kubelet|containerd|crio|docker|journal|messages|syslog|node`)

// podsWords takes back what was taken for logs of nodes and is named after a pod: a container can print whatever it likes.
func (g *gathering) podsWords(pods []*corev1.Pod) {
	a := newAttributor(pods, nil)
	g.hosts = slices.DeleteFunc(g.hosts, func(h hostText) bool {
		pod := a.named(h.name)
		if pod == nil || ofNodes.MatchString(strings.ReplaceAll(h.name, pod.Name, "")) {
			return false
		}
		end := &tail{max: int(g.logBytes)}
		_, _ = end.Write([]byte(h.text)) // it cannot fail
		text, _ := end.text()
		g.logs = append(g.logs, pendingLog{name: h.name, previous: previousName.MatchString(h.name), text: text})
		return true
	})
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
