// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// A class is what is wrong with a call, as far as the log and the cluster tell.
type class uint8

const (
	nothing class = iota
	backendDown
	noPods
	selectorMismatch
	portMismatch
	noSuchService
	namesUnanswered
	policyDenies
	certificate
	credentials
	full
	unreached
	slow
	mesh
)

// A call is what a container's log says that it could not use, with what the cluster knows of it.
type call struct {
	signature.Dependency
	class   class
	block   signature.Block
	said    string           // the line that tells
	run     evidence.Attempt // whose log it is
	service *corev1.Service  // nil: it is none, or nobody looked
	meant   evidence.Ref     // the Service by the call's name
	slices  endpoints
	pods    []*corev1.Pod // those that the Service selects
}

// callOf reads the first call that the newest log of the pass's container complains about. A run that goes on counts only
// by what the cluster confirms and by what was said within the last minutes.
func callOf(p *diagnosis.Pass) call {
	return diagnosis.Memo(p, "dependency", func() call { return readCall(p) })
}

func readCall(p *diagnosis.Pass) call {
	var c call
	run, log := complaining(p)
	c.run = run
	block, _ := signature.Find(log.Text)
	if c.run.Expected != "" {
		return c
	}
	c.block, c.said = block, block.Headline
	if !c.run.Ended() && !block.At.IsZero() && p.Now().Sub(block.At) > fresh {
		return c
	}
	if leases.MatchString(block.Headline) {
		return c // who gave up a lease has a rule that looks at the API server
	}
	c.class = c.bySaying()
	if deps := signature.Dependencies(block); len(deps) > 0 {
		c.Dependency = deps[0]
		c.line()
		c.find(p)
		if c.class == nothing && !slices.Contains(answered, c.Problem) {
			c.class = c.byCluster(p)
		}
	}
	if !c.run.Ended() && !slices.Contains(confirmed, c.class) {
		c.class = nothing
	}
	return c
}

// complaining returns the run whose log is read, and that: the last that has one. Where that run goes on, and complains of what the one
// before ended of a moment ago, it is that one: of the same this one will end.
func complaining(p *diagnosis.Pass) (evidence.Attempt, evidence.Log) {
	log, runs := p.Log(), p.Attempts()
	i := slices.IndexFunc(runs, func(a evidence.Attempt) bool { return a.Of == log.Of })
	if i < 0 {
		return evidence.Attempt{}, log
	}
	if i > 0 && !runs[i].Ended() {
		before, earlier := runs[i-1], p.LogOf(runs[i-1])
		recent := before.Ended() && before.Expected == "" && p.Now().Sub(before.Finished) <= atOnce
		if recent && target(earlier) != "" && target(earlier) == target(log) {
			return before, earlier
		}
	}
	return runs[i], log
}

// target returns what a log complains of first that it could not use; empty for nothing.
func target(log evidence.Log) string {
	block, _ := signature.Find(log.Text)
	if deps := signature.Dependencies(block); len(deps) > 0 {
		return deps[0].Target
	}
	return ""
}

// atOnce is how long ago a run ended that one which goes on is hardly another than: the first restart comes at once.
const atOnce = time.Minute

// fresh is how old a complaint of a running container may be to be about now.
const fresh = 10 * time.Minute

// answered are the problems of calls that were answered: neither the Service nor the network is to blame for them.
var answered = []string{signature.TLS, signature.Auth}

// confirmed are the classes that the cluster's objects show, and not the log alone.
var confirmed = []class{backendDown, noPods, selectorMismatch, portMismatch, noSuchService, policyDenies}

// line finds the line of the block that names the target.
func (c *call) line() {
	host, _ := c.Host()
	for _, line := range append([]string{c.block.Headline}, c.block.Lines...) {
		if strings.Contains(line, host) {
			c.said = strings.TrimSpace(line)
			return
		}
	}
}

// bySaying finds the class of what only words can tell.
func (c *call) bySaying() class {
	for _, line := range append([]string{c.block.Headline}, c.block.Lines...) {
		low := strings.ToLower(line)
		for i, s := range sayings {
			if signature.MayMatch(needed()[i], low) && s.says.MatchString(low) && (s.not == nil || !s.not.MatchString(low)) {
				c.said = strings.TrimSpace(line)
				return s.class
			}
		}
	}
	for _, h := range signature.Hits(c.block.Headline) {
		if class := problems[h.Signature.Problem]; class != nothing {
			return class
		}
	}
	return nothing
}

// problems are the classes of what the catalogue of signatures knows, by problem.
var problems = map[string]class{"credentials": credentials, "tls": certificate, "limits-connections": full}
