// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const jsonLines = "application/x-ndjson"

// A stream is an answer of entries.
type stream struct {
	*Server
	caller caller
	query  query
	out    *output
	next   uint64
	count  uint64
	hidden int
	more   bool
}

// entries answers with what the record has, and with what comes while the reader follows.
func (s *Server) entries(w http.ResponseWriter, r *http.Request, c caller) error {
	q, err := parseEntries(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if s.o.Sources.Read == nil {
		return refusal{http.StatusNotFound, "the agent keeps no record"}
	}
	st := stream{Server: s, caller: c, query: q, out: s.output(w, r, jsonLines), next: q.since}
	if ring, _, next := s.o.Sources.Span(); q.since > next || q.ring != "" && q.ring != ring {
		st.next = 0 // the numbers are of another record
	}
	if !q.follow {
		err := st.batch(r.Context())
		if err == nil && !st.more {
			err = st.present(r.Context())
		}
		return st.end(err)
	}
	who, err := c.who(r.Context())
	if err != nil {
		return err
	}
	leave, ok := s.follow.take(who.user.Username, mostFollows)
	if !ok {
		return refusal{http.StatusServiceUnavailable, "too many of this user follow the record: ask without follow"}
	}
	defer leave()
	select {
	case s.followers <- struct{}{}:
		defer func() { <-s.followers }()
	default:
		return refusal{http.StatusServiceUnavailable, "too many follow the record: ask without follow"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), followTime)
	defer cancel()
	return st.end(st.follow(ctx))
}

// follow writes what there is and what comes, until the client goes, loses its right, or has followed long enough.
func (st *stream) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := st.caller.may(ctx, nodeRight(st.o.Node)); err != nil {
			return err
		}
		before := st.next
		if err := st.batch(ctx); err != nil || st.more {
			return err
		}
		if st.next == before {
			if err := st.tail(""); err != nil {
				return err
			}
		}
		if err := st.out.send(); err != nil {
			return err
		}
		if err := st.wait(ctx); err != nil {
			return err
		}
	}
	return nil // it has followed long enough
}

// wait returns when there is something new, or has not been for a while.
func (st *stream) wait(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, st.quiet)
	defer cancel()
	err := st.o.Sources.Wait(wait, st.next)
	if wait.Err() != nil {
		err = nil
	}
	return err
}

// batch writes what there is.
func (st *stream) batch(ctx context.Context) error {
	if st.next == 0 {
		_, st.next, _ = st.o.Sources.Span()
	}
	for e, err := range st.o.Sources.Read(st.next) {
		if err != nil {
			return err
		}
		if st.count >= st.query.limit && !st.query.follow || st.out.sent > mostBytes {
			st.more = true
			return nil
		}
		if err := st.entry(ctx, e); err != nil {
			return err
		}
		st.next = max(st.next, e.Seq+1)
	}
	return nil
}

// present writes what stands in no record: what is used now, and logs, each as far as it is asked for.
func (st *stream) present(ctx context.Context) error {
	if st.query.now && st.o.Sources.Usage != nil {
		for _, e := range st.o.Sources.Usage() {
			if err := st.entry(ctx, e); err != nil {
				return err
			}
		}
	}
	if st.query.logs == 0 || st.o.Sources.Kept == nil || st.o.Sources.Log == nil {
		return nil
	}
	for _, uid := range st.query.pods {
		if err := st.logs(ctx, uid); err != nil {
			return err
		}
	}
	return nil
}

// logs writes the ends of the logs of a pod, or of the one container of it that is asked for.
func (st *stream) logs(ctx context.Context, uid string) error {
	kept := slices.DeleteFunc(st.o.Sources.Kept(uid), func(of evidence.Ref) bool {
		return !st.query.wants(record.Entry{PodUID: uid, Log: &record.Log{Of: of}})
	})
	for _, of := range kept[:min(len(kept), st.query.logs)] {
		var err error
		if st.out.sent > mostBytes {
			err = st.entry(ctx, record.Entry{PodUID: uid, Log: &record.Log{Of: of, Missing: "it is kept, and this answer was full"}})
		} else {
			err = st.log(ctx, uid, of)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logEnd is how much of each log an answer of entries has.
const logEnd = 64 << 10

// log writes the end of a log, where there still is one and the reader may see it: before that it is not opened.
func (st *stream) log(ctx context.Context, uid string, of evidence.Ref) error {
	l, err := st.o.Sources.Log(uid, of.Container, of.Attempt)
	if errors.Is(err, ErrNoLog) { // gone since it was listed
		return nil
	}
	if err != nil || l.Of.Namespace == "" || l.Of.Attempt != of.Attempt || l.Of.Container != of.Container {
		return err
	}
	if sees, err := st.reads(ctx, l.Of.Namespace); err != nil || !sees {
		return err
	}
	e := record.Entry{PodUID: uid, Log: &record.Log{Of: l.Of}}
	var ok bool
	if e.Log.Text, e.Log.Missing, ok = endOf(l); !ok {
		return nil
	}
	return st.entry(ctx, e)
}

// endOf reads the end of a log, and tells what is missing; false where there is none any more.
func endOf(l Log) (end, missing string, ok bool) {
	body, missing, err := l.Open()
	if err != nil {
		return "", "", false
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, mostBytes))
	if err != nil {
		return "", "", false
	}
	if cut := len(text) - logEnd; cut > 0 {
		text = text[cut:]
		text = text[bytes.IndexByte(text, '\n')+1:]
		before := fmt.Sprintf("everything before the last %d bytes", len(text))
		missing = strings.TrimPrefix(missing+", "+before, ", ")
	}
	return strings.ToValidUTF8(string(text), "\uFFFD"), missing, true
}

// entry writes an entry that is wanted and may be seen.
func (st *stream) entry(ctx context.Context, e record.Entry) error {
	if !st.query.wants(e) {
		return nil
	}
	sees, err := st.sees(ctx, &e)
	if err != nil {
		return err
	}
	if !sees {
		if !st.query.guesses(e) {
			st.hidden++
		}
		return nil
	}
	st.count++
	return st.line(e)
}

func (st *stream) line(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = st.out.Write(append(data, '\n'))
	return err
}

// sees tells whether the reader may see an entry: what is about a pod, when it may read logs in the pod's namespace; where
// that is not known, in all namespaces. Of one that names another pod too it leaves what may be seen.
func (st *stream) sees(ctx context.Context, e *record.Entry) (bool, error) {
	about := e.About()
	if e.PodUID != "" || about.Namespace != "" {
		if sees, err := st.reads(ctx, about.Namespace); err != nil || !sees {
			return false, err
		}
	}
	names, brief := e.Names, e.Brief
	e.Names, e.Brief = "", ""
	if names == "" {
		return true, nil
	}
	if names == record.Anybody {
		names = ""
	}
	if sees, err := st.reads(ctx, names); err != nil || sees || e.Fact == nil {
		return sees, err
	}
	fact := *e.Fact
	fact.Text = brief
	e.Fact = &fact
	return brief != "", nil
}

// reads tells whether the reader may read logs in a namespace; in all where that is empty.
func (st *stream) reads(ctx context.Context, namespace string) (bool, error) {
	err := st.caller.may(ctx, logRight(namespace))
	if errors.Is(err, errForbidden) {
		return false, nil
	}
	return err == nil, err
}

// end writes the last line. An error that came before the first byte is the answer; a later one stands in the last line.
func (st *stream) end(err error) error {
	if err != nil && !st.out.begun {
		st.out.Reset(nil) // nothing went out yet
		return err
	}
	if err == nil {
		err = errors.Join(st.absences(), st.tail(""))
	} else {
		err = st.tail(reason(err))
	}
	_ = errors.Join(err, st.out.Flush()) // the client is gone, or goes now
	return nil
}

// absences writes a gap without a number and without times for each source of evidence that is missing now: the record has when
// it was, and who reads it may not come that far.
func (st *stream) absences() error {
	if st.o.Sources.Features == nil || !st.query.gaps || st.query.follow {
		return nil
	}
	why := st.o.Sources.Features()
	for _, name := range slices.Sorted(maps.Keys(why)) {
		if why[name] == "" {
			continue
		}
		gap := record.Entry{At: st.o.Now().UTC(), Gap: &record.Gap{About: evidence.RefTo("Node", "", st.o.Node), What: name, Why: why[name]}}
		if err := st.line(gap); err != nil {
			return err
		}
	}
	return nil
}

// reason is what a reader is told of an error; what went wrong between agent and API server is not for everybody.
func reason(err error) string {
	if errors.Is(err, errUnreachable) {
		return errUnreachable.Error()
	}
	return err.Error()
}

func (st *stream) tail(problem string) error {
	ring, first, _ := st.o.Sources.Span()
	t := record.Tail{
		Next: st.next, First: first, Ring: ring, Node: st.o.Node, Now: st.o.Now().UTC().Round(time.Microsecond),
		Hidden: st.hidden, More: st.more, Error: problem, Features: map[string]string{},
	}
	if st.o.Sources.Features != nil {
		t.Features = st.o.Sources.Features()
	}
	return st.line(t)
}

func (s *Server) runs(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.present(w, r, c, s.o.Sources.Runs, "the runtime is not read")
}

func (s *Server) saturation(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.present(w, r, c, s.o.Sources.Saturation, "usage is not read")
}

// present answers with what is so now, in the form of entries without a number.
func (s *Server) present(w http.ResponseWriter, r *http.Request, c caller, source func() []record.Entry, without string) error {
	q, err := parseEntries(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if source == nil {
		return refusal{http.StatusNotFound, without}
	}
	st := stream{Server: s, caller: c, query: q, out: s.output(w, r, jsonLines)}
	if s.o.Sources.Span != nil {
		_, _, st.next = s.o.Sources.Span()
	}
	for _, e := range source() {
		if err := st.entry(r.Context(), e); err != nil {
			return st.end(err)
		}
	}
	return st.end(nil)
}

// Counters are the answers so far, by status, their bytes, and the connections that were closed because there were too many.
func (s *Server) Counters() (byStatus map[int]int64, sent, refused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answers), s.sent, s.door.refused.Load()
}
