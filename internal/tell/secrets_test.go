// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// planted returns a text with a secret in it, of one of ten kinds, and the part that must not be seen.
func planted(r *rand.Rand, kind int) (text, secret string) {
	word := func(letters string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	const upper, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuvwxyz"
	some := word(upper+strings.ToLower(upper), 24)
	switch kind % 10 {
	case 0:
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		return "token " + part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(`{"sub":"`+some+`"}`) + "." + some, some
	case 1:
		key := "AKIA" + word(upper, 16)
		return "the key " + key + " was refused", key
	case 2:
		return "dial postgres://app:" + some + "@db:5432/shop: refused", some
	case 3:
		return "redis://:" + some + "@cache:6379", some
	case 4:
		return "DB_PASSWORD=" + some, some
	case 5:
		return "Authorization: Bearer " + some, some
	case 6:
		return "-----BEGIN " + "RSA PRIVATE KEY-----\nMII" + some + "\n-----END RSA PRIVATE KEY-----", some
	case 7:
		token := "ghp_" + word(digits, 36)
		return "clone with " + token, token
	case 8:
		return "Server=db;User Id=sa;Password=" + some + ";", some
	}
	return `{"client_secret":"` + some + `"}`, some
}

// TestSecrets plants two hundred secrets in what is told of, and finds none of them in any message or in the log.
func TestSecrets(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, alerts(s.URL), hook(t, s.URL+"/hook"), room("mattermost://bot@"+s.host()+"/token?disabletls=yes"))
	r := rand.New(rand.NewPCG(1, 2))
	var secrets []string
	var all []history.Death
	for i := range 200 {
		text, secret := planted(r, i)
		secrets = append(secrets, secret)
		all = append(all, w.deaths(fmt.Sprintf("web%d", i), "container app said: "+text, fmt.Sprintf("web%d-0", i))...)
	}
	must(t, w.Store.Record(t.Context(), all...))
	w.after(4 * time.Second)
	sent := 0
	for i := range w.Config.Targets {
		c := w.course(&w.Config.Targets[i])
		c.pace.burst = 1000
		if c.target.Kind == kindChat {
			c.pace.burst = 3
		}
		if i == 1 {
			s.next(status(500), status(302, "Location", "http://user:"+secrets[4]+"@example.com/"))
		}
		for range 3 { // who failed is left alone for a while
			w.tell(c)
			w.after(time.Minute)
		}
	}
	for _, r := range s.taken() {
		sent++
		for _, secret := range secrets {
			if strings.Contains(r.body, secret) {
				t.Errorf("%s was sent %s", r.path, secret)
			}
		}
	}
	if sent < 200 {
		t.Errorf("%d messages", sent)
	}
	for _, secret := range secrets {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}
