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
	defaultLimit = 10_000
	mostEntries  = 100_000  // in one answer
	mostBytes    = 32 << 20 // of entries in one answer
)

// nameForm is what names of Kubernetes objects, UIDs and numbers are made of.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// parseQuery reads parameters of which each may be given once. One that is not known is refused, as an answer that ignores
// it would be taken for another one.
func parseQuery(raw string, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refusal{http.StatusBadRequest, "the query cannot be read"}
	}
	q := map[string]string{}
	for name, list := range values {
		if !slices.Contains(known, name) {
			return nil, refusal{http.StatusBadRequest, fmt.Sprintf("unknown parameter %.40q, expected one of %s", name, strings.Join(known, ", "))}
		}
		form := list[0] == "" || nameForm.MatchString(list[0])
		if name == "what" {
			form = len(list[0]) < 100
		}
		if len(list) > 1 || !form {
			return nil, refusal{http.StatusBadRequest, name + " is given twice, or is not of the form of such a value"}
		}
		q[name] = list[0]
	}
	return q, nil
}

// A query says which entries are wanted.
type query struct {
	since, limit              uint64
	ring                      string
	namespace, pod, container string
	facts, runs, gaps         bool
	follow                    bool
}

func parseEntries(raw string) (query, error) {
	q, err := parseQuery(raw, "since", "ring", "namespace", "pod", "container", "what", "limit", "follow")
	if err != nil {
		return query{}, err
	}
	e := query{ring: q["ring"], namespace: q["namespace"], pod: q["pod"], container: q["container"], limit: defaultLimit}
	for name, to := range map[string]*uint64{"since": &e.since, "limit": &e.limit} {
		if q[name] == "" {
			continue
		}
		if *to, err = strconv.ParseUint(q[name], 10, 63); err != nil {
			return query{}, refusal{http.StatusBadRequest, name + " is a number"}
		}
	}
	e.limit = min(max(e.limit, 1), mostEntries)
	switch q["follow"] {
	case "", "0", "false":
	case "1", "true":
		e.follow = true
	default:
		return query{}, refusal{http.StatusBadRequest, "follow is 1 or 0"}
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

// wants tells whether an entry is one of those that are asked for. What an agent missed of its node it missed of each pod.
func (q *query) wants(e record.Entry) bool {
	if !(q.facts && e.Fact != nil || q.runs && e.Run != nil || q.gaps && e.Gap != nil) {
		return false
	}
	about := e.About()
	if e.Gap != nil && about.Namespace == "" && e.PodUID == "" {
		return true
	}
	return (q.namespace == "" || q.namespace == about.Namespace) &&
		(q.pod == "" || q.pod == e.PodUID || about.Kind == "Pod" && q.pod == about.Name) &&
		(q.container == "" || q.container == about.Container)
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
