// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A handshake costs the agent a third of a millisecond of a processor before anybody has said who they are.
const (
	knockEvery    = 50 * time.Millisecond // a connection of one address is let in,
	knocksAhead   = 64                    // and so many at once
	crowdEvery    = 10 * time.Millisecond // one of all addresses that are strange,
	crowdAhead    = 128
	turnedAway    = 1000 // connections a second that are closed at once, before more of them are even looked at
	friendFor     = 10 * time.Minute
	mostAddresses = 1024
)

// A rate is how often each of many may do something. The zero value lets everybody.
type rate struct {
	every time.Duration
	ahead int // that may be done at once

	mu   sync.Mutex
	free map[string]time.Time // when the last one that was let in is paid for
}

func (r *rate) may(who string, now time.Time) bool {
	if r.every == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free == nil || len(r.free) >= mostAddresses {
		maps.DeleteFunc(r.free, func(_ string, free time.Time) bool { return free.Before(now) })
	}
	free, known := r.free[who]
	if free.Before(now) {
		free = now
	}
	free = free.Add(r.every)
	if free.Sub(now) > time.Duration(r.ahead)*r.every || !known && len(r.free) >= mostAddresses {
		return false
	}
	if r.free == nil {
		r.free = map[string]time.Time{}
	}
	r.free[who] = free
	return true
}

// A door lets connections in at a rate that bounds what their handshakes cost: so many of one address, and so many of all
// addresses that nobody with a good token came from lately. What comes from the node itself, as the kubelet's probes do, is
// not of these. Whoever is one too many is closed before the handshake.
type door struct {
	net.Listener
	now     func() time.Time
	of      rate // one address
	all     rate
	away    pace
	refused atomic.Int64

	mu      sync.Mutex
	friends map[string]time.Time // until when, by address
}

func newDoor(now func() time.Time) *door {
	return &door{
		now: now, of: rate{every: knockEvery, ahead: knocksAhead}, all: rate{every: crowdEvery, ahead: crowdAhead},
		away: pace{rate: turnedAway}, friends: map[string]time.Time{},
	}
}

// Accept returns the next connection that is let in.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.opens(hostOf(conn.RemoteAddr().String()), hostOf(conn.LocalAddr().String())) {
			return conn, nil
		}
		d.refused.Add(1)
		conn.Close()
		if err := d.away.wait(nil, 1); err != nil {
			return nil, err
		}
	}
}

func (d *door) opens(host, own string) bool {
	now := d.now()
	return d.of.may(host, now) && (host == own || d.friend(host, now) || d.all.may("", now))
}

func (d *door) friend(host string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Before(d.friends[host])
}

// welcome notes that somebody with a good token came from an address.
func (d *door) welcome(address string) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.friends) >= mostAddresses {
		maps.DeleteFunc(d.friends, func(_ string, until time.Time) bool { return until.Before(now) })
	}
	if host := hostOf(address); len(d.friends) < mostAddresses || !d.friends[host].IsZero() {
		d.friends[host] = now.Add(friendFor)
	}
}

// A shares is how many requests of each user are under way: nobody takes all places.
type shares struct {
	mu sync.Mutex
	of map[string]int
}

// take takes a place for a user, unless the user has most of them; leave gives it back.
func (s *shares) take(user string, most int) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[user] >= most {
		return nil, false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.of[user]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.of[user]--; s.of[user] <= 0 {
			delete(s.of, user)
		}
	}, true
}
