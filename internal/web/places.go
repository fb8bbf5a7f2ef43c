// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"sync"
	"time"
)

// Places bound what is under way at once: in all, and for one caller, so that none keeps all others out. Nor do several: a caller
// gets one more as long as he has fewer than are left, so that few who want all leave as many as each of them has. Strangers, whose
// name is empty, are one caller together.
type places struct {
	most, each int
	mu         sync.Mutex
	taken      int
	left       chan struct{} // closed when somebody leaves; another one comes in its place
	own        map[string]*share
}

// A share is what one caller has of places. It is forgotten when he has none, and waits for none.
type share struct {
	wanted chan struct{} // as many as he may have
	taken  int
	users  int
}

func newPlaces(all, each int) *places {
	return &places{most: all, each: each, left: make(chan struct{}), own: map[string]*share{}}
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
	mine := p.of(who)
	if !take(mine.wanted, late) {
		p.forget(who, mine)
		return nil, false
	}
	for {
		left, got := p.take(mine)
		if got {
			return func() { p.leave(who, mine) }, true
		}
		select {
		case <-left:
		case <-late:
			<-mine.wanted
			p.forget(who, mine)
			return nil, false
		}
	}
}

// of returns the share of a caller, and notes that he uses it.
func (p *places) of(who string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.own[who]
	if mine == nil {
		mine = &share{wanted: make(chan struct{}, p.each)}
		p.own[who] = mine
	}
	mine.users++
	return mine
}

func (p *places) forget(who string, mine *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(p.own, who)
	}
}

// take takes a place where there is one for the share, else it returns what is closed when somebody leaves.
func (p *places) take(mine *share) (left <-chan struct{}, got bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if got = mine.taken < p.most-p.taken; got {
		mine.taken++
		p.taken++
	}
	return p.left, got
}

func (p *places) leave(who string, mine *share) {
	p.mu.Lock()
	mine.taken--
	p.taken--
	close(p.left)
	p.left = make(chan struct{})
	p.mu.Unlock()
	<-mine.wanted
	p.forget(who, mine)
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
