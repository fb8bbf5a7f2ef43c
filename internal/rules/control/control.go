// SPDX-License-Identifier: Apache-2.0

// Package control holds the rules about the control plane: how fast API server and etcd answer, what they reject, who holds
// the leases of scheduler and controller manager, and what that does to nodes and controllers.
package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	EtcdSlow,
	APISlow,
	CheckFailed,
	Rejected,
	WebhookSlow,
	AggregatedDown,
	LeaderGone,
	LeadersChanged,
	NodesSilent,
	CertificateEnds,
	RequestsFail,
	EtcdFull,
}

// A mark is a pair of times of answer: below the first is normal, above the second abnormal.
type mark struct{ normal, abnormal time.Duration }

// The marks of a report on a control plane.
var (
	etcdMark = mark{10 * time.Millisecond, 100 * time.Millisecond}
	apiMark  = mark{25 * time.Millisecond, 200 * time.Millisecond}
)

// String words the marks for a message.
func (m mark) String() string {
	return fmt.Sprintf("normal below %s, abnormal above %s", m.normal, m.abnormal)
}

// measured returns the facts of that name.
func measured(p *diagnosis.Pass, names ...string) []evidence.Fact {
	return p.Facts(evidence.Control, names...)
}

// slow returns the measured mean where it is above the mark; of several the slowest.
func slow(p *diagnosis.Pass, name string, above time.Duration) (evidence.Fact, bool) {
	var worst evidence.Fact
	for _, f := range measured(p, name, name+"-overall") {
		if f.Value > worst.Value {
			worst = f
		}
	}
	return worst, worst.Value > above.Seconds()
}

// taken words a time of answer, and says how sure it makes a finding. Where too few requests came between two looks, the mean
// is over all that the server has had since it began, and says little of now.
func taken(f evidence.Fact) (string, diagnosis.Confidence) {
	if strings.HasSuffix(f.Name, "-overall") {
		return fmt.Sprintf("has taken %.3g ms in the mean since the API server began", f.Value*1000), diagnosis.Possible
	}
	return fmt.Sprintf("takes %.3g ms", f.Value*1000), diagnosis.Likely
}

// look is a fix that begins with a look.
func look(title, command string) []diagnosis.Fix {
	return []diagnosis.Fix{{Title: title, Command: command}}
}
