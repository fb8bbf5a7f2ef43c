// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRebinding: a name that leads elsewhere the second time gains nothing with mail either.
func TestRebinding(t *testing.T) {
	usual, plain := net.DefaultResolver, http.DefaultTransport
	t.Cleanup(func() { net.DefaultResolver, http.DefaultTransport = usual, plain })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	var heard, asked atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			conn.Close()
		}
	}()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go resolve(theirs, &asked)
		return ours, nil
	}}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	in, err := json.Marshal(errand{URL: "smtp://mx.rebound.example:" + port + "/?from=a@example.com&to=b@example.com&starttls=no", Title: "x", Text: "x"})
	must(t, err)
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	must(t, Chat(ctx, bytes.NewReader(in), &out))
	if heard.Load() != 0 || asked.Load() == 0 || !strings.Contains(out.String(), `"fault":"`) {
		t.Errorf("%d connections, %d questions; %s", heard.Load(), asked.Load(), out.String())
	}
}

// resolve answers one question over a stream (RFC 1035, 4.2.2): the first for IPv6 by an address of documents, to which nothing leads, all
// later ones for IPv4 by that of this machine.
func resolve(conn net.Conn, asked *atomic.Int32) {
	defer conn.Close()
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	if err != nil || n < 20 {
		return
	}
	question := b[2:n]
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	kind := question[end+2]
	answer := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[12:end+5]...)
	address := netip.MustParseAddr("127.0.0.1")
	if kind == 28 {
		address = netip.MustParseAddr("2001:db8::1")
	}
	if turn := asked.Add(1); (turn <= 2) == (kind == 28) {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(address.BitLen()/8))
		answer = append(answer, address.AsSlice()...)
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

// TestMailInTheClear: where a server offers no TLS, mail goes there only if that is meant.
func TestMailInTheClear(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	mails := make(chan string, 1)
	go takeMail(listener, mails)
	w := newWorld(t, room("smtp://"+listener.Addr().String()+"/?from=inquest@example.com&to=oncall@example.com"))
	w.dies("web", "it died", "web-0")
	w.after(4 * time.Second)
	w.tell(w.course(&w.Config.Targets[0]))
	if len(mails) > 0 || !strings.Contains(w.log.String(), "offers no TLS") {
		t.Errorf("it went; the log: %s", w.log.String())
	}
}

// TestChatCheck: what would not be checked, or read as other than text, is refused at the start.
func TestChatCheck(t *testing.T) {
	for _, text := range []string{
		"smtp://mx.example.com/?from=a@b&to=c@d&SkipTLSVerify=yes", "ntfy://ntfy.sh/x?disabletlsverification=yes", "telegram://1:a@telegram?chats=1&parseMode=HTML", "file:///x",
	} {
		if chatCheck(address(t, text)) == nil {
			t.Errorf("%s is let in", text)
		}
	}
}

// TestFits: what a chat is sent is no longer than it takes, says how many it leaves out, and keeps the link.
func TestFits(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x<", 300)
	m := &message{what: opened, at: noon, sentence: long, thing: long, command: long, link: "https://inquest.example.com/incidents/a"}
	m.in.Rule, m.in.Thing.Kind, m.in.Thing.Name = "MEM001", "Node", "n1"
	all := make([]*message, 40)
	for i := range all {
		all[i] = m
	}
	for _, scheme := range []string{"pushover", "wecom", "telegram"} {
		for _, some := range [][]*message{all, all[:1]} {
			title, lines := digest(some, mostText(scheme)) // with a line between them
			last := lines[len(lines)-1]
			if n := len(title + "\n" + strings.Join(lines, "\n")); n > mostText(scheme)+1 || !strings.Contains(last, map[bool]string{true: m.link, false: "more"}[len(some) == 1]) {
				t.Errorf("%s: %d messages are %d bytes, the last line is %q", scheme, len(some), n, last)
			}
		}
	}
	want(t, "half a command", whole(strings.Repeat("x", maxCommand+1)), "")
	want(t, "the log", w.log.String(), "")
}

// TestLeftAlone: who asks for a pause is sent nothing else in it, and who fails is not tried with all that waits.
func TestLeftAlone(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, hook(t, s.URL))
	c := w.course(&w.Config.Targets[0])
	for i, answer := range []func(http.ResponseWriter){status(429, "Retry-After", "120"), status(500)} {
		w.dies("web"+string(rune('a'+i)), "it died", "web-0"+string(rune('a'+i)))
		w.dies("api"+string(rune('a'+i)), "it died", "api-0"+string(rune('a'+i)))
		w.after(4 * time.Second)
		s.next(answer)
		w.tell(c)
		w.tell(c)
		want(t, "requests", len(s.taken()), 1)
		w.after(5 * time.Minute)
		w.tell(c)
		want(t, "requests afterwards", len(s.taken()), 2)
	}
}
