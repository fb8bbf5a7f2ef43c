// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/kubeinquest/inquest/internal/collect"
)

// chats are the services of shoutrrr that can be told, by the scheme of their URL. Others make connections that cannot be
// looked at, or send what is no message.
var chats = []string{
	"discord", "googlechat", "lark", "matrix", "mattermost", "ntfy", "opsgenie", "pagerduty", "pushover", "rocketchat",
	"signal", "slack", "smtp", "teams", "telegram", "wecom", "zulip",
}

const schemeMail = "smtp"

func chatCheck(u *url.URL) error {
	if !slices.Contains(chats, u.Scheme) {
		return fmt.Errorf("its url has to begin with one of %s://", strings.Join(chats, "://, "))
	}
	for name := range u.Query() {
		switch name = strings.ToLower(name); name {
		case "disabletlsverification", "skiptlsverify", "insecureskipverify":
			return fmt.Errorf("a certificate that is not checked lets anybody read along: take %s out of its url", name)
		case "parsemode", "usehtml", "json":
			return fmt.Errorf("messages are plain text: take %s out of its url", name)
		}
	}
	return nil
}

// errand is what a chat program is asked to do, on its standard input.
type errand struct {
	URL     string `json:"url"`
	Private bool   `json:"private"`
	Key     string `json:"key"` // of what it tells, the same each time that is tried
	Title   string `json:"title"`
	Text    string `json:"text"`
}

// outcome is its answer, on standard output.
type outcome struct {
	Fault  string        `json:"fault"` // empty where it was sent
	Status int           `json:"status"`
	Pause  time.Duration `json:"pause"`
	Left   int           `json:"left"` // addresses of a mail that others were sent
}

// A partError is that some of those who are one target were told, and some never will be.
type partError struct{ left int }

func (p *partError) Error() string {
	return fmt.Sprintf("the server refused %d of the addresses of a mail, and took it for the others", p.left)
}

// chat sends by a program of its own: what speaks to chats takes no context and has connections of its own making, which
// are looked at where nothing else is.
func chat(target *Target, program []string) sender {
	return func(ctx context.Context, messages []*message) error {
		title, lines := digest(messages, mostText(target.url.Scheme))
		ask := errand{URL: target.url.String(), Private: target.Private, Key: keyOf(messages), Title: title, Text: strings.Join(lines, "\n")}
		if target.url.Scheme != schemeMail {
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
	case answer.Left > 0:
		return &partError{answer.Left}
	}
	return nil
}

func keyOf(messages []*message) string {
	sum := sha256.New()
	for _, m := range messages {
		fmt.Fprintln(sum, m.uid, m.key)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
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
