// SPDX-License-Identifier: Apache-2.0

// Package web shows the history in a browser, and as JSON under the same addresses. Pages are made on the server, from
// templates that escape all that came from a cluster; what they need is embedded, and nothing is asked of anywhere else.
//
// A page is a value: a function of a request and of what its caller may see, which a template or JSON shows. What a caller
// may not see is not in the value.
package web

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/history"
)

//go:embed static templates
var files embed.FS

// A Console serves the pages.
type Console struct {
	Store   *history.Store
	Rules   []*diagnosis.Rule
	Access  Access
	Log     *slog.Logger
	Now     func() time.Time
	Version string
	Shared  bool   // other replicas write to the history, whose changes are not heard of here
	Source  string // what is watched, as people call it: the context of a kubeconfig, a folder of bundles

	pages map[string]*template.Template
}

// errNotFound is that there is no such thing, or none that the caller may see: which of both is not told.
var errNotFound = errors.New("there is nothing of that name, or nothing that you may see")

// A badRequest says what is wrong with what was asked.
type badRequest struct{ why string }

func (b *badRequest) Error() string { return b.why }

// A page makes a value for a caller.
type page func(ctx context.Context, q url.Values, of *http.Request, may Rights) (any, error)

// Handler returns what serves all of it.
func (c *Console) Handler() (http.Handler, error) {
	c.pages = map[string]*template.Template{}
	mux := http.NewServeMux()
	for _, p := range []struct {
		pattern, name string
		make          page
	}{
		{"GET /{$}", "now", c.now},
		{"GET /incidents", "incidents", c.incidents},
		{"GET /incidents/{id}", "incident", c.incident},
		{"GET /deaths/{id}", "death", c.death},
		{"GET /workloads", "workloads", c.workloads},
		{"GET /nodes", "nodes", c.nodes},
		{"GET /rules", "rules", c.rules},
		{"GET /rules/{id}", "rule", c.rule},
		{"GET /search", "search", c.search},
	} {
		t, err := template.New("frame.html").Funcs(c.helpers()).ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+p.name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", p.name, err)
		}
		c.pages[p.name] = t
		mux.HandleFunc(p.pattern, c.show(p.name, p.make))
	}
	mux.HandleFunc("GET /deaths/{id}/bundle.zip", c.bundle)
	mux.HandleFunc("GET /live", c.live)
	mux.HandleFunc("GET /login", c.login)
	mux.HandleFunc("POST /login", c.login)
	mux.Handle("GET /static/", http.FileServerFS(files))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	refusal, err := template.New("refusal.html").ParseFS(files, "templates/refusal.html")
	if err != nil {
		return nil, fmt.Errorf("read the page of a refusal: %w", err)
	}
	c.pages["refusal"] = refusal
	if c.pages["login"], err = template.New("login.html").ParseFS(files, "templates/login.html"); err != nil {
		return nil, fmt.Errorf("read the page of the login: %w", err)
	}
	if a, ok := c.Access.(interface {
		Routes(mux *http.ServeMux, refuse func(http.ResponseWriter, *http.Request, error))
	}); ok {
		a.Routes(mux, c.refuse)
	}
	return guarded(http.NewCrossOriginProtection().Handler(mux)), nil
}

// policy lets a page use what this server serves and nothing else, and no script or style that is written into it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "private, max-age=3600")
		} else {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// A frame is what a template gets: the page's value and what stands around it.
type frame struct {
	Page    string
	Source  string
	Version string
	Query   string
	Here    string // the address of this view, with its query
	Now     time.Time
	Data    any
}

// show serves a page in the form that is asked for.
func (c *Console) show(name string, make page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		may, err := c.Access.Rights(r.Context(), r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		q := r.URL.Query()
		data, err := make(r.Context(), q, r, may)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		data = may.veilOf(nil).cover(data)
		if wantsJSON(r) {
			writeJSON(w, http.StatusOK, data)
			return
		}
		var b bytes.Buffer
		f := frame{name, c.Source, c.Version, q.Get("q"), r.URL.RequestURI(), c.Now().UTC(), data}
		if err := c.pages[name].Execute(&b, f); err != nil {
			c.refuse(w, r, fmt.Errorf("write the page: %w", err))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes()) // who left does not need it
	}
}

func wantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("format") == "json" || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func writeJSON(w http.ResponseWriter, status int, data any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(data); err != nil {
		http.Error(w, "the answer could not be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who left does not need it
}

// refuse says why there is no page. What went wrong inside is for the log alone.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, why := http.StatusInternalServerError, "this could not be read; the server's log says why"
	var refused *RefusalError
	var bad *badRequest
	var stranger *StrangerError
	switch {
	case errors.As(err, &stranger):
		c.greet(w, r, stranger)
		return
	case errors.As(err, &refused):
		status, why = http.StatusUnauthorized, refused.Why
	case errors.As(err, &bad):
		status, why = http.StatusBadRequest, bad.why
	case errors.Is(err, errNotFound):
		status, why = http.StatusNotFound, err.Error()
	case r.Context().Err() != nil:
		return
	default:
		c.Log.Error("a page was not shown", "path", r.URL.Path, "err", err)
	}
	if wantsJSON(r) {
		writeJSON(w, status, map[string]string{"error": why})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := c.pages["refusal"].Execute(w, map[string]any{"Status": http.StatusText(status), "Why": why}); err != nil {
		c.Log.Error("a refusal was not shown", "err", err)
	}
}

// login lets somebody in and leads to where they wanted to go.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if err := c.Access.Login(w, r, r.FormValue("token")); err != nil {
		c.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, local(r.FormValue("next")), http.StatusSeeOther)
}

// live tells a page that there is something new, and what. Pages then ask for themselves again, with their own rights.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	if _, err := c.Access.Rights(r.Context(), r); err != nil {
		c.refuse(w, r, err)
		return
	}
	changes, cancel := c.Store.Changes()
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	say := func(text string) bool {
		_, err := fmt.Fprint(w, text)
		return err == nil && out.Flush() == nil
	}
	if !say(": in step\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			text := ": alive\n\n"
			if c.Shared {
				text = changed
			}
			if _, err := c.Access.Rights(r.Context(), r); err != nil || !say(text) {
				return
			}
		case _, more := <-changes:
			if !more {
				return
			}
			drain(r.Context(), changes)
			if !say(changed) {
				return
			}
		}
	}
}

const (
	changed   = "event: change\ndata: now\n\n"
	heartbeat = 20 * time.Second
	// breath is the least time between two times that a page is told to ask again.
	breath = 500 * time.Millisecond
)

// drain takes what else comes within a breath.
func drain(ctx context.Context, changes <-chan history.Change) {
	after := time.NewTimer(breath)
	defer after.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-after.C:
			return
		case _, more := <-changes:
			if !more {
				return
			}
		}
	}
}
