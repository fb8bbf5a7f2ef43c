// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// A secret is a text as programs have it, with what of it must be seen nowhere.
type secret struct {
	text  string
	parts []string
}

const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits = "0123456789abcdef"
	mixed  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// A mint makes secrets that it never made before.
type mint struct{ *rand.Rand }

func (m mint) word(letters string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(letters[m.IntN(len(letters))])
	}
	return b.String()
}

// in puts a random word in the place of %s.
func (m mint) in(format string) secret {
	word := m.word(mixed, 24)
	return secret{strings.Replace(format, "%s", word, 1), []string{word}}
}

// odd is a password that has to be written otherwise in a URL, and in JSON.
func (m mint) odd(format string) secret {
	head, tail := m.word(mixed, 10)+"%+", "&="+m.word(mixed, 10)
	return secret{strings.Replace(format, "%s", url.QueryEscape(head+tail), 1), []string{head, tail}}
}

func (m mint) jwt() secret {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	subject, signature := m.word(mixed, 24), m.word(mixed, 43)
	payload := part(`{"exp":1999999999,"sub":"` + subject + `"}`)
	return secret{"presented " + part(`{"alg":"HS256","typ":"JWT"}`) + "." + payload + "." + signature, []string{subject, payload[36:60], signature}}
}

// pem is a private key of several lines, with an end of line of their own.
func (m mint) pem(kind, end string) secret {
	s := secret{text: "-----BEGIN " + kind + "-----"}
	for i := range 4 {
		line := m.word(mixed+"+/", map[bool]int{true: 28, false: 64}[i == 3])
		s.text += end + line
		s.parts = append(s.parts, line)
	}
	s.text += end + "-----END " + kind + "-----"
	return s
}

// encoded is a private key in base64, as a kubeconfig has it.
func (m mint) encoded() secret {
	key := m.pem("EC PRIVATE KEY", "\n")
	text := base64.StdEncoding.EncodeToString([]byte(key.text))
	return secret{"client-key-data: " + text, append(key.parts, text[60:240])}
}

func (m mint) docker() secret {
	word := m.word(mixed, 24)
	auth := base64.StdEncoding.EncodeToString([]byte("robot:" + word))
	return secret{`{"auths":{"registry.example":{"auth":"` + auth + `"}}}`, []string{word, auth[8:]}}
}

func (m mint) basic() secret {
	word := m.word(mixed, 24)
	auth := base64.StdEncoding.EncodeToString([]byte("app:" + word))
	return secret{"Authorization: Basic " + auth, []string{word, auth[8:]}}
}

func (m mint) prefixed(prefix, letters string, n int) secret {
	word := m.word(letters, n-1) + "9"
	return secret{"used " + prefix + word, []string{word}}
}

// makers make a secret of a kind each.
var makers = []func(mint) secret{
	mint.jwt, mint.encoded, mint.docker, mint.basic,
	func(m mint) secret { return m.pem("RSA PRIVATE KEY", "\n") },
	func(m mint) secret { return m.pem("OPENSSH PRIVATE KEY", "\n") },
	func(m mint) secret { // of a service account
		key := m.pem("PRIVATE KEY", `\n`)
		return secret{`{"type":"service_account","private_key":"` + key.text + `"}`, key.parts}
	},
	func(m mint) secret { return m.prefixed("AKIA", upper[:26], 16) },
	func(m mint) secret { return m.prefixed("ghp_", mixed, 36) },
	func(m mint) secret { return m.prefixed("glpat-", mixed, 20) },
	func(m mint) secret { return m.prefixed("xoxb-123456789012-", mixed, 24) },
	func(m mint) secret { return m.prefixed("sk_live_", mixed, 24) },
	func(m mint) secret { return m.prefixed("npm_", mixed, 36) },
	func(m mint) secret { return m.prefixed("AIza", mixed, 35) },
	func(m mint) secret {
		return m.prefixed("https://hooks.slack.com/services/T01234567/B01234567/", mixed, 24)
	},
	func(m mint) secret { return m.in("AWS_SECRET_ACCESS_KEY=%s") },
	func(m mint) secret { return m.in("dial postgres://app:%s@db.example:5432/shop?sslmode=require") },
	func(m mint) secret { return m.odd("mongodb+srv://app:%s@mongo.example/shop") },
	func(m mint) secret { return m.in("redis://:%s@cache.example:6379/0") },
	func(m mint) secret { return m.in("amqps://app:%s@mq.example/vhost") },
	func(m mint) secret { return m.in("Server=tcp:sql.example,1433;User Id=sa;Password=%s;Encrypt=true;") },
	func(m mint) secret {
		return m.in("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=%s==;EndpointSuffix=core.windows.net")
	},
	func(m mint) secret { return m.in("jdbc:mysql://db.example/shop?user=app&password=%s&useSSL=true") },
	func(m mint) secret { return m.in("app:%s@tcp(db.example:3306)/shop") },
	func(m mint) secret { return m.in("https://blob.example/a?sv=2024-01-01&sig=%s%3D&se=2027") },
	func(m mint) secret { return m.in("Authorization: Bearer %s") },
	func(m mint) secret { return m.in("Cookie: session=%s; theme=dark") },
	func(m mint) secret { return m.in(`{"client_secret":"%s","scope":"all"}`) },
	func(m mint) secret { return m.in("login --password %s --host db.example") },
}

// piece is how long the pieces are that secrets are looked for in: half of one that is seen is one too much.
const piece = 12

// forms are what would be found of a secret wherever it were written: pieces of each part as they are, in a URL, in JSON, in
// hexadecimal digits, and in base64 at each of the three places in which its groups may begin. None is shorter than a piece.
func (s secret) forms() []string {
	var all []string
	for _, part := range s.parts {
		for from := 0; from+piece <= len(part); from += piece {
			text := part[from : from+piece]
			escaped, _ := json.Marshal(text) // a string has a form
			all = append(all, text, url.QueryEscape(text), strings.Trim(string(escaped), `"`), fmt.Sprintf("%x", text))
			for _, coding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				all = append(all, coding.EncodeToString([]byte(text)),
					coding.EncodeToString([]byte("." + text))[4:][:piece], coding.EncodeToString([]byte(".." + text))[4:][:piece])
			}
		}
	}
	return all
}
