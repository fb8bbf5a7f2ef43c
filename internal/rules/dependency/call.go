// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
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
	var c call
	log := p.Log()
	if i := slices.IndexFunc(p.Attempts(), func(a evidence.Attempt) bool { return a.Of == log.Of }); i >= 0 {
		c.run = p.Attempts()[i]
	}
	block, found := signature.Find(log.Text)
	if c.run.Of.Container == "" || c.run.Expected != "" || !found || c.run.Ended() && c.run.ExitCode == 0 && c.run.Init {
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
		if c.class == nothing {
			c.class = c.byCluster(p)
		}
	}
	if !c.run.Ended() && !slices.Contains(confirmed, c.class) {
		c.class = nothing
	}
	return c
}

// fresh is how old a complaint of a running container may be to be about now.
const fresh = 10 * time.Minute

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
		for _, s := range sayings {
			if s.says.MatchString(low) && (s.not == nil || !s.not.MatchString(low)) {
				c.said = strings.TrimSpace(line)
				return s.class
			}
		}
	}
	return nothing
}

// byCluster finds the class by the Service, its endpoints, its pods and the network policies.
func (c *call) byCluster(p *diagnosis.Pass) class {
	host, port := c.Host()
	_, known := c.Services(c.run.Of.Namespace)
	switch {
	case meshWaits(p, c, host):
		return mesh
	case port == "53", c.service != nil && c.Problem == signature.NoSuchHost:
		return namesUnanswered
	case c.Problem == signature.NoSuchHost && p.Absent(c.meant) && c.meant.Kind != "":
		return noSuchService
	case c.Problem == signature.NoSuchHost && known:
		return namesUnanswered
	case c.service == nil, c.service.Spec.Type == corev1.ServiceTypeExternalName, host == "localhost":
		return unreached
	}
	c.slices = endpointsOf(p, c.service)
	c.pods = selected(p, c.service)
	return c.byService(p, port)
}

func (c *call) byService(p *diagnosis.Pass, port string) class {
	switch {
	case port != "" && c.service.Spec.ClusterIP != corev1.ClusterIPNone && !hasPort(c.service, port):
		return portMismatch
	case len(c.service.Spec.Selector) > 0 && c.slices.known && c.slices.all == 0 && len(c.pods) == 0:
		if near, _ := nearest(p, c.service); near != nil {
			return selectorMismatch
		}
		return noPods
	case c.slices.known && c.slices.ready == 0, !c.slices.known && len(c.pods) > 0 && !anyReady(c.pods), c.crashing(p):
		return backendDown
	}
	if _, denies := denial(p, c, port); denies {
		return policyDenies
	}
	switch {
	case c.Problem == signature.Refused && wrongTarget(c.service, c.pods, port) != "":
		return portMismatch
	case c.Problem == signature.TimeOut || c.Problem == signature.Unreachable:
		return slow
	}
	return unreached
}

// crashing tells whether every pod behind the Service had ended shortly before the call failed or after it: ready for a
// moment now, and down at the next.
func (c *call) crashing(p *diagnosis.Pass) bool {
	since := p.Now()
	if c.run.Ended() {
		since = c.run.Finished
	}
	return len(c.pods) > 0 && !slices.ContainsFunc(c.pods, func(pod *corev1.Pod) bool {
		return !slices.ContainsFunc(p.AttemptsOf(evidence.RefOf(pod)), func(a evidence.Attempt) bool {
			return a.Ended() && a.Expected == "" && a.Finished.After(since.Add(-fresh)) && !a.Init
		})
	})
}

// find looks for the Service that the call means among what is known.
func (c *call) find(p *diagnosis.Pass) {
	host, _ := c.Host()
	if c.IsAddress() {
		for _, s := range diagnosis.List[*corev1.Service](p) {
			if s.Spec.ClusterIP == host || slices.Contains(s.Spec.ClusterIPs, host) {
				c.service, c.meant = s, evidence.RefOf(s)
			}
		}
		return
	}
	names, _ := c.Services(c.run.Of.Namespace)
	for _, name := range names {
		ref := evidence.RefTo("Service", name.Namespace, name.Name)
		if s, ok := diagnosis.Get[*corev1.Service](p, name.Namespace, name.Name); ok {
			c.service, c.meant = s, ref
			return
		}
		if c.meant.Kind == "" && p.Absent(ref) {
			c.meant = ref
		}
	}
}

// finding says that the container could not use what it needs, and why. A run that ended is explained by it; of one that
// goes on, the workload as a whole is what does not work.
func (c *call) finding(p *diagnosis.Pass, why string, facts ...evidence.Fact) diagnosis.Finding {
	f := diagnosis.Finding{
		At: c.block.At, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{c.run.LineFact(c.said, c.block.At)}, facts...),
		Message: fmt.Sprintf("container %s could not use %s (%s): %s", c.run.Of.Container, c.what(), c.Problem, why),
	}
	if c.run.Ended() && (f.At.IsZero() || f.At.After(c.run.Finished)) {
		f.At = c.run.Finished
	}
	if len(facts) == 0 || !c.run.Ended() {
		f.Confidence = diagnosis.Possible
	}
	if owners := p.Owners(); !c.run.Ended() && c.run.Init == false && len(owners) > 0 && p.Status() != nil && p.Status().Ready {
		f.About = owners[len(owners)-1]
		f.Message = fmt.Sprintf("%s, though pod %s is ready", f.Message, c.run.Of.Name)
	}
	return f
}

// what names what was called: the Service with its namespace and port where it is one.
func (c *call) what() string {
	if c.meant.Kind == "" {
		return c.Target
	}
	_, port := c.Host()
	name := fmt.Sprintf("Service %s", c.meant.Name)
	if c.meant.Namespace != c.run.Of.Namespace {
		name += " of namespace " + c.meant.Namespace
	}
	if port != "" {
		name += " on port " + port
	}
	return name
}

// words is the finding of a class that only words can tell. That the process ended by itself after them is the second
// fact.
func (c *call) words(why string) diagnosis.Finding {
	what := "what it called"
	if c.Target != "" {
		what = c.what()
	}
	f := diagnosis.Finding{
		At: c.block.At, Confidence: diagnosis.Possible, Facts: []evidence.Fact{c.run.LineFact(c.said, c.block.At)},
		Message: fmt.Sprintf("container %s could not use %s: %s: %s", c.run.Of.Container, what, why, c.said),
	}
	if c.run.Ended() {
		f.Facts = append(f.Facts, c.run.Fact())
		if f.At.IsZero() || f.At.After(c.run.Finished) {
			f.At = c.run.Finished
		}
		if c.run.ExitCode != 0 && c.run.ExitCode != 137 && c.run.ExitCode != 143 {
			f.Confidence = diagnosis.Likely
		}
	}
	return f
}
