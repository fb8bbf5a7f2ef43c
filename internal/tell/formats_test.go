// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A sink is a transport that keeps what was sent and answers that all is well.
type sink struct{ bodies []string }

func (s *sink) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.bodies = append(s.bodies, string(body))
	}
	answer := `{"ok":true,"result":{},"room_id":"x"}`
	if r.URL.Host == "hooks.slack.com" {
		answer = "ok"
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// TestFormats: text from the cluster does nothing in any format that a chat has, whoever is mentioned in it or linked to.
func TestFormats(t *testing.T) {
	plain := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = plain })
	for name, address := range map[string]string{
		"slack":    "slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook",
		"discord":  "discord://token@123",
		"telegram": "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0@telegram?chats=12345",
		"matrix":   "matrix://:token@matrix.example/?rooms=!room:example.com",
		"teams": "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344" +
			"/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=test.webhook.office.com",
	} {
		for _, text := range hostile {
			s := &sink{}
			w := newWatched(s)
			http.DefaultTransport = w
			m := &message{what: opened, at: noon, cluster: "prod", sentence: line(text, maxSentence), thing: line(text, maxName), fix: line(text, maxSentence), command: whole(text)}
			title, lines := digest([]*message{m}, mostText(name))
			e := errand{URL: address, Text: title + "\n" + strings.Join(lines, "\n")}
			_, err := e.send(t.Context(), w)
			if len(s.bodies) == 0 || !strings.Contains(strings.Join(s.bodies, ""), "[OPEN]") {
				t.Fatalf("%s was sent nothing: %v", name, err)
			}
			for _, body := range s.bodies {
				var sent any
				must(t, json.Unmarshal([]byte(body), &sent))
				each(sent, func(text string) { harmless(t, name, text) })
			}
		}
	}
}
