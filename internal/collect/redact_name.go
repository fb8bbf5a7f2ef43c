// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"strings"
)

// A nameClass says what a name tells about its value.
type nameClass uint8

const (
	ordinary  nameClass = iota
	weak                // secret when the value looks random: key, session, signature
	bare                // secret after "=" and in quotes: pass, pwd
	strong              // secret whatever it looks like: password, token, api key
	header              // an Authorization header: scheme, then secret
	cookie              // a chain of name=secret
	qualifier           // not decided by this word
	partial             // decided together with the word before
)

// maxName is how much of a name is looked at: its end, which is what tells.
const maxName = 64

// lastWords are last words of names that tell what the value is. The qualifiers among them leave the word before them
// in charge: password_base64, TOKEN_DEFAULT, client-key-data. The partial ones need that word too: api_key.
var lastWords = map[string]nameClass{
	"authorization": header, "cookie": cookie, "pass": bare, "pwd": bare, "requirepass": strong,

	"auth": weak, "credential": weak, "credentials": weak, "creds": weak, "cred": weak, "session": weak, "sessionid": weak,
	"sid": weak, "sig": weak, "signature": weak, "jwt": weak, "bearer": weak, "csrf": weak, "xsrf": weak, "otp": weak,
	"salt": weak, "seed": weak, "license": weak, "dockerconfigjson": weak, "dockercfg": weak,

	"key": partial, "id": partial, "hash": partial,

	"value": qualifier, "val": qualifier, "data": qualifier, "base": qualifier, "b": qualifier, "encoded": qualifier,
	"plain": qualifier, "plaintext": qualifier, "text": qualifier, "string": qualifier, "default": qualifier,
	"current": qualifier, "old": qualifier, "new": qualifier, "previous": qualifier, "raw": qualifier,
	"prod": qualifier, "production": qualifier, "staging": qualifier, "dev": qualifier, "test": qualifier,
}

// strongEnds are ends of last words that make the value a secret: token, authtoken, mysqlpassword.
var strongEnds = []string{
	"password", "passwd", "passphrase", "passcode", "passwort", "secret", "token",
	"apikey", "secretkey", "accesskey", "privatekey", "masterkey", "encryptionkey", "signingkey", "accountkey", "authkey",
}

// pairs are the last two words of names whose last word alone says too little.
var pairs = map[string]nameClass{
	"api_key": strong, "access_key": strong, "secret_key": strong, "private_key": strong, "encryption_key": strong,
	"signing_key": strong, "master_key": strong, "account_key": strong, "auth_key": strong, "ssh_key": strong,
	"client_key": strong, "shared_key": strong, "storage_key": strong, "service_key": strong, "subscription_key": strong,
	"consumer_key": strong, "session_key": strong, "hmac_key": strong, "aes_key": strong, "jwt_key": strong,
	"deploy_key": strong, "webhook_key": strong, "app_key": strong, "application_key": strong, "write_key": strong,
	"ingestion_key": strong, "integration_key": strong, "secret_id": strong, "password_hash": strong, "session_id": weak,
}

// classify tells from the last words of a name what its value is. "db.password" is a secret, "token-ttl",
// "secretName" and "max_tokens" are not.
func classify(name string) nameClass {
	if len(name) < 3 || isDigit(name[0]) && isDigit(name[len(name)-1]) {
		return ordinary
	}
	var buf [2 * maxName]byte
	words := splitName(name[max(0, len(name)-maxName):], buf[:0])
	for len(words) > 0 {
		i := bytes.LastIndexByte(words, '_') + 1
		last, before := words[i:], words[:max(0, i-1)]
		kind := lastWords[string(last)]
		switch {
		case kind == qualifier || isDigit(last[0]):
			words = before
			continue
		case kind == partial:
			i = bytes.LastIndexByte(before, '_') + 1
			kind = pairs[string(words[i:])]
			if kind == ordinary && string(last) == "key" {
				kind = weak
			}
		case kind == ordinary && endsStrong(last):
			kind = strong
		}
		return kind
	}
	return ordinary
}

func endsStrong(word []byte) bool {
	if len(word) < len("token") || strings.IndexByte("detny", word[len(word)-1]) < 0 {
		return false
	}
	for _, end := range strongEnds {
		if len(word) >= len(end) && string(word[len(word)-len(end):]) == end {
			return true
		}
	}
	return false
}

// splitName appends the words of a name to buf in lower case with "_" between them.
func splitName(name string, buf []byte) []byte {
	for i := range len(name) {
		c := name[i]
		if !isAlnum(c) {
			c = '_'
		}
		open := len(buf) > 0 && buf[len(buf)-1] != '_'
		if open && c != '_' && wordStarts(name, i) {
			buf = append(buf, '_')
		}
		if c == '_' && !open {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return bytes.TrimSuffix(buf, []byte("_"))
}

// wordStarts says whether a new word starts inside letters and digits: fooBar, HTTPServer, key2.
func wordStarts(name string, i int) bool {
	prev, c := name[i-1], name[i]
	upper := 'A' <= c && c <= 'Z'
	switch {
	case isDigit(c) != isDigit(prev):
		return true
	case upper && 'a' <= prev && prev <= 'z':
		return true
	}
	return upper && i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z'
}
