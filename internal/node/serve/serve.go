// SPDX-License-Identifier: Apache-2.0

// Package serve shows what a node agent knows to whom Kubernetes lets see it: over HTTPS, by GET alone, within limits of
// size, number, rate and time. Each request carries a token; the API server is asked whose it is and what its owner may
// read. Nothing is for the anonymous but whether the agent is alive.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	headTime       = 5 * time.Second
	idleTime       = time.Minute
	writeTime      = 15 * time.Second // for the client to take some 16 KiB
	followTime     = 30 * time.Minute // after which a reader asks again
	quietTime      = 15 * time.Second // after which a reader that follows hears that there is nothing new
	maxHead        = 16 << 10
	mostClients    = 64 // connections
	mostRequests   = 16 // under way
	mostOfUser     = 12 // of them for one user
	mostFollowers  = 8  // of them
	mostFollows    = 6  // of these for one user
	bytesPerSecond = 16 << 20
)

// ErrNoLog is what Sources.Log returns for a run whose log the agent does not have.
var ErrNoLog = errors.New("the agent has no such log")

// Sources are where answers come from. A source that is nil is one that is switched off.
type Sources struct {
	// Read gives the entries of the record from a number on, from 0 the oldest that are kept.
	Read func(from uint64) iter.Seq2[record.Entry, error]
	// Wait returns when there is an entry of that number.
	Wait func(ctx context.Context, seq uint64) error
	// Span tells which record it is, its oldest number and the next one.
	Span func() (ring string, first, next uint64)
	// Runs are what the runtime has now, as entries without a number.
	Runs func() []record.Entry
	// Log finds the log of a run, and opens nothing.
	Log func(podUID, container string, attempt int) (Log, error)
	// Kept are the runs of a pod that are over and whose logs can be had, the latest first.
	Kept func(podUID string) []evidence.Ref
	// Usage is what the containers that run now use, as entries without a number.
	Usage func() []record.Entry
	// Saturation is how much of its node is in use now, as entries without a number.
	Saturation func() []record.Entry
	// Features says of each source of evidence why it is missing, "" of one that works.
	Features func() map[string]string
	// Ready says why the agent is not ready yet.
	Ready func() error
	// Metrics writes in the text format of Prometheus.
	Metrics func(io.Writer)
}

// A Log is what is kept of the log of one run.
type Log struct {
	Of evidence.Ref // the run, in the namespace of its pod
	// Open opens it as text, with what is not there of it in a person's words. It is for those who may read it.
	Open func() (body io.ReadCloser, missing string, err error)
}

// Options say what is served and where.
type Options struct {
	Node      string // whose agent it is: the right to read it is a right by this name
	Listen    string // ":9437"
	Cert, Key string // files; without them a key pair is made at the start, as the API server's proxy asks no authority
	API       *API   // that is asked
	Sources   Sources
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// A Server answers requests.
type Server struct {
	o         Options
	guard     *guard
	http      *http.Server
	door      *door
	crowd     crowd
	requests  chan struct{}
	followers chan struct{}
	of        shares // the requests
	follow    shares // the followers
	pace      *pace
	quiet     time.Duration
	slowest   time.Duration // a client may be in taking some KiB

	mu      sync.Mutex
	answers map[int]int64 // by status
	sent    int64
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.Node == "" || o.API == nil {
		return nil, errors.New("a server needs the name of its node and an API server to ask")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	secure, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		o:        o,
		guard:    &guard{node: o.Node, api: o.API, now: o.Now, kept: map[asked]answer{}, new: rate{every: strangerEvery, ahead: strangerAhead}},
		door:     newDoor(o.Now),
		requests: make(chan struct{}, mostRequests), followers: make(chan struct{}, mostFollowers),
		pace:    &pace{rate: bytesPerSecond},
		quiet:   quietTime,
		slowest: writeTime,
		answers: map[int]int64{},
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		TLSConfig:         secure,
		ReadHeaderTimeout: headTime, // no ReadTimeout: it would end those who follow
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,
		Protocols:         new(http.Protocols),
		ConnState:         s.crowd.changed,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // of clients' mistakes anybody can make any number
	}
	s.http.Protocols.SetHTTP1(true)
	return s, nil
}

// Listen opens the port. Serve is to be called next.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.o.Listen, err)
	}
	return listener, nil
}

// Serve answers on a port until the context ends, and closes it.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), headTime)
		defer cancel()
		if s.http.Shutdown(drain) != nil {
			_ = s.http.Close() // whoever is still there has had the time to end
		}
	})
	defer stop()
	s.door.Listener = listener
	if err := s.http.ServeTLS(s.door, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return nil
}

// handle answers one request.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	s.crowd.answers(r.RemoteAddr)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		s.fail(w, http.StatusMethodNotAllowed, "GET is all there is")
	case r.ContentLength != 0:
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // it is not read either
		s.fail(w, http.StatusBadRequest, "a request has no body")
	case r.URL.Path == "/healthz":
		s.text(w, "ok\n")
	case r.URL.Path == "/readyz":
		s.ready(w)
	default:
		s.guarded(w, r)
	}
}

func (s *Server) ready(w http.ResponseWriter) {
	if s.o.Sources.Ready != nil {
		if err := s.o.Sources.Ready(); err != nil {
			s.fail(w, http.StatusServiceUnavailable, "not ready") // why is in the log: it is not for the anonymous
			return
		}
	}
	s.text(w, "ok\n")
}

// An answerer writes what was asked for to a caller who may read the node's facts.
type answerer func(*Server, http.ResponseWriter, *http.Request, caller) error

var answerers = map[string]answerer{
	"/v1/entries":    (*Server).entries,
	"/v1/runs":       (*Server).runs,
	"/v1/saturation": (*Server).saturation,
	"/v1/log":        (*Server).log,
	"/metrics":       (*Server).metrics,
}

func (s *Server) guarded(w http.ResponseWriter, r *http.Request) {
	answer := answerers[r.URL.Path]
	if answer == nil {
		s.fail(w, http.StatusNotFound, "there is no such path")
		return
	}
	select {
	case s.requests <- struct{}{}:
		defer func() { <-s.requests }()
	default:
		s.busy(w)
		return
	}
	audience, needed := record.Audience(s.o.Node), nodeRight(s.o.Node)
	if r.URL.Path == "/metrics" { // whoever reads metrics has one token for all components
		audience, needed = "", right{path: "/metrics"}
	}
	c, err := s.guard.caller(r, audience)
	if err == nil {
		err = c.may(r.Context(), needed)
	}
	if err == nil {
		s.door.welcome(r.RemoteAddr)
		err = s.share(w, r, c, answer)
	}
	if err != nil {
		s.refuse(w, err)
	}
}

// share answers a user who has not most of the places already.
func (s *Server) share(w http.ResponseWriter, r *http.Request, c caller, answer answerer) error {
	who, err := c.who(r.Context())
	if err != nil {
		return err
	}
	leave, ok := s.of.take(who.user.Username, mostOfUser)
	if !ok {
		return errShare
	}
	defer leave()
	return answer(s, w, r, c)
}

// A refusal is a request that cannot be answered, with its status.
type refusal struct {
	status int
	why    string
}

func (e refusal) Error() string { return e.why }

// refuse answers a request by an error.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var as refusal
	switch {
	case errors.As(err, &as):
		s.fail(w, as.status, as.why)
	case errors.Is(err, errWho):
		s.fail(w, http.StatusUnauthorized, err.Error())
	case errors.Is(err, errTooMany), errors.Is(err, errShare):
		w.Header().Set("Retry-After", "1")
		s.fail(w, http.StatusTooManyRequests, err.Error())
	case errors.Is(err, errForbidden):
		s.fail(w, http.StatusForbidden, err.Error())
	case errors.Is(err, errUnreachable):
		s.o.Log.Warn("nobody may read", "err", err)
		s.fail(w, http.StatusServiceUnavailable, errUnreachable.Error())
	case errors.Is(err, ErrNoLog):
		s.fail(w, http.StatusNotFound, err.Error())
	default:
		s.fail(w, http.StatusInternalServerError, err.Error())
	}
}

func (s *Server) busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	s.fail(w, http.StatusServiceUnavailable, "too many requests are under way, ask again in a second")
}

func (s *Server) fail(w http.ResponseWriter, status int, why string) {
	s.count(status)
	s.deadline(w)
	http.Error(w, why, status)
}

func (s *Server) text(w http.ResponseWriter, text string) {
	s.count(http.StatusOK)
	s.deadline(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // who does not take it does not want it
}

func (s *Server) deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.slowest)) // fails where there is no connection
}

func (s *Server) count(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[status]++
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request, _ caller) error {
	out := s.output(w, r, "text/plain; version=0.0.4; charset=utf-8")
	if s.o.Sources.Metrics != nil {
		s.o.Sources.Metrics(out)
	}
	return out.Flush()
}

// log answers with the log of one run.
func (s *Server) log(w http.ResponseWriter, r *http.Request, c caller) error {
	q, err := parseQuery(r.URL.RawQuery, "pod", "container", "attempt")
	if err != nil {
		return err
	}
	attempt, err := strconv.ParseUint(q["attempt"], 10, 31)
	if err != nil || len(q.all("pod")) != 1 || q["container"] == "" {
		return refusal{http.StatusBadRequest, "say which log by ?pod=UID&container=NAME&attempt=NUMBER"}
	}
	if s.o.Sources.Log == nil {
		return ErrNoLog
	}
	l, err := s.o.Sources.Log(q["pod"], q["container"], int(attempt))
	if err != nil {
		return err
	}
	if l.Of.Namespace == "" {
		return ErrNoLog
	}
	if err := c.may(r.Context(), logRight(l.Of.Namespace)); err != nil {
		return err
	}
	body, missing, err := l.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	if missing != "" {
		w.Header().Set(record.MissingHeader, oneLine(missing))
	}
	out := s.output(w, r, "text/plain; charset=utf-8")
	if _, err := io.Copy(out, body); err != nil {
		panic(http.ErrAbortHandler) // the reader must not take half a log for a whole one
	}
	return out.Flush()
}
