// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	answerTime = 2 * time.Second // in which the kubelet must answer
	slowAnswer = time.Second     // from which on it is told that it is slow; ours
	maxAnswer  = 4 << 10
	maxLine    = 400 // of a fact's text
	steady     = 2   // checks in a row that must say the same
)

// newClient goes to one address, by no proxy and to nowhere that it is sent.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: nil, MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: answerTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerTime,
	}
}

// A kubelet is what is known of whether it answers.
type kubelet struct {
	known bool // it has answered, well or not: before that it may be the agent that cannot reach it
	down  bool // and that was told
	slow  bool // and that was told
	fails int
	slows int
	since time.Time // of the first failed check in a row
	first string    // what that said
}

// checkKubelet asks for the kubelet's health, and tells when that changes. One failed check tells nothing, as a kubelet
// that starts anew needs a moment.
func (c *Checker) checkKubelet(ctx context.Context) (next time.Duration) {
	began := c.options.Now()
	why, answered := c.ask(ctx)
	if ctx.Err() != nil {
		return 0
	}
	k, took := &c.kubelet, c.options.Now().Sub(began)
	c.counts.checks.Add(1)
	c.counts.took.Add(int64(took))
	if why != "" {
		c.counts.failures.Add(1)
	}
	k.known = k.known || answered
	if !k.known {
		c.missing("kubelet", "the kubelet", "the kubelet has never answered at "+c.options.Healthz+", which only the host's network reaches: "+why)
		return 0
	}
	c.there("kubelet", "the kubelet")
	if why != "" {
		if k.fails++; k.fails == 1 {
			k.since, k.first = began, why
		}
		if k.fails == steady && !k.down {
			k.down = true
			c.fact(evidence.FromKubelet, k.since, "healthz", "kubelet-unhealthy", "/healthz: "+k.first, 0)
		}
		return retryAfter
	}
	if k.down {
		down := began.Sub(k.since)
		c.fact(evidence.FromKubelet, began, "healthz", "kubelet-healthy", fmt.Sprintf("/healthz: ok again after %s: %s", down.Round(time.Millisecond), k.first), down.Seconds())
	}
	k.down, k.fails = false, 0
	c.latency(began, took)
	return 0
}

// latency tells when the kubelet begins to be slow, and when it is no more.
func (c *Checker) latency(at time.Time, took time.Duration) {
	k := &c.kubelet
	if took >= slowAnswer == k.slow {
		k.slows = 0
		return
	}
	if k.slows++; k.slows < steady {
		return
	}
	k.slow, k.slows = !k.slow, 0
	name := "kubelet-prompt"
	if k.slow {
		name = "kubelet-slow"
	}
	c.fact(evidence.FromKubelet, at, "healthz", name, fmt.Sprintf("/healthz: answered after %s", took.Round(time.Millisecond)), took.Seconds())
}

// ask says why the kubelet is not well, "" when it is, and whether anybody answered.
func (c *Checker) ask(ctx context.Context) (why string, answered bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.options.Healthz, http.NoBody)
	if err != nil {
		return err.Error(), false
	}
	response, err := c.client.Do(request)
	if err != nil {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
			err = inner // the words of the system: "connection refused"
		}
		return err.Error(), false
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode == http.StatusOK {
		return "", true
	}
	return fmt.Sprintf("status %d: %s", response.StatusCode, failed(string(body))), true
}

// failed keeps the checks that failed of an answer ("[-]syncloop failed: reason withheld", apiserver pkg/server/healthz).
func failed(body string) string {
	var lines []string
	for l := range strings.Lines(body) {
		if strings.HasPrefix(l, "[-]") {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	if len(lines) == 0 {
		return body
	}
	return strings.Join(lines, ", ")
}

// line makes one bounded line of a text.
func line(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return text
}
