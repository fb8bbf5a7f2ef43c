// SPDX-License-Identifier: Apache-2.0

//go:generate go test -run ^TestOpenAPIIsCurrent$ -update .

// Package web shows the history in a browser, and as JSON under the same addresses. Pages are made on the server, from
// templates that escape all that came from a cluster; what they need is embedded, and nothing is asked of anywhere else.
//
// A page is a value: a function of a request and of what its caller may see, which a template or JSON shows. What a caller
// may not see is not in the value. openapi.json describes the values, and is made from their types.
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
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

//go:embed static templates openapi.json
var files embed.FS

// A Console serves the pages.
type Console struct {
	Store   *history.Store
	Cluster string // whose part of the history is shown; "" for all of it
	Rules   []*diagnosis.Rule
	Access  Access
	Log     *slog.Logger
	Now     func() time.Time
	Version string
	Shared  bool                                              // other replicas write to the history as well
	Source  string                                            // what is watched, as people call it: the context of a kubeconfig, a folder of bundles
	Look    diagnosis.Source                                  // asks the cluster how a node or the control plane is now; nil where there is no cluster
	Survey  func(context.Context) (*evidence.Snapshot, error) // asks it how all nodes are; likewise

	pages   map[string]*template.Template
	assets  map[string]*asset
	glance  glance
	surveys kept[*evidence.Snapshot]
	streams *places // of those that are open
	asked   *places // of requests that are worked on
	made    *places // of archives that are made, each in memory
}

// errNotFound is that there is no such thing, or none that the caller may see: which of both is not told.
var errNotFound = errors.New("there is nothing of that name, or nothing that you may see")

// errBusy is that too much is asked at once.
var errBusy = errors.New("too much is asked at once: try again in a moment")

// A badRequestError says what is wrong with what was asked.
type badRequestError struct{ why string }

func (b *badRequestError) Error() string { return b.why }

// allowed returns the namespaces in the form that the history takes: nil for all.
func (r Rights) allowed() []string {
	if r.All {
		return nil
	}
	return append([]string{}, r.Namespaces...)
}

// A view makes the value of a page for a caller.
type view func(ctx context.Context, r *http.Request, may Rights) (any, error)

// A route is a page with its address, its template and a value of the type that it makes.
type route struct {
	path, name string
	build      view
	value      any
	query      []string // what its address may ask for
}

func (c *Console) routes() []route {
	find := []string{"state", "q", "namespace", "rule", "node", "image", "since", "from", "to", "after"}
	return []route{
		{"/{$}", "now", c.now, Now{}, nil},
		{"/incidents", "incidents", c.incidents, List{}, find},
		{"/incidents/{id}", "incident", c.incident, IncidentPage{}, []string{"span"}},
		{"/deaths/{id}", "death", c.death, DeathPage{}, nil},
		{"/workloads", "workloads", c.workloads, Heat{}, []string{"span"}},
		{"/nodes", "nodes", c.nodes, Nodes{}, []string{"page"}},
		{"/nodes/{name}", "node", c.node, NodePage{}, nil},
		{"/control", "control", c.control, ControlPage{}, nil},
		{"/rules", "rules", c.rules, Rules{}, nil},
		{"/rules/{id}", "rule", c.rule, Rule{}, nil},
		{"/search", "incidents", c.incidents, List{}, find},
	}
}

const (
	mostStreams = 256              // open at once,
	ownStreams  = 32               // and for one caller
	mostAtOnce  = 64               // requests that are worked on at once,
	ownAtOnce   = 16               // and for one caller
	mostMade    = 4                // archives that are made at once; of one caller one
	patience    = 20 * time.Second // for one page
)

// Handler returns what serves all of it.
func (c *Console) Handler() (http.Handler, error) {
	c.pages = map[string]*template.Template{}
	c.streams, c.asked = newPlaces(mostStreams, ownStreams), newPlaces(mostAtOnce, ownAtOnce)
	c.made = newPlaces(mostMade, 1)
	var err error
	if c.assets, err = readAssets(); err != nil {
		return nil, err
	}
	for _, name := range []string{"now", "incidents", "incident", "death", "workloads", "nodes", "node", "control", "rules", "rule", "refusal"} {
		t, err := template.New("frame.html").Funcs(c.helpers()).ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", name, err)
		}
		c.pages[name] = t
	}
	if c.pages["login"], err = template.New("login.html").Funcs(c.helpers()).ParseFS(files, "templates/login.html"); err != nil {
		return nil, fmt.Errorf("read the page of the login: %w", err)
	}
	mux := http.NewServeMux()
	for pattern, serve := range c.handlers() {
		mux.HandleFunc(pattern, serve)
	}
	if a, ok := c.Access.(interface {
		Routes(mux *http.ServeMux, refuse func(http.ResponseWriter, *http.Request, error))
	}); ok {
		a.Routes(mux, c.refuse)
	}
	return guarded(http.NewCrossOriginProtection().Handler(mux)), nil
}

// handlers are all that is served, by pattern.
func (c *Console) handlers() map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{
		"GET /incidents/{id}/bundle.zip": c.bounded(c.download(c.export)),
		"GET /deaths/{id}/bundle.zip":    c.bounded(c.download(c.bundle)),
		"GET /incidents.csv":             c.bounded(c.sheet("incidents", c.many)),
		"GET /incidents/{id}/deaths.csv": c.bounded(c.sheet("deaths", c.incident)),
		"GET /live":                      c.live,
		"GET /login":                     c.login,
		"POST /login":                    c.login,
		"GET /static/":                   c.static,
		"GET /api/openapi.json":          c.openapi,
		"GET /healthz":                   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") },
		"/":                              func(w http.ResponseWriter, r *http.Request) { c.refuse(w, r, errNotFound) },
	}
	for _, r := range c.routes() {
		all["GET "+r.path] = c.bounded(c.show(r.name, r.build))
	}
	return all
}

// bounded works on so many requests at once, each for so long.
func (c *Console) bounded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		leave, ok := c.asked.enter(c.Access.Caller(r), ctx.Done())
		if !ok {
			c.refuse(w, r, errBusy)
			return
		}
		defer leave()
		next(w, r.WithContext(ctx))
	}
}

// A frame is what a template gets: the page's value and what stands around it.
type frame struct {
	Page    string
	Source  string
	Version string
	Query   string
	Here    string // the address of this view, with its query
	Now     time.Time
	Limited int    // to how many namespaces the page is limited; 0 for all
	Logout  string // where the caller's session is ended; empty for a caller without one that he could end
	Data    any
}

// show serves a page in the form that is asked for.
func (c *Console) show(name string, build view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		may, err := c.Access.Rights(r.Context(), r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		data, err := build(r.Context(), r, may)
		if err != nil {
			c.refuse(w, r, may.missing(err))
			return
		}
		data = may.veilOf(nil).cover(data)
		if wantsJSON(r) {
			writeJSON(w, r, http.StatusOK, data)
			return
		}
		c.write(w, r, http.StatusOK, name, data)
	}
}

// write makes the whole page before it sends any of it.
func (c *Console) write(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	f := frame{name, c.Source, c.Version, r.URL.Query().Get("q"), r.URL.RequestURI(), c.Now().UTC(), 0, "", data}
	if a, ok := c.Access.(interface{ InSession(r *http.Request) bool }); ok && a.InSession(r) {
		f.Logout = logoutPath
	}
	if bounded, ok := data.(interface{ limited() int }); ok {
		f.Limited = bounded.limited()
	}
	if err := c.pages[name].Execute(&b, f); err != nil {
		c.Log.Error("a page was not written", "path", r.URL.Path, "err", err)
		http.Error(w, "the page could not be written; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, status, visible(b.Bytes()))
}

func wantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("format") == "json" || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, data any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(data); err != nil {
		http.Error(w, "the answer could not be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, r, status, b.Bytes())
}

// A Failure is why there is no answer.
type Failure struct {
	Error string `json:"error"`
}

// A refusal is what its page shows.
type refusal struct{ Status, Why string }

// refuse says why there is no page. What went wrong inside is for the log alone.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, why := http.StatusInternalServerError, "this could not be read; the server's log says why"
	var refused *RefusalError
	var bad *badRequestError
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
	case errors.Is(err, errBusy), errors.Is(err, context.DeadlineExceeded):
		status, why = http.StatusServiceUnavailable, errBusy.Error()
		w.Header().Set("Retry-After", "5")
	case r.Context().Err() != nil:
		return
	default:
		c.Log.Error("a page was not shown", "path", r.URL.Path, "err", err)
	}
	if wantsJSON(r) {
		writeJSON(w, r, status, Failure{why})
		return
	}
	c.write(w, r, status, "refusal", refusal{http.StatusText(status), why})
}

// login lets somebody in and leads to where they wanted to go.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := c.Access.Login(w, r, r.FormValue("token")); err != nil {
		c.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, local(r.FormValue("next")), http.StatusSeeOther)
}

// openapi serves what describes the answers in JSON. It tells nothing of a cluster.
func (c *Console) openapi(w http.ResponseWriter, r *http.Request) {
	data, err := files.ReadFile("openapi.json")
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, r, http.StatusOK, data)
}
