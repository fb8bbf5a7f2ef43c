// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

const (
	changed   = "event: change\ndata: now\n\n"
	heartbeat = 20 * time.Second
	// breath is the least time between two times that a page is told to ask again.
	breath = 500 * time.Millisecond
	// slow is how long a reader may take to take what it is told. Who takes longer is let go of, and connects again.
	slow = 10 * time.Second
)

// live tells a page that there is something new, never what: pages then ask for themselves again, with their own rights. Whether
// the caller may still see anything is asked with each word.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	if _, err := c.Access.Rights(r.Context(), r); err != nil {
		c.refuse(w, r, err)
		return
	}
	leave, ok := c.streams.enter(c.Access.Caller(r), never)
	if !ok {
		c.refuse(w, r, errBusy)
		return
	}
	defer leave()
	changes, cancel := c.own().Changes()
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	say := func(text string) bool {
		if _, err := c.Access.Rights(r.Context(), r); err != nil {
			return false
		}
		_ = out.SetWriteDeadline(time.Now().Add(slow)) // a writer without deadlines is one of a test
		_, err := fmt.Fprint(w, text)
		return err == nil && out.Flush() == nil
	}
	if say("retry: 2000\nevent: hello\ndata: now\n\n") {
		c.tell(r.Context(), changes, say)
	}
}

// tell passes on what changes, until nobody listens or the server ends, with which its requests' context does.
func (c *Console) tell(ctx context.Context, changes <-chan history.Change, say func(string) bool) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			text := ": alive\n\n"
			if c.Shared { // what others write is heard of, unless what stands before the database keeps that back
				text = changed
			}
			if !say(text) {
				return
			}
		case _, more := <-changes:
			if !more || !drain(ctx, changes) || !say(changed) {
				return
			}
		}
	}
}

// drain takes what else comes within a breath; false when there is nobody left to tell.
func drain(ctx context.Context, changes <-chan history.Change) bool {
	after := time.NewTimer(breath)
	defer after.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-after.C:
			return true
		case _, more := <-changes:
			if !more {
				return false
			}
		}
	}
}
