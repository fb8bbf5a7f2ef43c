// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Rights is what a caller may see.
type Rights struct {
	All        bool     // every namespace, and what belongs to none: nodes, and of what the watch was interrupted
	Namespaces []string // else these; of what spans several namespaces only what is in them
	Nodes      bool     // what is told of nodes, beside that a pod is on one
	Foreign    []string // namespaces that there is something of and that he may not see: his pages do not name them
	Limit      int      // where there are more namespaces than are looked at for one caller: how many are, the first by name
}

// Bounds say what a page may lack of what its caller may see.
type Bounds struct {
	Limit int `json:"namespaceLimit,omitempty"` // what is shown is of so many namespaces at most, the first by name; absent where it is of all
}

func (r Rights) bounds() Bounds { return Bounds{r.Limit} }

// limited is how many namespaces a page is of at most; 0 for all.
func (b Bounds) limited() int { return b.Limit }

// missing is that there is nothing of that name among what was looked at.
func (r Rights) missing(err error) error {
	if r.Limit > 0 && errors.Is(err, errNotFound) {
		return fmt.Errorf("%w; %d namespaces are looked at for you, the first by name, and there are more", err, r.Limit)
	}
	return err
}

// An Access decides who may see what. It is asked on each request.
type Access interface {
	// Rights returns what the caller may see. An error that is a *RefusalError is told as it is; any other means that it could
	// not be found out, and nothing is shown.
	Rights(ctx context.Context, r *http.Request) (Rights, error)
	// Caller names who sends a request as far as that is known already, without asking anybody; empty for a stranger. It gives no
	// rights: it says whose share of the server's attention he gets.
	Caller(r *http.Request) string
	// Login lets somebody in who presents a secret, and sets what later requests are known by.
	Login(w http.ResponseWriter, r *http.Request, secret string) error
}

// A RefusalError says why somebody may not see anything, and what to do about it.
type RefusalError struct{ Why string }

// Error is the reason, as it is shown.
func (r *RefusalError) Error() string { return r.Why }

// A StrangerError tells a caller how to say who he is.
type StrangerError struct {
	Why      string
	Token    bool   // he may give a token of the cluster
	Provider string // he may go to this address, which leads to a provider of OpenID Connect; empty where there is none
}

// Error is the reason, as it is shown.
func (s *StrangerError) Error() string { return s.Why }

// logoutPath is where a session ends. As with all that changes something, a page of elsewhere that posts to it is refused.
const logoutPath = "/logout"

// cookie is the name of what a browser is known by, or what that begins with. A prefix keeps other hosts and plain pages of this one from setting it,
// where it is served by TLS.
const cookie = "inquest"

// stay is how long somebody who was let in stays in.
const stay = 12 * time.Hour

// A LoopbackAccess lets in whoever has the link that the program printed, once, on the machine that it runs on: whoever may read the
// terminal may ask the cluster as well.
type LoopbackAccess struct {
	cookie   string // its name: browsers keep one of a name for a host whatever its port, and there may be a server for each cluster
	mu       sync.Mutex
	secret   string // of the link; empty once it was used
	sessions map[string]time.Time
	now      func() time.Time
}

// NewLoopbackAccess returns one and the secret of its link.
func NewLoopbackAccess(now func() time.Time) (*LoopbackAccess, string) {
	secret := rand.Text()
	return &LoopbackAccess{cookie: cookie + "-" + rand.Text()[:8], secret: secret, sessions: map[string]time.Time{}, now: now}, secret
}

// Rights lets see everything or nothing.
func (a *LoopbackAccess) Rights(_ context.Context, r *http.Request) (Rights, error) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) { // a page of elsewhere, by a name that leads here
		return Rights{}, &RefusalError{"this console answers on the loopback address alone: open http://127.0.0.1"}
	}
	c, err := r.Cookie(a.cookie)
	if err != nil {
		return Rights{}, &RefusalError{"open the link that inquest serve printed, or start it again for a new one"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	until, in := a.sessions[c.Value]
	if !in || a.now().After(until) {
		delete(a.sessions, c.Value)
		return Rights{}, &RefusalError{"this browser is not let in any more: start inquest serve again for a new link"}
	}
	return Rights{All: true}, nil
}

// Caller is one for all who are let in.
func (a *LoopbackAccess) Caller(r *http.Request) string {
	c, err := r.Cookie(a.cookie)
	if err != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, in := a.sessions[c.Value]; !in {
		return ""
	}
	return "loopback"
}

// Login takes the secret of the link, once.
func (a *LoopbackAccess) Login(w http.ResponseWriter, _ *http.Request, secret string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(a.secret)) != 1 {
		return &RefusalError{"this link was used already or is none of this server: start inquest serve again for a new one"}
	}
	session := rand.Text()
	a.secret, a.sessions[session] = "", a.now().Add(stay)
	http.SetCookie(w, &http.Cookie{
		Name: a.cookie, Value: session, Path: "/", MaxAge: int(stay.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return nil
}
