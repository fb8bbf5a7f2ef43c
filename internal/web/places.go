// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"sync"
	"time"
)

// Places bound what is under way at once: in all, and for one caller, so that none keeps all others out. Strangers, whose name is
// empty, are one caller together.
type places struct {
	all  chan struct{}
	each int
	mu   sync.Mutex
	own  map[string]*share
}

// A share is what one caller has of places. It is forgotten when he has none, and waits for none.
type share struct {
	taken chan struct{}
	users int
}

func newPlaces(all, each int) *places {
	return &places{all: make(chan struct{}, all), each: each, own: map[string]*share{}}
}

// never is what somebody waits on who does not wait.
var never = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// enter takes a place, for which it waits until the other channel says that it is too late. Who waits because his own are taken
// takes none from others.
func (p *places) enter(who string, late <-chan struct{}) (leave func(), ok bool) {
	p.mu.Lock()
	mine := p.own[who]
	if mine == nil {
		mine = &share{taken: make(chan struct{}, p.each)}
		p.own[who] = mine
	}
	mine.users++
	p.mu.Unlock()
	forget := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(p.own, who)
		}
	}
	if !take(mine.taken, late) {
		forget()
		return nil, false
	}
	if !take(p.all, late) {
		<-mine.taken
		forget()
		return nil, false
	}
	return func() {
		<-p.all
		<-mine.taken
		forget()
	}, true
}

func take(places chan<- struct{}, late <-chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	select {
	case places <- struct{}{}:
		return true
	case <-late:
		return false
	}
}

const (
	chunk   = 32 << 10         // bytes of an answer that a reader has slow for,
	longest = 10 * time.Minute // and all of it no longer than this
)

// A steady writer gives a reader time for each part of an answer: who reads slowly gets all of it, and who does not read holds no
// place for longer than one part.
type steady struct {
	http.ResponseWriter
	until time.Time
}

func newSteady(w http.ResponseWriter) *steady { return &steady{w, time.Now().Add(longest)} }

// Write sends in parts.
func (s *steady) Write(data []byte) (int, error) {
	out, sent := http.NewResponseController(s.ResponseWriter), 0
	for sent < len(data) {
		at := time.Now().Add(slow)
		if at.After(s.until) {
			at = s.until
		}
		_ = out.SetWriteDeadline(at) // a writer without deadlines is one of a test
		n, err := s.ResponseWriter.Write(data[sent:min(sent+chunk, len(data))])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
