// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A cause is why the API server refuses.
type cause int

const (
	none cause = iota
	unknown
	webhookFailed
	denied
	quota
	unspecified
	outOfRange
	insecure
	account
	priority
	runtimeClass
	namespaceEnds
	invalid
)

// causes tell the refusals apart, before those that find the pod invalid. The first that matches counts: what a webhook or a
// policy says may hold any words.
var causes = []struct {
	words *regex.Expr
	cause cause
}{
	{callFailed, webhookFailed},
	{deniedBy, denied},
	{policyDenied, denied},
	{exceeded, quota},
	{scoped, quota},
	{mustSpecify, unspecified},
	{bound, outOfRange},
	{ratio, outOfRange},
	{violates, insecure},
	{noProvider, insecure},
	{noAccount, account},
	{noPriority, priority},
	{noRuntime, runtimeClass},
	{regex.New("because it is being terminated"), namespaceEnds},
}

// cause returns why the API server refuses.
func (r refusal) cause(p *diagnosis.Pass) cause {
	for _, c := range causes {
		if c.words.MatchString(r.said) {
			return c.cause
		}
	}
	_, _, _, filled := aboveDefault(p, r.said)
	switch {
	case filled:
		return outOfRange
	case isInvalid.MatchString(r.said):
		return invalid
	}
	return unknown
}
