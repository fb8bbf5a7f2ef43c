// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/history"
)

var states = []string{"all", "open", "quiet", "closed"}

// spans are what a list may go back to, by the word in the address.
var spans = []struct {
	Word string
	Long time.Duration
}{{"", 0}, {"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// mostText bounds what is searched for, in bytes.
const mostText = 500

func (c *Console) incidents(ctx context.Context, r *http.Request, may Rights) (any, error) {
	return c.list(ctx, r, may, 0)
}

// list finds as many incidents as are wanted, 0 for as many as a page has.
func (c *Console) list(ctx context.Context, r *http.Request, may Rights, most int) (any, error) {
	q := r.URL.Query()
	list := List{
		State: cmp.Or(q.Get("state"), "all"), Text: q.Get("q"), Rule: q.Get("rule"), Node: q.Get("node"), Image: q.Get("image"), Since: q.Get("since"),
		Namespace: q.Get("namespace"), Bounds: may.bounds(), Begin: q.Get("from"), End: q.Get("to"),
		Items: []Incident{}, Rules: []RuleLine{},
	}
	list.Searched = list.Text != "" || list.Rule != "" || list.Node != "" || list.Image != "" || list.Namespace != "" ||
		list.Since != "" || list.Begin != "" || list.End != "" || r.URL.Path != "/search"
	f, err := c.filter(&list, q)
	if err != nil {
		return nil, err
	}
	f.Namespaces, f.Within, f.Limit = may.allowed(), list.Namespace, most
	list.Sheet = sheetOf(q)
	if !list.Searched {
		return list, nil
	}
	found, err := c.own().Incidents(ctx, f)
	if errors.Is(err, history.ErrCursor) {
		return nil, &badRequestError{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	list.Items = each(found.Items, incidentOf)
	if r.URL.Path == "/search" {
		list.Rules = c.rulesLike(list.Text)
	}
	if found.Next != "" {
		q.Set("after", found.Next)
		list.Next = r.URL.Path + "?" + q.Encode()
	}
	return list, nil
}

// sheetOf is the address of what is asked for as a sheet.
func sheetOf(q url.Values) string {
	q = maps.Clone(q)
	q.Del("format")
	q.Del("after")
	return strings.TrimSuffix("/incidents.csv?"+q.Encode(), "?")
}

// filter says what is asked of the history.
func (c *Console) filter(list *List, q url.Values) (history.Filter, error) {
	f := history.Filter{Rule: strings.ToUpper(list.Rule), Node: list.Node, Image: list.Image, Text: list.Text, Cursor: q.Get("after")}
	for _, asked := range []string{list.Text, list.Rule, list.Node, list.Image, list.Namespace} {
		if len(asked) > mostText {
			return f, &badRequestError{fmt.Sprintf("what is looked for may have %d bytes", mostText)}
		}
	}
	switch at := slices.Index(states, list.State); at {
	case -1:
		return f, &badRequestError{fmt.Sprintf("there is no state %q: expected all, open, quiet or closed", list.State)}
	case 0:
	default:
		f.States = []history.State{history.State(at - 1)}
	}
	long, ok := spanOf(list.Since)
	if !ok {
		return f, &badRequestError{fmt.Sprintf("there is no span %q: expected one as 15m, 6h or 7d", list.Since)}
	}
	if long > 0 {
		f.From = c.Now().UTC().Add(-long)
	}
	var err error
	if f.From, err = c.moment(list.Begin, f.From); err == nil {
		f.To, err = c.moment(list.End, f.To)
	}
	list.From, list.To = f.From, f.To
	return f, err
}

// States are those that can be asked for.
func (List) States() []string { return states }

func spanOf(word string) (time.Duration, bool) {
	for _, s := range spans {
		if s.Word == word {
			return s.Long, true
		}
	}
	return 0, false
}

// moment reads a time as people, browsers and our pages give it, in UTC, or how long ago it is; what it is else where the text is empty.
func (c *Console) moment(text string, usual time.Time) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return usual, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if long, ok := before(text); ok {
		return c.Now().UTC().Add(-long), nil
	}
	return time.Time{}, &badRequestError{fmt.Sprintf("%q is no time: expected one as 2026-11-01T03:00:00Z, or how long ago, as 2h or 7d", text)}
}

// before reads how long ago something is: 90m, 2h, 1h30m, 7d.
func before(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err == nil
	}
	long, err := time.ParseDuration(text)
	return long, err == nil && long >= 0
}

// rulesLike are the rules whose id or title has the text.
func (c *Console) rulesLike(text string) []RuleLine {
	all := []RuleLine{}
	text = strings.ToLower(strings.TrimSpace(text))
	for _, r := range c.Rules {
		if len(text) > 2 && strings.Contains(strings.ToLower(r.ID+" "+r.Title), text) && len(all) < mostRecent {
			all = append(all, ruleLine(r))
		}
	}
	return all
}

func ruleLine(r *diagnosis.Rule) RuleLine { return RuleLine{r.ID, r.Title, string(r.Effect)} }
