// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// quiet is how long a watch may say nothing before it is taken for broken: API servers send a bookmark each minute
	// (k8s.io/apiserver cacher, defaultBookmarkFrequency) of the kinds that they hold in memory. Those of which none has come, as
	// none comes of Events, may be silent for as long as there is nothing to say; that the server is there, HTTP/2 finds out, by which
	// they have to be watched.
	quiet = 90 * time.Second
	// answersIn is how long an API server may take to begin to answer.
	answersIn = time.Minute
	// shortest and longest are the pauses before a watch is begun again.
	shortest, longest = 500 * time.Millisecond, 30 * time.Second
	// pageSize is how many objects a list holds, where the API server cannot stream one.
	pageSize = 500
)

// A Stream follows all objects of one kind: each as it is at first, then each change. It holds none of them.
type Stream struct {
	Client   rest.Interface // of the group and version; asks for protobuf where the kind has it
	Resource string         // "pods"
	// Namespace is the one whose objects are followed; empty for all.
	Namespace string
	// Leisure is how long what comes may wait, so that more of it is read at a time: to be woken costs more than most has to say.
	Leisure time.Duration
	// Marks says that the API server sends bookmarks of this kind. Else they are waited for only after one has come.
	Marks bool

	// See is told of each object, in order, and must not keep it whole. The type is Added, Modified or Deleted; while the
	// stream is not in step it is Added for all there are.
	See func(apiwatch.EventType, evidence.Object)
	// InStep is told when all there are have been seen, with whether they were listed anew: what was known before and not
	// seen since the last call of Begin is gone.
	InStep func()
	// Begin is told before all there are come again.
	Begin func()
	// Broken is told that nothing was heard, from the last that was heard to now, and why: once until all there are have been seen
	// again. What changed in between comes when the stream goes on.
	Broken func(since time.Time, why error)
	// Now is the clock.
	Now func() time.Time

	version string // resume from here; empty: all there are come again
	lists   bool   // the API server cannot stream a list
	synced  bool
	marked  bool // a bookmark came that was not the end of all there are
	blind   bool // Broken was told, and since then not InStep
	heard   time.Time
}

// Run follows the objects until the context ends, whose error it returns. It returns another one only where following makes
// no sense: it is forbidden, or there is no such kind.
func (s *Stream) Run(ctx context.Context) error {
	pause := shortest
	if s.heard.IsZero() {
		s.heard = s.Now()
	}
	for {
		before, began := s.heard, s.Now()
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = s.over(err); hopeless(err) {
			return fmt.Errorf("watch %s: %w", s.Resource, err)
		}
		if s.heard != before {
			pause = shortest
		}
		if err == nil && s.Now().Sub(began) >= shortest { // the API server ends each watch after some minutes
			continue
		}
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
			pause = max(pause, min(time.Duration(seconds)*time.Second, mostRespite))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.Jitter(pause, 1)):
		}
		pause = min(2*pause, longest)
	}
}

// over notes how a watch ended, and tells once where it broke.
func (s *Stream) over(err error) error {
	if err == nil && !s.synced {
		err = errShort
	}
	if err != nil && !s.blind && (s.synced || !hopeless(err)) {
		s.blind = true
		s.Broken(s.heard, err)
	}
	s.synced = s.synced && err == nil
	return err
}

// hopeless tells whether asking again will not help until somebody changes something.
func hopeless(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// errQuiet is that a watch said nothing for longer than one that lives does.
var errQuiet = errors.New("the API server sent nothing, not even a bookmark")

// errShort is that a watch ended before all there are had come.
var errShort = errors.New("the API server ended the watch before it had sent all there are")

// follow watches once. It returns nil when the API server ended the watch as it ends each.
func (s *Stream) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.version == "" && s.lists {
		if err := s.list(ctx); err != nil {
			return err
		}
	}
	options := &metav1.ListOptions{Watch: true, AllowWatchBookmarks: true, ResourceVersion: s.version}
	streamed := s.version == ""
	if streamed {
		whole := true
		options.SendInitialEvents, options.ResourceVersionMatch = &whole, metav1.ResourceVersionMatchNotOlderThan
		s.Begin()
	}
	hangs := time.AfterFunc(answersIn, func() { cancel(nil) })
	body, err := s.ask(options).Stream(ctx)
	hangs.Stop()
	if streamed && apierrors.IsInvalid(err) { // before Kubernetes 1.32, or with the feature WatchList off
		s.lists = true
		return s.follow(ctx)
	}
	if err != nil {
		return s.expired(err)
	}
	defer body.Close()
	defer context.AfterFunc(ctx, func() { _ = body.Close() })() // whoever reads hears of it
	if !streamed {
		s.inStep()
	}
	return s.read(ctx, cancel, &events{body: &lazy{Reader: body, pause: s.Leisure, ended: ctx.Done()}})
}

// ask makes a request that is made once: where the API server refuses it and says for how long, client-go would ask again ten times, and
// nobody would hear meanwhile that nothing is heard.
func (s *Stream) ask(options *metav1.ListOptions) *rest.Request {
	return s.Client.Get().NamespaceIfScoped(s.Namespace, s.Namespace != "").Resource(s.Resource).VersionedParams(options, scheme.ParameterCodec).MaxRetries(0)
}

// read hands on what a watch brings until it ends.
func (s *Stream) read(ctx context.Context, cancel context.CancelCauseFunc, all *events) error {
	alarm := time.AfterFunc(quiet, func() { cancel(errQuiet) })
	alarm.Stop()
	for {
		if s.Marks || s.marked || !s.synced { // while all there are come, there is no reason to be silent
			alarm.Reset(quiet)
		}
		event, err := all.next()
		alarm.Stop()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && (utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) && !s.Marks): // the API server, or what is on the way to it, closed the connection
			if !s.marked { // silence says nothing: it was there to its end
				s.heard = s.Now()
			}
			return nil
		case err != nil:
			return err
		}
		if err := s.take(event); err != nil {
			return err
		}
	}
}

func (s *Stream) take(event apiwatch.Event) error {
	if event.Type == apiwatch.Error {
		return s.expired(apierrors.FromObject(event.Object))
	}
	o, ok := event.Object.(evidence.Object)
	if !ok {
		return fmt.Errorf("the API server sent a %T, which is no object", event.Object)
	}
	s.heard = s.Now()
	switch {
	case event.Type != apiwatch.Bookmark:
		s.See(event.Type, o)
	case o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true":
		s.inStep()
	default:
		s.marked = true
	}
	if s.synced { // the versions of a list that is still coming are in no order
		s.version = o.GetResourceVersion()
	}
	return nil
}

// expired forgets the version to go on from where the API server no longer has it, so that all there are come again.
func (s *Stream) expired(err error) error {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsTimeout(err) && s.version != "" && !s.synced {
		s.version = ""
	}
	return err
}

func (s *Stream) inStep() {
	s.synced, s.blind, s.heard = true, false, s.Now()
	s.InStep()
}

// list reads all there are, page by page.
func (s *Stream) list(ctx context.Context) error {
	s.Begin()
	options := &metav1.ListOptions{Limit: pageSize}
	for {
		brief, cancel := context.WithTimeout(ctx, quiet)
		page, err := s.ask(options).Do(brief).Get()
		cancel()
		if err != nil {
			return err
		}
		err = meta.EachListItem(page, func(item runtime.Object) error {
			if o, ok := item.(evidence.Object); ok {
				s.See(apiwatch.Added, o)
			}
			return nil
		})
		if err != nil {
			return err
		}
		list, err := meta.ListAccessor(page)
		if err != nil {
			return err
		}
		s.heard = s.Now()
		if options.Continue = list.GetContinue(); options.Continue == "" {
			s.version = list.GetResourceVersion()
			return nil
		}
	}
}
