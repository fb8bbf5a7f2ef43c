// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// TestDoor: who knocks too often is let in no more, and keeps nobody out who is known or is the node itself.
func TestDoor(t *testing.T) {
	now := time.Now()
	d := newDoor(func() time.Time { return now })
	let := func(host string, knocks int) (in int) {
		for range knocks {
			if d.opens(host, "192.0.2.100") {
				in++
			}
		}
		return in
	}
	d.welcome("192.0.2.1:1")
	if in := let("192.0.2.2", 1000); in != knocksAhead {
		t.Errorf("%d of one address were let in", in)
	}
	for i := range 2 * crowdAhead {
		let(fmt.Sprintf("198.51.100.%d", i), 1)
	}
	for host, want := range map[string]int{"203.0.113.1": 0, "192.0.2.1": 10, "192.0.2.100": 10} {
		if in := let(host, 10); in != want {
			t.Errorf("in a crowd of strangers %d of 10 of %s were let in, want %d", in, host, want)
		}
	}
	now = now.Add(time.Second)
	if in := let("203.0.113.1", 10); in != 10 {
		t.Errorf("a second later %d of 10 strangers were let in", in)
	}
	if now = now.Add(friendFor); d.friend("192.0.2.1", now) {
		t.Error("somebody is known for ever")
	}
	for i := range 2 * mostAddresses {
		d.welcome(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256))
	}
	if len(d.friends) > mostAddresses || len(d.of.free) > mostAddresses {
		t.Errorf("%d addresses are known, %d counted", len(d.friends), len(d.of.free))
	}
}

// TestDoorIsClosed: what is one connection too many ends before the server has done anything for it.
func TestDoorIsClosed(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	handshakes := 0
	s := start(t, api, from, func(s *Server) {
		s.door.of = rate{every: time.Hour, ahead: 2}
		s.http.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { handshakes++; return nil, nil }
	})
	for i := range 20 {
		conn, err := (&tls.Dialer{Config: trust(t, s.Server)}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "https://"))
		if (err == nil) != (i < 2) {
			t.Fatalf("connection %d gives %v", i, err)
		}
		if err == nil {
			defer conn.Close()
		}
	}
	if _, _, refused := s.Counters(); refused != 18 || handshakes != 2 {
		t.Errorf("%d were refused, %d handshakes were made", refused, handshakes)
	}
}

// TestHandshakesThatHang: whoever begins handshakes and ends none is let go, and others are answered meanwhile.
func TestHandshakesThatHang(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, func(s *Server) { s.http.ReadHeaderTimeout = 500 * time.Millisecond })
	var held []net.Conn
	for range 2 * mostClients {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "\x16\x03\x01\x02\x00\x01"); err != nil {
			t.Logf("one of too many: %v", err)
		}
		held = append(held, conn)
	}
	if resp, _ := s.get("/v1/entries", "reader"); resp.StatusCode != http.StatusOK {
		t.Errorf("beside them: %s", resp.Status)
	}
	for _, conn := range held {
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("it ends with %v", err)
		}
	}
}

// TestShares: one user does not take all places, and what another one asks for is answered.
func TestShares(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	status := func(path, token string) int {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set(record.TokenHeader, token)
		s.handle(w, req)
		return w.Code
	}
	var leaves []func()
	for range mostOfUser {
		leave, ok := s.of.take("reader", mostOfUser)
		if !ok {
			t.Fatal("a place is refused too soon")
		}
		leaves = append(leaves, leave)
	}
	if mine, others := status("/v1/runs", "reader"), status("/v1/runs", "admin"); mine != http.StatusTooManyRequests || others != http.StatusOK {
		t.Errorf("with all places taken a user gets %d, another %d", mine, others)
	}
	for _, leave := range leaves {
		leave()
	}
	for range mostFollows {
		s.follow.take("reader", mostFollows)
	}
	if got := status("/v1/entries?follow=1", "reader"); got != http.StatusServiceUnavailable || len(s.of.of) != 0 {
		t.Errorf("one who follows too often gets %d; places are taken of %v", got, s.of.of)
	}
}

// TestLogIsNotOpened for who may not read it.
func TestLogIsNotOpened(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	opened := 0
	find := from.Log
	from.Log = func(uid, container string, attempt int) (Log, error) {
		l, err := find(uid, container, attempt)
		l.Open = func() (io.ReadCloser, string, error) { opened++; return nil, "", ErrNoLog }
		return l, err
	}
	from.Kept = func(uid string) []evidence.Ref {
		return []evidence.Ref{evidence.RefTo("Pod", strings.TrimPrefix(uid, "uid-"), "web-0").InContainer("app").InAttempt(1)}
	}
	s := start(t, api, from, nil)
	const log = "/v1/log?container=app&attempt=1&pod="
	if s.answer("/v1/entries?logs=8&pod=uid-bank", "reader"); opened != 0 {
		t.Error("a log is opened beside entries for who may not read it")
	}
	if s.answer("/v1/entries?logs=8&pod=uid-bank", "admin"); opened != 1 {
		t.Errorf("beside entries it was opened %d times", opened)
	}
	opened = 0
	if resp, _ := s.get(log+"uid-bank", "reader"); resp.StatusCode != http.StatusForbidden || opened != 0 {
		t.Errorf("who may not read it gets %s, opened %d times", resp.Status, opened)
	}
	if resp, _ := s.get(log+"uid-shop", "reader"); resp.StatusCode != http.StatusNotFound || opened != 1 {
		t.Errorf("a log that has gone meanwhile gives %s, opened %d times", resp.Status, opened)
	}
}

// TestReviewsAge: what a user may do is no older than what the user is, and an answer that came slowly is no younger.
func TestReviewsAge(t *testing.T) {
	fake, api := newAPI(t)
	now := time.Now()
	g := &guard{node: "n1", api: api, now: func() time.Time { return now }, kept: map[asked]answer{}}
	c := caller{guard: g, token: "reader", hash: sha256.Sum256([]byte("reader")), audience: record.Audience("n1")}
	if _, err := c.who(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(keepReviews - time.Second)
	if err := c.may(t.Context(), nodeRight("n1")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	fake.set(func() { fake.rights["reader"] = []string{"nothing"} })
	if err := c.may(t.Context(), nodeRight("n1")); !errors.Is(err, errForbidden) || len(fake.requests()) != 4 {
		t.Errorf("a right is kept with a user that is asked for anew: %v, %q", err, fake.requests())
	}
	_, err := g.ask(t.Context(), asked{audience: "slow"}, func(context.Context) (answer, error) {
		now = now.Add(keepReviews)
		return answer{yes: true}, nil
	})
	if _, kept := g.remembered(asked{audience: "slow"}); kept || err != nil {
		t.Errorf("an answer that took ten seconds is kept for ten more: %v, %v", kept, err)
	}
}

// TestNamesInGaps: also a run or a gap that names somebody goes to those alone who may see all.
func TestNamesInGaps(t *testing.T) {
	_, api := newAPI(t)
	m, from := sources()
	m.add(record.Entry{Names: record.Anybody, Gap: &record.Gap{About: m.list[0].About(), What: "kernel", Why: "of bank/web-0"}})
	s := start(t, api, from, nil)
	for token, want := range map[string]bool{"reader": false, "admin": true} {
		list, _ := s.answer("/v1/entries", token)
		if got := slices.ContainsFunc(list, func(e record.Entry) bool { return e.Gap != nil && strings.Contains(e.Gap.Why, "bank") }); got != want {
			t.Errorf("%s sees it: %v", token, got)
		}
	}
}
