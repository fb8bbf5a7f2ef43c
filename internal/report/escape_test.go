// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ünïcode 漢字 🚢":        "plain, ünïcode 漢字 🚢",
		"\x1b[31mred\x1b[0m":         `\x1b[31mred\x1b[0m`,
		"\x1b]52;c;cm0gLXJm\x07":     `\x1b]52;c;cm0gLXJm\a`,
		"\u009b2Jc1 \u0085next line": `\u009b2Jc1 \u0085next line`,
		"one\ttwo\rthree\nfour":      `one two\rthree\nfour`,
		"user\u202egnp.exe":          `user\u202egnp.exe`,
		"zero\u200bwidth\ufeff":      `zero\u200bwidth\ufeff`,
		"tags\U000e0041":             `tags\U000e0041`,
		"filler\u3164":               `filler\u3164`,
		"bad \xff\xfe bytes":         `bad \ufffd\ufffd bytes`,
		"":                           "",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) is %s, want %s", in, got, want)
		}
	}
	if got, want := EscapeLines("a\r\nb\rc\n\x1bd"), "a\nb\\rc\n\\x1bd"; got != want {
		t.Errorf("EscapeLines is %q, want %q", got, want)
	}
}

func TestEscapeMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		`*b* _i_ ~s~ \*`:          `\*b\* \_i\_ \~s\~ \\\*`,
		"`code`":                  "\\`code\\`",
		"<img src=x onerror=y>&":  "&lt;img src=x onerror=y&gt;&amp;",
		"[text](http://x) |cell|": `\[text\](http://x) \|cell\|`,
		"@team, mail a@b.c @ 3":   "@<!-- -->team, mail a@b.c @ 3",
		"line\n# heading":         `line\\n# heading`,
	} {
		if got := EscapeMarkdown(in); got != want {
			t.Errorf("EscapeMarkdown(%q) is %s, want %s", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(attack)
	f.Add("\u061c\u2069\U000e0001\x00\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{"Escape": Escape(s), "EscapeLines": EscapeLines(s), "EscapeMarkdown": EscapeMarkdown(s)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, acts) {
				t.Errorf("%s(%q) lets something through: %q", name, s, got)
			}
			if name != "EscapeLines" && strings.Contains(got, "\n") {
				t.Errorf("%s(%q) has several lines: %q", name, s, got)
			}
		}
	})
}
