// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// What happened to an incident, as CloudEvents name it.
const (
	opened   = "opened"
	grew     = "grew"
	reopened = "reopened"
	closed   = "closed"
)

// A message is what there is to say of one incident. Its texts are safe on one line of a terminal, and masked; what else
// a target acts on it escapes itself.
type message struct {
	key      string // the same each time it is tried
	what     string
	unheard  bool      // of its end: that it opened was not told
	at       time.Time // when it was made
	cluster  string    // as people call it
	uid      string    // of the cluster
	in       history.Incident
	sentence string
	thing    string // "Deployment shop/web, container app"
	fix      string // what can be done; empty where no rule knows
	command  string // that does it
	link     string // to the incident in the console; empty where it has no address
	page     string // to what its rule says, there
}

// Bounds of texts, in bytes.
const (
	maxSentence = 400
	maxCommand  = 600
	maxName     = 120
)

// errEnds is that the end of an incident is told instead, which answers what is told of it before.
var errEnds = errors.New("the end is told instead")

// compose makes the message of a notice from what its incident is by now; nil where that is not worth telling any more.
func (t *Teller) compose(ctx context.Context, n history.Notice) (*message, error) {
	in, err := t.Store.Incident(ctx, n.Incident, nil)
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read incident %s: %w", n.Incident, err)
	}
	switch {
	case n.Reopened < in.Reopened:
		return nil, nil // its next beginning is told instead
	case n.State != history.StateClosed && in.State == history.StateClosed:
		ends, err := t.Store.Ends(ctx, n)
		if ends {
			err = errEnds
		}
		return nil, err // where no end is to be told, it closed while the target was not configured
	}
	m := t.messageOf(ctx, in)
	if n.State == history.StateClosed {
		if m.unheard, err = t.Store.Unheard(ctx, n); err != nil {
			return nil, err
		}
	}
	m.key = n.Key
	switch {
	case n.State == history.StateClosed:
		m.what = closed
	case n.Mark > 0:
		m.what = grew
	case n.Reopened > 0:
		m.what = reopened
	}
	return m, nil
}

// messageOf says of an incident what it is by now.
func (t *Teller) messageOf(ctx context.Context, in history.Incident) *message {
	m := &message{
		what: opened, at: t.Now(), cluster: line(t.Config.Cluster, maxName), uid: in.Cluster, in: in,
		sentence: line(in.Title, maxSentence), thing: thingOf(in.Thing),
	}
	if base := t.Config.Console; base != "" {
		base = strings.TrimSuffix(base, "/")
		m.link = base + "/incidents/" + url.PathEscape(in.ID)
		if in.Rule != "" {
			m.page = base + "/rules/" + url.PathEscape(in.Rule)
		}
	}
	m.fix, m.command = t.fixOf(ctx, in)
	return m
}

// fixOf returns the first fix in the report of the latest death. That there is none, or none to be read, is no error.
func (t *Teller) fixOf(ctx context.Context, in history.Incident) (fix, command string) {
	deaths, err := t.Store.Deaths(ctx, history.Filter{Incident: in.ID, Limit: 1})
	if err != nil || len(deaths.Items) == 0 {
		return "", ""
	}
	data, err := t.Store.Report(ctx, deaths.Items[0].ID, nil)
	if err != nil {
		return "", ""
	}
	var told struct {
		report.Report
		Items []report.Report
	}
	if json.Unmarshal(data, &told) != nil {
		return "", ""
	}
	for _, r := range append(told.Items, told.Report) {
		for i := range r.Causes {
			c := &r.Causes[i]
			if c.Rule == in.Rule && len(c.Fixes) > 0 {
				return line(c.Fixes[0].Title, maxSentence), whole(c.Fixes[0].Command)
			}
		}
	}
	return "", ""
}

// line makes text from the cluster fit for one line: masked, visible, and not too long.
func line(s string, most int) string {
	s, _ = collect.Redact(s)
	s = report.Escape(s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// whole returns a command, and none where not all of it can be told: half of one does something else.
func whole(command string) string {
	if told := line(command, maxCommand); !strings.HasSuffix(told, "…") {
		return told
	}
	return ""
}

func thingOf(r evidence.Ref) string {
	if r.Kind == "" {
		return "the cluster"
	}
	name := r.Name
	if r.Namespace != "" {
		name = r.Namespace + "/" + r.Name
	}
	s := r.Kind + " " + name
	if r.Container != "" {
		s += ", container " + r.Container
	}
	return line(s, 2*maxName)
}

// headline says what happened to what in one line, the state first: often it is all that a phone shows.
func (m *message) headline() string {
	state := map[string]string{
		opened: "OPEN", reopened: "OPEN AGAIN", closed: "CLOSED", grew: strings.ToUpper(report.Plural(m.in.Pods, "pod")),
	}[m.what]
	if m.unheard {
		state = "OPENED AND CLOSED"
	}
	where := strings.TrimSpace(m.cluster + " " + m.short())
	return "[" + state + "] " + where + ": " + m.sentence
}

// short names the thing as people do: shop/web, node n1.
func (m *message) short() string {
	thing := m.in.Thing
	switch {
	case thing.Kind == "":
		return ""
	case thing.Namespace == "":
		return line(strings.ToLower(thing.Kind)+" "+thing.Name, 2*maxName)
	}
	return line(thing.Namespace+"/"+thing.Name, 2*maxName)
}

// body says the rest, a line each.
func (m *message) body() []string {
	counts := report.Plural(m.in.Deaths, "death") + " in " + report.Plural(m.in.Pods, "pod")
	if n := len(m.in.Nodes); n > 0 {
		counts += " on " + some(m.in.Nodes)
	}
	lines := []string{"What: " + m.thing + "; " + counts}
	if len(m.in.Workloads) > 1 {
		lines = append(lines, "Hit: "+some(m.in.Workloads)+" in "+some(m.in.Namespaces))
	}
	lines = append(lines, "When: "+m.span())
	if m.in.Rule == "" {
		lines = append(lines, "Why: no rule explains it; the evidence is kept")
	} else {
		lines = append(lines, fmt.Sprintf("Why: %s, by rule %s", m.in.Confidence, line(m.in.Rule, maxName)))
	}
	if m.what == closed {
		return m.linked(lines)
	}
	if m.fix != "" {
		lines = append(lines, "Do: "+m.fix)
	}
	if m.command != "" {
		lines = append(lines, "By: "+m.command)
	}
	return m.linked(lines)
}

// linkWord begins the line that leads to the console.
const linkWord = "See: "

func (m *message) linked(lines []string) []string {
	if m.link == "" {
		return lines
	}
	return append(lines, linkWord+m.link)
}

// span tells the times in UTC, with the day where it is not that of the message.
func (m *message) span() string {
	first, last := m.in.First.UTC(), m.in.Last.UTC()
	text := m.clock(first) + " UTC"
	if last.Sub(first) >= time.Minute {
		text = m.clock(first) + " to " + m.clock(last) + " UTC"
	}
	ago := m.at.Sub(last).Round(time.Minute)
	switch since := strings.TrimSuffix(ago.String(), "0s") + " ago"; {
	case m.what == closed:
		text += ", none since"
	case ago >= time.Minute && last.After(first):
		text += ", the last " + since
	case ago >= time.Minute:
		text += ", " + since
	}
	return text
}

func (m *message) clock(t time.Time) string {
	if y, d := m.at.UTC().Year(), m.at.UTC().YearDay(); y == t.Year() && d == t.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// some lists the first of many names.
func some(names []string) string {
	const most = 3
	text := line(strings.Join(names[:min(len(names), most)], ", "), 3*maxName)
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// severity is critical for what reaches beyond a workload, unless somebody takes pods away from a node on purpose.
func severity(in *history.Incident) string {
	if in.Thing.Namespace == "" && in.Rule != "EVC010" && in.Rule != "EVC011" {
		return "critical"
	}
	return "warning"
}

// rule is the cause of an incident as labels have it.
func rule(id string) string { return cmp.Or(id, "undetermined") }
