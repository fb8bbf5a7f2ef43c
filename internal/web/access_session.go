// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A session is what a browser brings with each request, sealed, so that any replica knows it and none keeps it. A token in it is
// reviewed as often as one in a header: it ends with the token.
type session struct {
	Token  string    `json:"token,omitempty"`
	User   string    `json:"user,omitempty"` // else somebody whom a provider of OpenID Connect knows
	Groups []string  `json:"groups,omitempty"`
	Until  time.Time `json:"until"`
}

// mostCookie is what browsers keep of one (RFC 6265 section 6.1), its attributes counted.
const mostCookie = 3900

// A seal makes text that nobody else can read or change.
type seal struct{ aead cipher.AEAD }

func newSeal(key []byte) (*seal, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("read the key of sessions: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &seal{aead}, err
}

// close seals a value for a purpose.
func (s *seal) close(purpose string, v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, data, []byte(purpose))), nil
}

// open reads a value that was sealed for the same purpose.
func (s *seal) open(purpose, text string, v any) bool {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	plain, err := s.aead.Open(nil, nil, data, []byte(purpose))
	return err == nil && json.Unmarshal(plain, v) == nil
}

// NewKey returns a key for sessions that no other process has.
func NewKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

// cookie names it so that no other host and no plain page can set it, where it is served by TLS.
func (a *ClusterAccess) cookie(r *http.Request, name, value string, seconds int) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if c.Secure {
		c.Name = "__Host-" + name
	}
	return c
}

// begin lets a browser in.
func (a *ClusterAccess) begin(w http.ResponseWriter, r *http.Request, s session) error {
	value, err := a.seal.close(cookie, s)
	if err != nil {
		return err
	}
	if len(value) > mostCookie {
		return &RefusalError{"this token is longer than a browser keeps: use inquest console, or a token of a service account"}
	}
	http.SetCookie(w, a.cookie(r, cookie, value, int(s.Until.Sub(a.o.Now()).Seconds())))
	return nil
}

func (a *ClusterAccess) session(r *http.Request) (session, bool) {
	var s session
	c, err := r.Cookie(a.cookie(r, cookie, "", 0).Name)
	if err != nil || !a.seal.open(cookie, c.Value, &s) || !a.o.Now().Before(s.Until) {
		return s, false
	}
	return s, !a.left.has(s.key(), s.Until)
}

// key is one for each session, however its cookie is written.
func (s *session) key() string { return keyOf(s.Token, s.User, s.Until.Format(time.RFC3339Nano)) }

// InSession tells whether it is a session that lets a caller in, which he may want to end.
func (a *ClusterAccess) InSession(r *http.Request) bool {
	_, token := tokenIn(r)
	_, in := a.session(r)
	return in && !token
}

// end has the browser forget its session, and this replica refuse it from now on, whoever has a copy. Others know it by its seal alone.
func (a *ClusterAccess) end(w http.ResponseWriter, r *http.Request) {
	if s, in := a.session(r); in {
		a.left.add(s.key(), s.Until, a.o.Now())
	}
	http.SetCookie(w, a.cookie(r, cookie, "", -1))
}

// mostDeparted bounds the sessions that were ended and are remembered by themselves.
const mostDeparted = 1 << 16

// Departed are sessions that somebody ended, as long as their seals are good. Where there are too many, those that are good for the shortest
// time are forgotten, and every session that is not good for longer counts as ended with them: whoever is in one has to come in again.
type departed struct {
	mu     sync.Mutex
	until  map[string]time.Time
	before time.Time // what is good until then or shorter has ended
}

func (d *departed) has(key string, until time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, is := d.until[key]
	return is || !until.After(d.before)
}

func (d *departed) add(key string, until, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.until == nil {
		d.until = map[string]time.Time{}
	}
	if len(d.until) >= mostDeparted {
		maps.DeleteFunc(d.until, func(_ string, until time.Time) bool { return !now.Before(until) })
	}
	if len(d.until) >= mostDeparted {
		all := slices.SortedFunc(maps.Values(d.until), time.Time.Compare)
		d.before = all[len(all)/8] // as many at once as make it seldom
		maps.DeleteFunc(d.until, func(_ string, until time.Time) bool { return !until.After(d.before) })
	}
	d.until[key] = until
}
