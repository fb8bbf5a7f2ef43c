// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// mostKept bounds each list of answers and of addresses.
const mostKept = 1024

// Kept are answers that are good for a while. One is asked for once for all who want it, and an error is not kept.
type kept[V any] struct {
	turns singleflight.Group
	mu    sync.Mutex
	all   map[string]answer[V]
}

type answer[V any] struct {
	value V
	until time.Time
}

// keyOf names what is asked. Of a token it has a hash alone.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// look returns an answer that is still good.
func (k *kept[V]) look(now time.Time, key string) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.all[key]
	return a.value, ok && now.Before(a.until)
}

// last returns the answer that came last, however old it is.
func (k *kept[V]) last(key string) V {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[key].value
}

func (k *kept[V]) get(ctx context.Context, now func() time.Time, key string, ask func(context.Context) (V, error)) (V, error) {
	if v, ok := k.look(now(), key); ok {
		return v, nil
	}
	turn := k.turns.DoChan(key, func() (any, error) {
		until := now().Add(keepReviews) // of when it is asked: the answer may be slow
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewTime)
		defer cancel() // others wait for it too
		v, err := ask(ctx)
		if err == nil {
			k.keep(key, answer[V]{v, until}, now())
		}
		return v, err
	})
	var none V
	select {
	case result := <-turn:
		v, ok := result.Val.(V)
		if result.Err != nil || !ok {
			return none, result.Err
		}
		return v, nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// keep makes room by what is too old, or else by any.
func (k *kept[V]) keep(key string, a answer[V], now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[string]answer[V]{}
	}
	crowded(k.all, func(old answer[V]) bool { return !now.Before(old.until) })
	k.all[key] = a
}

// crowded makes room for one more.
func crowded[V any](all map[string]V, old func(V) bool) {
	if len(all) < mostKept {
		return
	}
	for key, v := range all {
		if old(v) {
			delete(all, key)
		}
	}
	for key := range all {
		if len(all) < mostKept {
			return
		}
		delete(all, key)
	}
}

const (
	strangerEvery = 200 * time.Millisecond // a token that is not known is reviewed for one address,
	strangerAhead = 40                     // and so many at once
)

// A crowd bounds how many tokens that are not known are reviewed for each address: who makes tokens up costs the API server
// little.
type crowd struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func (c *crowd) may(host string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.all[host]
	if l == nil {
		if c.all == nil {
			c.all = map[string]*rate.Limiter{}
		}
		crowded(c.all, func(l *rate.Limiter) bool { return l.TokensAt(now) >= strangerAhead })
		l = rate.NewLimiter(rate.Every(strangerEvery), strangerAhead)
		c.all[host] = l
	}
	return l.AllowN(now, 1)
}
