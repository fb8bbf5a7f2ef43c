// SPDX-License-Identifier: Apache-2.0

package collect

import "bytes"

// A nameClass says what a name tells about its value.
type nameClass uint8

const (
	ordinary nameClass = iota
	weak               // secret when the value looks random: key, session, signature
	bare               // secret after "=" and in quotes: pass, pwd
	strong             // secret whatever it looks like: password, token, api key
	header             // an Authorization header: scheme, then secret
	cookie             // a chain of name=secret
)

// maxName is how much of a name is looked at: its end, which is what tells.
const maxName = 64

// strongWords are last words of names that make the value a secret. They also count as the end of a word, so that
// mysqlpassword and authtoken are known.
var strongWords = []string{
	"password", "passwd", "passphrase", "passcode", "passwort", "secret", "token",
	"apikey", "secretkey", "accesskey", "privatekey", "masterkey", "encryptionkey", "signingkey", "accountkey", "authkey",
}

// strongPairs are the last two words of names whose last word alone says too little.
var strongPairs = map[string]bool{
	"api_key": true, "access_key": true, "secret_key": true, "private_key": true, "encryption_key": true,
	"signing_key": true, "master_key": true, "account_key": true, "auth_key": true, "ssh_key": true, "client_key": true,
	"shared_key": true, "storage_key": true, "service_key": true, "subscription_key": true, "consumer_key": true,
	"session_key": true, "hmac_key": true, "aes_key": true, "jwt_key": true, "deploy_key": true, "webhook_key": true,
	"app_key": true, "application_key": true, "write_key": true, "ingestion_key": true, "integration_key": true,
	"secret_id": true, "password_hash": true,
}

// weakWords are last words of names of values that are secret when they look random.
var weakWords = map[string]bool{
	"key": true, "auth": true, "credential": true, "credentials": true, "creds": true, "cred": true, "session": true,
	"sessionid": true, "sid": true, "sig": true, "signature": true, "jwt": true, "bearer": true, "csrf": true,
	"xsrf": true, "otp": true, "salt": true, "seed": true, "license": true, "dockerconfigjson": true, "dockercfg": true,
}

// qualifiers are last words that leave the one before them in charge: password_base64, TOKEN_DEFAULT, client-key-data.
var qualifiers = map[string]bool{
	"value": true, "val": true, "data": true, "base": true, "b": true, "encoded": true, "plain": true, "plaintext": true,
	"text": true, "string": true, "default": true, "current": true, "old": true, "new": true, "previous": true, "raw": true,
	"prod": true, "production": true, "staging": true, "dev": true, "test": true,
}

// classify tells from the last words of a name what its value is. "db.password" is a secret, "token-ttl",
// "secretName" and "max_tokens" are not.
func classify(name string) nameClass {
	if len(name) < 3 {
		return ordinary
	}
	var buf [2 * maxName]byte
	words := splitName(name[max(0, len(name)-maxName):], buf[:0])
	last, before := popWord(words)
	for len(last) > 0 && (isDigit(last[0]) || qualifiers[string(last)]) {
		words = before
		last, before = popWord(words)
	}
	second, _ := popWord(before)
	switch string(last) {
	case "":
		return ordinary
	case "authorization":
		return header
	case "cookie":
		return cookie
	case "pass", "pwd":
		if len(second) > 0 {
			return strong
		}
		return bare
	}
	for _, w := range strongWords {
		if bytes.HasSuffix(last, []byte(w)) {
			return strong
		}
	}
	switch {
	case len(second) > 0 && strongPairs[string(words[len(words)-len(last)-len(second)-1:])]:
		return strong
	case weakWords[string(last)], string(last) == "id" && string(second) == "session":
		return weak
	}
	return ordinary
}

// splitName appends the words of a name to buf in lower case with "_" between them.
func splitName(name string, buf []byte) []byte {
	for i := 0; i < len(name); i++ {
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

// popWord returns the last word, and the words before it.
func popWord(words []byte) (last, before []byte) {
	i := bytes.LastIndexByte(words, '_')
	if i < 0 {
		return words, nil
	}
	return words[i+1:], words[:i]
}
