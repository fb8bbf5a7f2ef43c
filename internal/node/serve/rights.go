// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kubeinquest/inquest/internal/record"
)

const (
	keepReviews = 10 * time.Second
	mostKept    = 1024    // answers of reviews
	maxToken    = 8 << 10 // projected tokens have about 1 KiB
)

var (
	errWho         = errors.New("the token is not one for the agent of this node, or has expired: make it for the audience inquest-agent/NODE, and send it in the header " + record.TokenHeader)
	errTooMany     = errors.New("too many tokens that are not known here come from this address")
	errShare       = errors.New("too many requests of this user are under way, ask again in a second")
	errForbidden   = errors.New("forbidden")
	errUnreachable = errors.New("the API server cannot be asked who may read this")
)

// A right is one to get something: a resource, or a path that is none. It is comparable.
type right struct {
	group, resource, sub, namespace, name string
	path                                  string
}

func (r right) String() string {
	if r.path != "" {
		return "get " + r.path
	}
	s := "get " + strings.Trim(r.resource+"/"+r.sub, "/")
	if r.group != "" {
		s = "get " + r.resource + "." + r.group
	}
	if r.name != "" {
		s += "/" + r.name
	}
	if r.namespace != "" {
		s += " in namespace " + r.namespace
	}
	return s
}

func nodeRight(node string) right {
	return right{group: record.Group, resource: record.Resource, name: node}
}
func logRight(namespace string) right {
	return right{resource: "pods", sub: "log", namespace: namespace}
}

// A guard asks the API server who may read what, and remembers the answers for a while. Where it cannot ask, nobody may.
type guard struct {
	node  string
	api   *API
	now   func() time.Time
	turns singleflight.Group
	// new bounds the reviews of tokens that are not known, by the address that they come from: who makes tokens up costs the API
	// server little, and nobody else anything. All who come by the API server's proxy share its address.
	new rate

	mu   sync.Mutex
	kept map[asked]answer
}

// asked is a question: whose a token is, or whether its owner has a right. Of the token it has a hash alone.
type asked struct {
	token    [sha256.Size]byte
	audience string
	to       right
}

type answer struct {
	user  user
	yes   bool
	until time.Time // it counts; zero: as long as any
}

// A caller is somebody whose token was found good.
type caller struct {
	guard    *guard
	token    string
	hash     [sha256.Size]byte
	audience string
}

// caller tells who sends a request: by our own header, or else as any other component is told.
func (g *guard) caller(r *http.Request, audience string) (caller, error) {
	token := r.Header.Get(record.TokenHeader)
	if token == "" {
		scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(bearer)
		}
	} else {
		audience = record.Audience(g.node)
	}
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, notInToken) {
		return caller{}, errWho
	}
	c := caller{g, token, sha256.Sum256([]byte(token)), audience}
	if _, known := g.remembered(c.question(right{})); !known && !g.new.may(hostOf(r.RemoteAddr), g.now()) {
		return caller{}, errTooMany
	}
	_, err := c.who(r.Context())
	return c, err
}

func notInToken(r rune) bool { return r <= ' ' || r >= 0x7f }

// who is the user whose token it is.
func (c caller) who(ctx context.Context) (answer, error) {
	a, err := c.guard.ask(ctx, c.question(right{}), func(ctx context.Context) (answer, error) {
		who, known, err := c.guard.api.whose(ctx, c.token, c.audience)
		return answer{user: who, yes: known}, err
	})
	if err == nil && !a.yes {
		err = errWho
	}
	return a, err
}

// may returns nil when the caller has a right, now or at most ten seconds ago.
func (c caller) may(ctx context.Context, to right) error {
	who, err := c.who(ctx)
	if err != nil {
		return err
	}
	a, err := c.guard.ask(ctx, c.question(to), func(ctx context.Context) (answer, error) {
		yes, err := c.guard.api.may(ctx, who.user, to)
		return answer{yes: yes, until: who.until}, err // a user's groups are as old as the user
	})
	if err == nil && !a.yes {
		err = fmt.Errorf("%w: user %q may not %s", errForbidden, who.user.Username, to)
	}
	return err
}

func (c caller) question(to right) asked {
	return asked{token: c.hash, audience: c.audience, to: to}
}

// ask answers from what is kept, or asks, once for all who want to know the same.
func (g *guard) ask(ctx context.Context, q asked, review func(context.Context) (answer, error)) (answer, error) {
	if a, ok := g.remembered(q); ok {
		return a, nil
	}
	turn := g.turns.DoChan(fmt.Sprintf("%x %q %q", q.token, q.audience, q.to), func() (any, error) {
		if a, ok := g.remembered(q); ok { // since it was looked for, another turn has ended
			return a, nil
		}
		until := g.now().Add(keepReviews)            // of when it is asked: the answer may be slow
		a, err := review(context.WithoutCancel(ctx)) // others wait for it too; it has its own limit
		if err != nil {
			return answer{}, fmt.Errorf("%w: %w", errUnreachable, err)
		}
		if a.until.IsZero() || until.Before(a.until) {
			a.until = until
		}
		g.keep(q, a)
		return a, nil
	})
	select {
	case result := <-turn:
		a, _ := result.Val.(answer)
		return a, result.Err
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

func (g *guard) remembered(q asked) (answer, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.kept[q]
	return a, ok && g.now().Before(a.until)
}

// keep makes room for an answer by those that are too old, or else by any.
func (g *guard) keep(q asked, a answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.kept) >= mostKept {
		now := g.now()
		for old, b := range g.kept {
			if !now.Before(b.until) {
				delete(g.kept, old)
			}
		}
	}
	for old := range g.kept {
		if len(g.kept) < mostKept {
			break
		}
		delete(g.kept, old)
	}
	g.kept[q] = a
}
