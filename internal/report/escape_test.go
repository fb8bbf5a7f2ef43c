// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A payload is a text and what has to be shown of it.
type payload struct{ name, in, want string }

var payloads = []payload{
	{"plain", `container "app" exited with 137`, `container "app" exited with 137`},
	{"empty", "", ""},
	{"backslash", `C:\temp\x1b`, `C:\temp\x1b`},
	{"umlauts", "Größe überschritten", "Größe überschritten"},
	{"japanese", "接続に失敗　しました", "接続に失敗　しました"},
	{"arabic", "فشل الاتصال", "فشل الاتصال"},
	{"pointed hebrew", "שִׁ", "שִׁ"},
	{"emoji", "done ✅ ❤️ 🚀", "done ✅ ❤️ 🚀"},
	{"box", "├── a │ └ ▲", "├── a │ └ ▲"},
	{"replacement", "a\ufffdb", "a\ufffdb"},
	{"no-break space", "a\u00a0b", "a\u00a0b"},

	{"clear screen", "a\x1b[2J\x1b[Hb", `a\x1b[2J\x1b[Hb`},
	{"colour", "\x1b[31mERROR\x1b[0m", `\x1b[31mERROR\x1b[0m`},
	{"hidden text", "\x1b[8mhidden\x1b[28m", `\x1b[8mhidden\x1b[28m`},
	{"window title", "\x1b]0;owned\x07", `\x1b]0;owned\x07`},
	{"window title ended by ST", "\x1b]2;owned\x1b\\", `\x1b]2;owned\x1b\`},
	{"hyperlink", "\x1b]8;;http://evil\x07ok\x1b]8;;\x07", `\x1b]8;;http://evil\x07ok\x1b]8;;\x07`},
	{"clipboard", "\x1b]52;c;cm0gLXJm\x07", `\x1b]52;c;cm0gLXJm\x07`},
	{"palette", "\x1b]4;1;rgb:00/00/00\x07", `\x1b]4;1;rgb:00/00/00\x07`},
	{"notification", "\x1b]9;hello\x07", `\x1b]9;hello\x07`},
	{"image", "\x1b]1337;File=inline=1:AA==\x07", `\x1b]1337;File=inline=1:AA==\x07`},
	{"device control", "\x1bP$q\"p\x1b\\", `\x1bP$q"p\x1b\`},
	{"sixel", "\x1bPq#0;2;0;0;0\x1b\\", `\x1bPq#0;2;0;0;0\x1b\`},
	{"privacy message", "\x1b^x\x1b\\", `\x1b^x\x1b\`},
	{"application command", "\x1b_Ga=T\x1b\\", `\x1b_Ga=T\x1b\`},
	{"report position", "\x1b[6n", `\x1b[6n`},
	{"report title", "\x1b[21t", `\x1b[21t`},
	{"full reset", "\x1bc", `\x1bc`},
	{"other screen", "\x1b[?1049h", `\x1b[?1049h`},
	{"bracketed paste", "\x1b[201~rm -rf\n", `\x1b[201~rm -rf\n`},
	{"mouse", "\x1b[?1000h", `\x1b[?1000h`},
	{"line drawing", "\x1b(0lqk\x1b(B", `\x1b(0lqk\x1b(B`},
	{"lone escape", "\x1b", `\x1b`},
	{"shift out", "\x0eabc\x0f", `\x0eabc\x0f`},

	{"carriage return", "failed\rok    ", `failed\rok    `},
	{"line break", "a\nb", `a\nb`},
	{"line break of Windows", "a\r\nb", `a\r\nb`},
	{"vertical tab", "a\vb", `a\x0bb`},
	{"form feed", "a\fb", `a\x0cb`},
	{"backspace", "rm\b\bls", `rm\x08\x08ls`},
	{"bell", "\a", `\x07`},
	{"null", "a\x00b", `a\x00b`},
	{"enquiry", "\x05", `\x05`},
	{"xoff", "\x13", `\x13`},
	{"delete", "a\x7fb", `a\x7fb`},
	{"tab", "\ta\tb", " a b"},

	{"C1 CSI", "\u009b2J", `\u009b2J`},
	{"C1 OSC", "\u009d0;x\u009c", `\u009d0;x\u009c`},
	{"C1 DCS", "\u0090q", `\u0090q`},
	{"C1 next line", "a\u0085b", `a\u0085b`},
	{"C1 reverse index", "\u008d", `\u008d`},
	{"C1 as a byte", "\x9b2J", `\x9b2J`},
	{"C1 bytes", "\x80\x85\x90\x9d\x9f", `\x80\x85\x90\x9d\x9f`},

	{"right to left override", "exe.\u202egnp.app", `exe.\u202egnp.app`},
	{"embeddings", "\u202a\u202b\u202c\u202d", `\u202a\u202b\u202c\u202d`},
	{"isolates", "\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
	{"direction marks", "\u200e\u200f\u061c", `\u200e\u200f\u061c`},
	{"deprecated direction", "\u206a\u206f", `\u206a\u206f`},
	{"zero width", "a\u200bb\u200cc\u200dd", `a\u200bb\u200cc\u200dd`},
	{"word joiner", "a\u2060b\u2064c", `a\u2060b\u2064c`},
	{"byte order mark", "\ufeffa", `\ufeffa`},
	{"soft hyphen", "ad\u00admin", `ad\u00admin`},
	{"line separator", "a\u2028b\u2029c", `a\u2028b\u2029c`},
	{"annotation", "\ufff9a\ufffab\ufffb", `\ufff9a\ufffab\ufffb`},
	{"tags", "\U000e0001\U000e0041", `\U000e0001\U000e0041`},
	{"variation selectors", "a\ufe00\U000e0100", `a\ufe00\U000e0100`},
	{"fillers", "\u115f\u3164\uffa0\u2800", `\u115f\u3164\uffa0\u2800`},
	{"grapheme joiner", "a\u034fb", `a\u034fb`},
	{"Mongolian", "\u180e", `\u180e`},
	{"musical format", "\U0001d173", `\U0001d173`},
	{"private use", "\ue000\U000f0000", `\ue000\U000f0000`},
	{"unassigned", "\U0003fffe", `\U0003fffe`},
	{"noncharacter", "\uffff", `\uffff`},
	{"pile of marks", "e" + strings.Repeat("\u0301", 6), "e" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},

	{"cut rune", "ab\xe2\x82", `ab\xe2\x82`},
	{"overlong escape", "\xc0\x9b", `\xc0\x9b`},
	{"overlong slash", "\xe0\x80\xaf", `\xe0\x80\xaf`},
	{"surrogate", "\xed\xa0\x80", `\xed\xa0\x80`},
	{"beyond Unicode", "\xf4\x90\x80\x80", `\xf4\x90\x80\x80`},
	{"latin1", "Gr\xf6\xdfe", `Gr\xf6\xdfe`},
	{"UTF-16", "\xff\xfea\x00", `\xff\xfea\x00`},
}

func TestEscape(t *testing.T) {
	for _, tt := range payloads {
		if got := Escape(tt.in); got != tt.want {
			t.Errorf("%s: Escape(%+q) = %+q, want %+q", tt.name, tt.in, got, tt.want)
		}
		checkEscaped(t, tt.in)
	}
}

func TestEscapeLines(t *testing.T) {
	tests := []struct{ in, want string }{
		{"panic: x\n\tmain.go:1\n", "panic: x\n    main.go:1\n"},
		{"a\r\nb\r\n", "a\nb\n"},
		{"10%\r20%\n", "10%\\r20%\n"},
		{"a\u2028b\u0085c\vd", `a\u2028b\u0085c\x0bd`},
		{"\x1b[2J\n\x1b[1A", "\\x1b[2J\n\\x1b[1A"},
		{"a\r\r\nb", "a\\r\nb"},
	}
	for _, tt := range tests {
		if got := EscapeLines(tt.in); got != tt.want {
			t.Errorf("EscapeLines(%+q) = %+q, want %+q", tt.in, got, tt.want)
		}
	}
}

var markdownPayloads = []payload{
	{"plain", "pod web-7d4b9c6f5-x2x9z exited with 137 (OOMKilled)", "pod web-7d4b9c6f5-x2x9z exited with 137 (OOMKilled)"},
	{"image", "nginx:1.27@sha256:9c1f", "nginx:1.27@sha256:9c1f"},
	{"empty", " ", ""},
	{"script", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
	{"image tag", `<img src=x onerror="alert(1)">`, `&lt;img src=x onerror="alert(1)"&gt;`},
	{"comment", "<!-- hidden -->", "&lt;!-- hidden --&gt;"},
	{"entity", "&lt;b&gt; &#64;", "&amp;lt;b&amp;gt; &amp;#64;"},
	{"autolink", "<http://evil>", `&lt;http\://evil&gt;`},
	{"link", "[click](http://evil)", `\[click\](http\://evil)`},
	{"script link", "[x](javascript:alert(1))", `\[x\](javascript:alert(1))`},
	{"picture", "![x](http://evil/p.png)", `!\[x\](http\://evil/p.png)`},
	{"reference", "[x][y] [y]: http://evil", `\[x\]\[y\] \[y\]: http\://evil`},
	{"bare link", "see https://evil.example/x", `see https\://evil.example/x`},
	{"bare www", "see www.evil.example", `see www\.evil.example`},
	{"table", "a | b || c", `a \| b \|\| c`},
	{"table with backslash", `a \| b`, `a \\\| b`},
	{"code", "`x` ``y`` ```", "\\`x\\` \\`\\`y\\`\\` \\`\\`\\`"},
	{"emphasis", "*a* **b** _c_ ~~d~~", `\*a\* \*\*b\*\* \_c\_ \~\~d\~\~`},
	{"formula", "$\\frac{1}{2}$", `\$\\frac{1}{2}\$`},
	{"heading", "# x", `\# x`},
	{"list", "- x", `\- x`},
	{"plus list", "+ x", `\+ x`},
	{"numbered", "1. x", `1\. x`},
	{"numbered with bracket", "12) x", `12\) x`},
	{"number", "137", "137"},
	{"ratio", "1.5 GiB", `1\.5 GiB`},
	{"rule", "---", `\---`},
	{"underline", "===", `\===`},
	{"quote", "> x", "&gt; x"},
	{"indented code", "    x", "x"},
	{"task", "- [ ] x", `\- \[ \] x`},
	{"fence", "~~~", `\~\~\~`},
	{"line break", "a\n\n# b", `a\\n\\n# b`},
	{"trailing backslash", `a\`, `a\\`},
	{"escape sequence", "\x1b[31mred", `\\x1b\[31mred`},
	{"scheme only", "://x", `\://x`},
}

func TestEscapeMarkdown(t *testing.T) {
	for _, tt := range markdownPayloads {
		if got := EscapeMarkdown(tt.in); got != tt.want {
			t.Errorf("%s: EscapeMarkdown(%+q) = %s, want %s", tt.name, tt.in, got, tt.want)
		}
		checkMarkdown(t, tt.in)
	}
}

// checkEscaped checks what holds for any text: only visible runes, on one line or on as many as before, and the same
// again when it is escaped twice.
func checkEscaped(t *testing.T, in string) {
	t.Helper()
	line, lines := Escape(in), EscapeLines(in)
	for _, r := range line + strings.ReplaceAll(lines, "\n", "") {
		if !unicode.IsGraphic(r) {
			t.Errorf("%+q: %U is left in %+q", in, r, line)
		}
	}
	if !utf8.ValidString(line) || !utf8.ValidString(lines) {
		t.Errorf("%+q: %+q is not UTF-8", in, line)
	}
	if strings.Count(lines, "\n") != strings.Count(in, "\n") {
		t.Errorf("%+q: %+q has other lines", in, lines)
	}
	if again := Escape(line); again != line {
		t.Errorf("%+q: %+q and, escaped again, %+q", in, line, again)
	}
	if again := EscapeLines(lines); again != lines {
		t.Errorf("%+q: %+q and, escaped again, %+q", in, lines, again)
	}
}

// checkMarkdown checks that nothing is left that Markdown acts on.
func checkMarkdown(t *testing.T, in string) {
	t.Helper()
	out := strings.ReplaceAll(EscapeMarkdown(in), "@<!-- -->", "@") // what keeps a mention from being one is ours
	escaped := false
	for i := range len(out) {
		c := out[i]
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case strings.IndexByte("`*_[]|<>~$\n\r", c) >= 0:
			t.Errorf("%+q: %q is left in %s", in, c, out)
		case i == 0 && strings.IndexByte("#+-=", c) >= 0:
			t.Errorf("%+q: %s starts a block", in, out)
		}
	}
	if escaped || strings.Contains(out, "://") && !strings.Contains(out, `\://`) || strings.Contains(out, "www.") {
		t.Errorf("%+q: %s holds a link or ends open", in, out)
	}
	if utf8.RuneCountInString(out) > 5*utf8.RuneCountInString(Escape(in)) {
		t.Errorf("%+q: grows to %s", in, out)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"plain", "\x1b]0;x\x07", "a\r\nb\tc", "\u202e\u200b\ufeff", "\x9b\xc0\x80", "e\u0301\u0301\u0301\u0301\u0301", "[x](http://y)|`z`", "1. <b>&amp;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		checkEscaped(t, in)
		checkMarkdown(t, in)
	})
}
