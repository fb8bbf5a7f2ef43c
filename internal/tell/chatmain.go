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
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Chat is the program that sends one message to a chat: it reads an errand and writes what came of it. It belongs into a
// process of its own, as it changes how that connects.
func Chat(ctx context.Context, in io.Reader, out io.Writer) error {
	var e errand
	if err := json.NewDecoder(io.LimitReader(in, 1<<20)).Decode(&e); err != nil {
		return err
	}
	watched := &watched{next: transport(e.Private)}
	http.DefaultTransport = watched
	err := e.send(ctx, watched)
	answer := watched.outcome()
	if err != nil && answer == (outcome{}) {
		answer.Fault = reticent(err, parsed(e.URL))
	}
	return json.NewEncoder(out).Encode(answer)
}

func (e *errand) send(ctx context.Context, w *watched) error {
	u := parsed(e.URL)
	if err := chatCheck(u); err != nil {
		return err
	}
	if u.Scheme == mail {
		if err := resolves(ctx, u.Hostname(), e.Private); err != nil {
			return err
		}
	}
	service, err := (&router.ServiceRouter{}).Locate(e.URL)
	if err != nil {
		return err
	}
	// Some come with a transport of their own.
	if s, ok := service.(interface{ GetHTTPClient() *http.Client }); ok && s.GetHTTPClient() != nil {
		s.GetHTTPClient().Transport = w
	}
	if s, ok := service.(interface{ SetHTTPClient(client *http.Client) }); ok {
		s.SetHTTPClient(&http.Client{Transport: w, Timeout: patience})
	}
	params := types.Params{}
	if u.Scheme == mail {
		params.SetTitle(subject(e.Title))
	}
	return service.Send(e.Text, &params)
}

// watched is a transport that keeps what came of the last request: the errors of services tell of it by their words alone.
type watched struct {
	next http.RoundTripper

	mu     sync.Mutex
	status int
	pause  time.Duration
	err    error
}

// RoundTrip does not follow redirects.
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil { // what redirected here
		return nil, errRedirect
	}
	resp, err := w.next.RoundTrip(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err = err; err == nil {
		w.status, w.pause = resp.StatusCode, pauseOf(resp.Header.Get("Retry-After"), time.Now())
	}
	return resp, err
}

// outcome tells of the last request where that failed or its answer was a refusal, which some services do not notice.
func (w *watched) outcome() outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.status/100 > 2:
		return outcome{Status: w.status, Pause: w.pause}
	case w.err != nil:
		return outcome{Fault: line(w.err.Error(), maxSentence)}
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
