// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"regexp"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// A cause is why the API server refuses.
type cause int

const (
	unknown cause = iota
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

// beingTerminated is how the API server refuses new things in a namespace that is being deleted (kubernetes apiserver
// pkg/admission/plugin/namespace/lifecycle/admission.go).
const beingTerminated = "because it is being terminated"

// causes tell the refusals apart. The first that matches counts: what a webhook or a policy says may hold any words.
var causes = []struct {
	words *regexp.Regexp
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
	{regexp.MustCompile(beingTerminated), namespaceEnds},
	{regexp.MustCompile(`(?s)" is invalid: `), invalid},
}

// cause returns why the API server refuses.
func (r refusal) cause(p *diagnosis.Pass) cause {
	for _, c := range causes {
		if !c.words.MatchString(r.said) {
			continue
		}
		if _, _, _, ok := aboveDefault(p, r.said); ok && c.cause == invalid {
			return outOfRange
		}
		return c.cause
	}
	return unknown
}
