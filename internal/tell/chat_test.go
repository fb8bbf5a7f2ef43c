// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"encoding/json"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

func room(address string) Target {
	return Target{Name: "room", Kind: kindChat, URL: address, Private: true}
}

// TestChats sends to what can be sent to on one's own machine, each with its own way to connect.
func TestChats(t *testing.T) {
	s := newServer(t)
	for name, address := range map[string]string{
		"mattermost": "mattermost://bot@" + s.host() + "/token-of-the-room?disabletls=yes",
		"ntfy":       "ntfy://" + s.host() + "/topic-of-the-room?scheme=http",
		"matrix":     "matrix://:token-of-the-room@" + s.host() + "/?rooms=!room:example.com&disableTLS=yes",
		"signal":     "signal://" + s.host() + "/+15550100/+15550101?disabletls=yes",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, room(address))
			c := w.course(&w.Config.Targets[0])
			w.dies("web", "container app was killed at its memory limit of 256Mi", "web-0")
			w.after(4 * time.Second)
			s.next(status(429, "Retry-After", "300"))
			w.tell(c)
			w.after(time.Minute)
			w.tell(c)
			if got := s.taken(); len(got) != 1 || strings.Contains(w.log.String(), "of-the-room") || !strings.Contains(w.log.String(), "429") {
				t.Fatalf("%d requests; the log: %s", len(got), w.log.String())
			}
			w.after(5 * time.Minute)
			w.tell(c)
			got := s.taken()
			if len(got) == 0 || !strings.Contains(got[len(got)-1].body, "container app was killed at its memory limit of 256Mi") {
				t.Fatalf("got %v; the log: %s", got, w.log.String())
			}
			waiting, _, err := w.Store.Untaken(t.Context())
			must(t, err)
			want(t, "waiting", waiting, 0)
		})
	}
}

// TestChatGuarded: a chat program connects no more than others to where it must not.
func TestChatGuarded(t *testing.T) {
	s := newServer(t)
	for name, address := range map[string]string{
		"mattermost": "mattermost://bot@" + s.host() + "/token-of-the-room?disabletls=yes",
		"ntfy":       "ntfy://" + s.host() + "/topic-of-the-room?scheme=http",
		"smtp":       "smtp://" + s.host() + "/?from=a@example.com&to=b@example.com",
	} {
		target := room(address)
		target.Private = false
		w := newWorld(t, target)
		w.dies("web", "it died", "web-0")
		w.after(4 * time.Second)
		w.tell(w.course(&w.Config.Targets[0]))
		if got := s.taken(); len(got) > 0 || !strings.Contains(w.log.String(), errInside.Error()) {
			t.Errorf("%s: %d requests; the log: %s", name, len(got), w.log.String())
		}
	}
	w := newWorld(t, room("ntfy://"+s.host()+"/topic-of-the-room?scheme=http"))
	w.dies("web", "it died", "web-0")
	w.after(4 * time.Second)
	s.next(status(307, "Location", s.URL+"/elsewhere"))
	w.tell(w.course(&w.Config.Targets[0]))
	if got := s.taken(); len(got) != 1 || !strings.Contains(w.log.String(), errRedirect.Error()) {
		t.Errorf("a redirect was followed: %v; the log: %s", got, w.log.String())
	}
}

// TestStorm: what opens at once comes as some messages and a digest, and then as one digest after the other.
func TestStorm(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, room("mattermost://bot@"+s.host()+"/token?disabletls=yes"))
	c := w.course(&w.Config.Targets[0])
	var all []history.Death
	for i := range 230 {
		all = append(all, w.deaths(fmt.Sprintf("web%d", i), fmt.Sprintf("it died, number %d", i), fmt.Sprintf("web%d-0", i))...)
	}
	must(t, w.Store.Record(t.Context(), all...))
	w.after(4 * time.Second)
	for range 20 {
		w.tell(c)
		w.after(time.Second)
	}
	waiting, _, err := w.Store.Untaken(t.Context())
	must(t, err)
	want(t, "waiting", waiting, 0)
	got := s.taken()
	want(t, "messages", len(got), 3)
	var body struct{ Text string }
	must(t, json.Unmarshal([]byte(got[0].body), &body))
	lines := strings.Split(body.Text, "\n")
	want(t, "title", lines[0], "prod: 100 incidents: 100 opened or grew, 0 closed")
	want(t, "lines", len(lines), mostListed+2)
	want(t, "the rest", lines[len(lines)-1], "and 90 more")
}

// TestMail sends through a server that takes one mail.
func TestMail(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	mails := make(chan string, 1)
	go takeMail(listener, mails)
	w := newWorld(t, room("smtp://"+listener.Addr().String()+"/?from=inquest@example.com&to=oncall@example.com&starttls=no"))
	w.dies("web", "container app – ünwell\r\nBcc: all@example.com", "web-0")
	w.after(4 * time.Second)
	w.tell(w.course(&w.Config.Targets[0]))
	var text string
	select {
	case text = <-mails:
	default:
		t.Fatalf("no mail came; the log: %s", w.log.String())
	}
	head, body, _ := strings.Cut(text, "\n\n")
	for l := range strings.SplitSeq(head, "\n") {
		if strings.HasPrefix(l, "Bcc") {
			t.Errorf("a header came from the cluster: %q", l)
		}
	}
	if !strings.Contains(head, "Subject: =?utf-8?q?[OPEN]_prod_shop/web:_container_app") {
		t.Errorf("the subject: %s", head)
	}
	if !strings.Contains(body, "Do: Raise the memory limit of app to 512Mi") || !strings.Contains(body, "See: https://inquest.example.com/incidents/") {
		t.Errorf("the mail: %s", body)
	}
}

// takeMail speaks as much SMTP as one mail takes (RFC 5321).
func takeMail(listener net.Listener, mails chan<- string) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	_ = c.PrintfLine("220 mx.example.com")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "DATA":
			_ = c.PrintfLine("354 go on")
			lines, err := c.ReadDotLines()
			if err != nil {
				return
			}
			mails <- strings.Join(lines, "\n")
			_ = c.PrintfLine("250 ok")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		default:
			_ = c.PrintfLine("250 ok")
		}
	}
}

// TestReticent: what stands in the address of a target is in no error.
func TestReticent(t *testing.T) {
	for _, text := range []string{
		"slack://hook:T00000000-B00000000-secretsecret@webhook", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@channel",
		"discord://secretsecret@7362847", "teams://a1b2c3d4-aaaa@secret-tenant/altid/owner?host=example.webhook.office.com",
	} {
		u := address(t, text)
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(":/@?=-", r) }) {
			if len(part) < 4 || part == u.Scheme {
				continue
			}
			got := reticent(fmt.Errorf("post to https://example.com/services/%s/x: refused", part), u)
			if strings.Contains(got, part) {
				t.Errorf("%s is in %q", part, got)
			}
			if !strings.Contains(got, "refused") {
				t.Errorf("nothing is left: %q", got)
			}
		}
	}
}
