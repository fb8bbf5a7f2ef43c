// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/report"
)

// chats are the services of shoutrrr that can be told, by the scheme of their URL. Others make connections that cannot be
// looked at, or send what is no message.
var chats = []string{
	"discord", "googlechat", "lark", "matrix", "mattermost", "ntfy", "opsgenie", "pagerduty", "pushover", "rocketchat",
	"signal", "slack", "smtp", "teams", "telegram", "wecom", "zulip",
}

const mail = "smtp"

func chatCheck(u *url.URL) error {
	if !slices.Contains(chats, u.Scheme) {
		return fmt.Errorf("its url has to begin with one of %s://", strings.Join(chats, "://, "))
	}
	for name := range u.Query() {
		if strings.EqualFold(name, "disabletlsverification") {
			return errors.New("a certificate that is not checked lets anybody read along: take it out of its url")
		}
	}
	return nil
}

// errand is what a chat program is asked to do, on its standard input.
type errand struct {
	URL     string `json:"url"`
	Private bool   `json:"private"`
	Title   string `json:"title"`
	Text    string `json:"text"`
}

// outcome is its answer, on standard output.
type outcome struct {
	Fault  string        `json:"fault"` // empty where it was sent
	Status int           `json:"status"`
	Pause  time.Duration `json:"pause"`
}

// chat sends by a program of its own: what speaks to chats takes no context and has connections of its own making, which
// are looked at where nothing else is.
func chat(target *Target, program []string) sender {
	return func(ctx context.Context, messages []*message) error {
		title, lines := digest(messages)
		ask := errand{URL: target.url.String(), Private: target.Private, Title: title, Text: strings.Join(lines, "\n")}
		if target.url.Scheme != mail {
			ask.Text = title + "\n" + ask.Text
		}
		return ask.run(ctx, program)
	}
}

func (e *errand) run(ctx context.Context, program []string) error {
	if len(program) == 0 {
		return errors.New("send: there is no program that speaks to chats")
	}
	in, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Stdin, cmd.Env = bytes.NewReader(in), environment()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return fmt.Errorf("send: it did not answer: %w", ctx.Err())
	}
	var answer outcome
	if jsonErr := json.Unmarshal(out, &answer); err != nil || jsonErr != nil {
		return fmt.Errorf("send: the program that speaks to chats broke off: %w", errors.Join(err, jsonErr))
	}
	switch {
	case answer.Status/100 > 2:
		return fmt.Errorf("send: %w", &refusal{answer.Status, answer.Pause})
	case answer.Fault != "":
		return fmt.Errorf("send: %s", answer.Fault)
	}
	return nil
}

// environment is what the program needs to resolve names and to trust certificates; no proxy, no credentials.
func environment() []string {
	var kept []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains([]string{"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SystemRoot", "GOCOVERDIR"}, name) {
			kept = append(kept, pair)
		}
	}
	return kept
}

// mostListed is how many incidents a digest names.
const mostListed = 10

// digest puts messages into one: the widest first.
func digest(messages []*message) (title string, lines []string) {
	if len(messages) == 1 {
		return tame(messages[0].headline()), messages[0].tamedBody()
	}
	sorted := slices.Clone(messages)
	slices.SortStableFunc(sorted, func(a, b *message) int { return b.in.Pods - a.in.Pods })
	ended := 0
	for i, m := range sorted {
		if m.what == closed {
			ended++
		}
		if i < mostListed {
			l := fmt.Sprintf("- %s (%s)", m.headline(), report.Plural(m.in.Pods, "pod"))
			if m.link != "" {
				l += " " + m.link
			}
			lines = append(lines, m.tamed(l))
		}
	}
	if more := len(sorted) - mostListed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	title = fmt.Sprintf("%s: %d opened or grew, %d closed", report.Plural(len(sorted), "incident"), len(sorted)-ended, ended)
	if name := sorted[0].cluster; name != "" {
		title = tame(name) + ": " + title
	}
	return title, lines
}

func (m *message) tamedBody() []string {
	lines := m.body()
	for i, l := range lines {
		lines[i] = m.tamed(l)
	}
	return lines
}

// tamed tames a line except for the link in it, which is ours.
func (m *message) tamed(l string) string {
	before, found := strings.CutSuffix(l, m.link)
	if m.link == "" || !found {
		return tame(l)
	}
	return tame(before) + m.link
}

// subject makes a title fit for the header of a mail (RFC 2047).
func subject(title string) string { return mime.QEncoding.Encode("utf-8", title) }

// reticent takes everything out of an error that stands in a URL, whole and in parts: services put it together anew.
func reticent(err error, u *url.URL) string {
	text := anonymous(err).Error()
	whole, _ := url.PathUnescape(u.String())
	parts := []string{u.String(), whole}
	for _, s := range []string{u.String(), whole} {
		parts = append(parts, strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("/?&=@", r) })...)
		parts = append(parts, strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	for _, p := range parts {
		if len(p) >= 4 && p != u.Scheme {
			text = strings.ReplaceAll(text, p, "…")
		}
	}
	text, _ = collect.Redact(text)
	return line(text, maxSentence)
}
