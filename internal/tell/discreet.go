// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"math"
	"strings"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Who may read Events of one namespace may be nobody in another. What an Event says is what the console would show to him: his share of an
// incident, and no names of others.

const (
	hiddenCause = "its cause lies in another namespace"
	hiddenName  = "(elsewhere)"
)

// saidOf is the verdict of a death as its own namespace may read it.
func saidOf(d *history.Death) string {
	if of := d.Verdict.Thing.Namespace; of != "" && of != d.Of.Namespace {
		return hiddenCause
	}
	return history.Hide(d.Verdict.Message, d.Verdict.Names, []string{d.Of.Namespace})
}

// shareOf returns what of an incident a namespace may read.
func (a *Announcer) shareOf(ctx context.Context, in *history.Incident, namespace string) (history.Incident, error) {
	if of := in.Thing.Namespace; len(in.Namespaces) == 1 && (of == "" || of == namespace) {
		own := *in
		own.Title = history.Hide(in.Title, in.Names, []string{namespace})
		return own, nil
	}
	return a.Store.Incident(ctx, in.ID, []string{namespace})
}

// note is the text of an Event: without names of other namespaces, and of what is in them.
func (a *Announcer) note(ctx context.Context, in *history.Incident, m *mention) (string, error) {
	spaces, err := a.namespaces(ctx)
	if err != nil {
		return "", err
	}
	text := hideNames(m.said, func(name string) bool { return name != m.of.Namespace && spaces[name] })
	link := ""
	if a.Console != "" {
		link = "; " + strings.TrimSuffix(a.Console, "/") + "/incidents/" + in.ID
	}
	return line(text, max(maxNote-len(link), 0)) + link, nil
}

// maxNote is how long a note may be, which the API server bounds at 1024 bytes, less what it takes to say that it was cut.
const maxNote = 1000

// placed matches where a text names something with its namespace: shop/web-0, web.shop.svc, namespace shop.
var placed = regex.New(`[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*|[a-z0-9][-a-z0-9]*\.[a-z0-9][-a-z0-9]*\.svc\b|\bnamespaces? "?[a-z0-9][-a-z0-9]*|(^| )-n [a-z0-9][-a-z0-9]*`)

// hideNames hides what is in namespaces that are foreign.
func hideNames(text string, foreign func(string) bool) string {
	return placed.ReplaceAllStringFunc(text, func(found string) string {
		if space, _, is := strings.Cut(found, "/"); is {
			if foreign(space) {
				return hiddenName
			}
			return found
		}
		if name, is := strings.CutSuffix(found, ".svc"); is {
			if _, space, _ := strings.Cut(name, "."); foreign(space) {
				return hiddenName
			}
			return found
		}
		at := strings.LastIndexAny(found, ` "`) + 1
		if foreign(found[at:]) {
			return found[:at] + hiddenName
		}
		return found
	})
}

// namespaces are those that the history and the cluster know, asked for once in each look in which something is written.
func (a *Announcer) namespaces(ctx context.Context) (map[string]bool, error) {
	if a.spaces != nil {
		return a.spaces, nil
	}
	spaces := map[string]bool{}
	for _, ask := range []func(context.Context) ([]string, error){
		func(ctx context.Context) ([]string, error) { return a.Store.Namespaces(ctx, math.MaxInt32) }, a.All,
	} {
		names, err := ask(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			spaces[name] = true
		}
	}
	a.spaces = spaces
	return spaces, nil
}
