// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// redirected stands for a status that leads to another host: a kubelet follows to the same one only (kubernetes pkg/probe/http/http.go,
// RedirectChecker), and counts such an answer as success, with a warning.
const redirected = "3xx"

// codes reads with which HTTP status a probe was answered that failed, or that was warned of, the last of each.
func (r *reading) codes() {
	until := r.Began.Add(r.Lived + time.Second)
	for _, e := range r.s.EventsAbout(r.Of.InAttempt(evidence.NoAttempt)) {
		kind, answer, _ := strings.Cut(e.Message, " probe ")
		if q := r.Probes.of(kind); q == nil || q.HTTPGet == nil || e.Last.Before(r.Began) || e.First.After(until) {
			continue
		}
		code, failed := strings.CutPrefix(answer, "failed: HTTP probe failed with statuscode: ")
		switch {
		case e.Reason == "ProbeWarning" && strings.HasPrefix(answer, "warning: Probe terminated redirects"):
			code = redirected
		case e.Reason != "Unhealthy" || !failed:
			continue
		}
		if r.Codes == nil {
			r.Codes = map[string]string{}
		}
		r.Codes[kind] = strings.TrimSpace(code)
	}
}

// field names a probe as a container does.
func field(kind string) string { return strings.ToLower(kind) + "Probe" }

// paths checks what the paths of probes were answered with, in the runs in which they were asked as they are now.
func (o *Subject) paths() (list []Check) {
	present := Of(&o.Spec)
	for _, kind := range kinds {
		q := present.of(kind)
		if q == nil || q.HTTPGet == nil {
			continue
		}
		code := ""
		for i := range o.Starts {
			if s := &o.Starts[i]; sameQuestion(s.Probes.of(kind), q) && s.tried(kind, q) {
				code = s.Codes[kind]
			}
		}
		passed := slices.ContainsFunc(o.Starts, func(s Start) bool { return s.passed(kind, q) })
		if c := pathCheck(code, q.HTTPGet.Path); c.Says != "" && (code == redirected || !passed) {
			c.Field = field(kind)
			if other := o.answered(present, q); other != "" && c.Do == correct {
				c.Do += ": " + other + " is known to be answered"
			}
			list = append(list, c)
		}
	}
	return list
}

// tried tells whether a probe was answered with a status that fails for as long as it bears, or with one that is warned of: sooner, a server
// may just not have begun to serve that path.
func (s *Start) tried(kind string, q *corev1.Probe) bool {
	switch {
	case s.Codes[kind] == "" || s.Codes[kind] == redirected:
		return s.Codes[kind] != ""
	case kind == "Startup":
		return s.By == evidence.ByStartup
	case kind == "Liveness":
		return s.By == evidence.ByLiveness
	}
	return s.Lived > tolerates(q)+time.Minute
}

const (
	correct  = "correct the path"
	hopeless = "no probe setting helps"
)

// pathCheck says what a status tells of a path that was never answered otherwise.
func pathCheck(code, path string) Check {
	switch code {
	case "404", "405", "410":
		return Check{Says: fmt.Sprintf("the server answers %s at %s: %s", code, path, hopeless), Do: correct}
	case "401", "403":
		return Check{Says: fmt.Sprintf("the server answers %s at %s, which wants credentials that a probe does not have: %s", code, path, hopeless), Do: "ask for a path that is open to everybody, or send a header with httpHeaders"}
	case redirected:
		return Check{Says: fmt.Sprintf("the server answers at %s with a redirect to another host, which a kubelet counts as success: it passes whatever the program does", path), Do: "ask for a path that answers itself"}
	}
	return Check{}
}

// answered is another path of the same port that a probe of the container asks and that was answered; "" where there is none.
func (o *Subject) answered(present Probes, q *corev1.Probe) string {
	for _, kind := range kinds {
		other := present.of(kind)
		if other == nil || other.HTTPGet == nil || other.HTTPGet.Port != q.HTTPGet.Port || other.HTTPGet.Path == q.HTTPGet.Path {
			continue
		}
		if slices.ContainsFunc(o.Starts, func(s Start) bool { return s.passed(kind, other) }) {
			return other.HTTPGet.Path
		}
	}
	return ""
}
