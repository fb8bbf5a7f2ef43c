// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/record"
)

const (
	defaultLimit = 20_000
	mostEntries  = 100_000  // in one answer
	mostBytes    = 12 << 20 // of entries in one answer
	mostPods     = 110      // that are named at once
	mostLogs     = 8        // of each
)

// nameForm is what names of Kubernetes objects, UIDs and numbers are made of.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// parseQuery reads parameters of which each but pod may be given once. One that is not known is refused, as an answer that ignores
// it would be taken for another one.
func parseQuery(raw string, known ...string) (parameters, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refusal{http.StatusBadRequest, "the query cannot be read"}
	}
	q := parameters{}
	for name, list := range values {
		if !slices.Contains(known, name) {
			return nil, refusal{http.StatusBadRequest, fmt.Sprintf("unknown parameter %.40q, expected one of %s", name, strings.Join(known, ", "))}
		}
		if len(list) > most(name) || slices.ContainsFunc(list, func(value string) bool { return !formed(name, value) }) {
			return nil, refusal{http.StatusBadRequest, name + " is given too often, or is not of the form of such a value"}
		}
		q[name] = strings.Join(list, ",")
	}
	return q, nil
}

// most is how often a parameter may be given.
func most(name string) int {
	if name == "pod" {
		return mostPods
	}
	return 1
}

func formed(name, value string) bool {
	if name == "what" {
		return len(value) < 100
	}
	return value == "" || nameForm.MatchString(value)
}

// A parameters are the values by name; of one that is given several times they have commas in between, which no value has.
type parameters map[string]string

func (p parameters) all(name string) []string {
	return strings.FieldsFunc(p[name], func(r rune) bool { return r == ',' })
}

// A query says which entries are wanted.
type query struct {
	since, limit               uint64
	ring, namespace, container string
	pods                       []string // UIDs or names
	facts, runs, gaps, follow  bool
	now                        bool // what is used now as well
	logs                       int  // of each pod that is named by its UID, the ends of so many logs
}

func parseEntries(raw string) (query, error) {
	q, err := parseQuery(raw, "since", "ring", "namespace", "pod", "container", "what", "limit", "follow", "now", "logs")
	if err != nil {
		return query{}, err
	}
	e := query{ring: q["ring"], namespace: q["namespace"], pods: q.all("pod"), container: q["container"], limit: defaultLimit}
	for name, to := range map[string]*uint64{"since": &e.since, "limit": &e.limit} {
		if q[name] == "" {
			continue
		}
		if *to, err = strconv.ParseUint(q[name], 10, 63); err != nil {
			return query{}, refusal{http.StatusBadRequest, name + " is a number"}
		}
	}
	e.limit = min(max(e.limit, 1), mostEntries)
	slices.Sort(e.pods)
	e.pods = slices.Compact(e.pods) // each is answered once
	for name, to := range map[string]*bool{"follow": &e.follow, "now": &e.now} {
		switch q[name] {
		case "", "0", "false":
		case "1", "true":
			*to = true
		default:
			return query{}, refusal{http.StatusBadRequest, name + " is 1 or 0"}
		}
	}
	if q["logs"] != "" {
		if e.logs, err = strconv.Atoi(q["logs"]); err != nil || e.logs < 0 {
			return query{}, refusal{http.StatusBadRequest, "logs is a number"}
		}
		e.logs = min(e.logs, mostLogs)
	}
	return e, e.parseWhat(q["what"])
}

func (q *query) parseWhat(what string) error {
	q.facts, q.runs, q.gaps = what == "", what == "", what == ""
	if what == "" {
		return nil
	}
	for sort := range strings.SplitSeq(what, ",") {
		switch sort {
		case "facts":
			q.facts = true
		case "runs":
			q.runs = true
		case "gaps":
			q.gaps = true
		default:
			return refusal{http.StatusBadRequest, "what is a list of facts, runs, gaps"}
		}
	}
	return nil
}

// wants tells whether an entry is one of those that are asked for. What is about the node is about each of its pods.
func (q *query) wants(e record.Entry) bool {
	if !(q.facts && e.Fact != nil || q.runs && e.Run != nil || q.gaps && e.Gap != nil || q.logs > 0 && e.Log != nil) {
		return false
	}
	about := e.About()
	if about.Namespace == "" && e.PodUID == "" {
		return true
	}
	return (q.namespace == "" || q.namespace == about.Namespace) &&
		(len(q.pods) == 0 || slices.Contains(q.pods, e.PodUID) || about.Kind == "Pod" && slices.Contains(q.pods, about.Name)) &&
		(q.container == "" || q.container == about.Container)
}

// guesses tells whether names brought an entry about a pod into the answer. They can be guessed, which UIDs cannot, so that even a
// count of what stays hidden would tell what there is.
func (q *query) guesses(e record.Entry) bool {
	if about := e.About(); about.Namespace == "" && e.PodUID == "" {
		return false
	}
	return q.namespace != "" || q.container != "" || len(q.pods) > 0 && !slices.Contains(q.pods, e.PodUID)
}

// oneLine makes a header's value of a text.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return ' '
		}
		return r
	}, text)
	return text[:min(len(text), 400)]
}
