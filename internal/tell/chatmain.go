// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Chat is the program that sends one message to a chat: it reads an errand and writes what came of it. It belongs into a
// process of its own, as it changes how that connects.
func Chat(ctx context.Context, in io.Reader, out io.Writer) error {
	var e errand
	if err := json.NewDecoder(io.LimitReader(in, 1<<20)).Decode(&e); err != nil {
		return err
	}
	w := newWatched(transport(e.Private))
	http.DefaultTransport = w
	left, err := 0, error(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		left, err = e.send(ctx, w)
	}()
	var answer outcome
	select {
	case <-done:
		if answer = w.outcome(); answer == (outcome{}) && err != nil {
			answer.Fault = reticent(err, parsed(e.URL))
		} else if err == nil {
			answer.Left = left
		}
	case <-w.failed: // some would wait now and try again: whoever asked does that, for longer
		answer = w.outcome()
	}
	return json.NewEncoder(out).Encode(answer)
}

// send returns how many addresses of a mail were left out.
func (e *errand) send(ctx context.Context, w *watched) (left int, err error) {
	if err := chatCheck(parsed(e.URL)); err != nil {
		return 0, err
	}
	service, err := (&router.ServiceRouter{}).Locate(e.URL)
	if err != nil {
		return 0, err
	}
	if s, ok := service.(*smtp.Service); ok {
		s.Config.FixEmailTags()
		return e.mail(ctx, s.Config)
	}
	// Some come with a transport of their own.
	if s, ok := service.(interface{ GetHTTPClient() *http.Client }); ok && s.GetHTTPClient() != nil {
		s.GetHTTPClient().Transport = w
	}
	if s, ok := service.(interface{ SetHTTPClient(client *http.Client) }); ok {
		s.SetHTTPClient(&http.Client{Transport: w, Timeout: patience})
	}
	return 0, service.Send(e.Text, &types.Params{})
}

// watched is a transport that keeps what came of the first request that failed, or else of the last: the errors of services tell of it by
// their words alone, and some of them notice no refusal.
type watched struct {
	next   http.RoundTripper
	failed chan struct{} // is closed when a request failed or was refused

	mu     sync.Mutex
	status int
	pause  time.Duration
	err    error
}

func newWatched(next http.RoundTripper) *watched {
	return &watched{next: next, failed: make(chan struct{})}
}

// RoundTrip does not follow redirects.
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // what redirected here
		return nil, errRedirect
	}
	resp, err := w.next.RoundTrip(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.status/100 > 2 {
		return resp, err // that one is told
	}
	if w.err = err; err == nil {
		w.status, w.pause = resp.StatusCode, pauseOf(resp.Header.Get("Retry-After"), time.Now())
	}
	if err != nil || w.status/100 > 2 {
		close(w.failed)
	}
	return resp, err
}

func (w *watched) outcome() outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return outcome{Fault: line(w.err.Error(), maxSentence)}
	case w.status/100 > 2:
		return outcome{Status: w.status, Pause: w.pause}
	}
	return outcome{}
}

// parsed returns a URL, an empty one where it is none.
func parsed(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		return &url.URL{}
	}
	return u
}
