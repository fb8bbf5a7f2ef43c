// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
)

// hostile are texts that do something where nobody looks at what they are.
var hostile = []string{
	"<!channel> <@U123> <https://evil.example|click>", "@everyone @here @channel @all @room", "x@everyone", "[click](https://evil.example)",
	"![x](https://evil.example/p.png)", "`code` ```block```", "**bold** __under__ ||spoiler|| ~~gone~~", "<script>alert(1)</script>",
	"<img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link", "a\r\nBcc: all@example.com", "a\nb\u2028c",
	"\u202egnp.exe", "\u200bzero\u200bwidth", "{{ .Labels }} {{ template \"x\" }}", "=cmd|'/c calc'!A1", "\x00nul", "\xff\xfe",
	"postgres://app:hunter2hunter2@db/shop", "AKIAIOSFODNN7EXAMPLE", "password=correct-horse-battery", strings.Repeat("long ", 2000),
	"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}

// TestHostile: text from the cluster does nothing in any message, however it got there, and its secrets are masked.
func TestHostile(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, alerts(s.URL), hook(t, s.URL+"/hook"), room("mattermost://bot@"+s.host()+"/token?disabletls=yes"))
	for i, text := range hostile {
		w.dies(fmt.Sprintf("web%d", i), text, fmt.Sprintf("web%d-0", i))
		w.dies(fmt.Sprintf("web%d %s", i, text), text, "web "+text)
	}
	w.after(4 * time.Second)
	for i := range w.Config.Targets {
		c := w.course(&w.Config.Targets[i])
		c.pace.burst = 1000
		if c.target.Kind == kindChat {
			c.pace.burst = 1 // one in full, the rest as digests
			c.send = inFull(t, c.send)
		}
		w.tell(c)
	}
	got := s.taken()
	if len(got) < 2*len(hostile) {
		t.Fatalf("%d requests", len(got))
	}
	for _, r := range got {
		var body any
		must(t, json.Unmarshal([]byte(r.body), &body))
		if len(r.body) > 200<<10 {
			t.Errorf("%s: %d bytes", r.path, len(r.body))
		}
		each(body, func(text string) { harmless(t, r.path, text) })
	}
	want(t, "secrets in the log", leaked(w.log.String()), "")
}

// inFull checks the message that each incident would have had by itself.
func inFull(t *testing.T, next sender) sender {
	return func(ctx context.Context, messages []*message) error {
		for _, m := range messages {
			title, lines := digest([]*message{m}, 4000)
			harmless(t, "/hooks/token", title+"\n"+strings.Join(lines, "\n"))
		}
		return next(ctx, messages)
	}
}

func each(v any, see func(string)) {
	switch v := v.(type) {
	case string:
		see(v)
	case []any:
		for _, e := range v {
			each(e, see)
		}
	case map[string]any:
		for _, e := range v {
			each(e, see)
		}
	}
}

func harmless(t *testing.T, path, text string) {
	t.Helper()
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) || r == '\u2028' {
			t.Errorf("%s: %q has %U", path, text, r)
		}
	}
	if found := leaked(text); found != "" {
		t.Errorf("%s: %q has the secret %q", path, text, found)
	}
	if path == "/hook" { // a program reads it, and escapes it for where it shows it
		return
	}
	for _, acts := range []string{"<", ">", "`", "@everyone", "@here", "**", "||", "~~", "](", "://evil", "{{", "postgres://"} {
		if strings.Contains(text, acts) {
			t.Errorf("%s: %q has %q", path, text, acts)
		}
	}
}

func leaked(text string) string {
	for _, secret := range []string{"hunter2", "AKIAIOSFODNN7EXAMPLE", "correct-horse", "dozjgNryP4J3jVmNHl0w5N"} {
		if strings.Contains(text, secret) {
			return secret
		}
	}
	return ""
}
