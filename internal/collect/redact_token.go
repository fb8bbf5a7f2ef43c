// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/base64"
	"strings"
)

// A tokenShape is a kind of token that shows what it is: a prefix, then at least min bytes of a set. The first keep bytes
// stay. The prefixes are those that the issuers document, so that leaked tokens can be found.
type tokenShape struct {
	prefix string
	keep   int
	min    int
	set    string
	is     func(rest string) bool // a further test of what follows the prefix; nil for none
}

const (
	setAlnum  = letters + "0123456789"
	setName   = setAlnum + "_-"
	setDotted = setName + "."
	setPath   = setName + "/"
	setBase64 = setAlnum + "+/="
	setBearer = setDotted + "+/=~"
	setUpper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	setHex    = "0123456789abcdef"
)

var shapes = byFirst([]tokenShape{
	{prefix: "AKIA", min: 16, set: setUpper, is: exactly16}, {prefix: "ASIA", min: 16, set: setUpper, is: exactly16},
	{prefix: "ABIA", min: 16, set: setUpper, is: exactly16}, {prefix: "ACCA", min: 16, set: setUpper, is: exactly16},
	{prefix: "AIza", min: 35, set: setName}, {prefix: "ya29.", min: 20, set: setDotted}, {prefix: "GOCSPX-", min: 20, set: setName},
	{prefix: "1//0", min: 30, set: setName},
	{prefix: "ghp_", min: 30, set: setAlnum}, {prefix: "gho_", min: 30, set: setAlnum}, {prefix: "ghu_", min: 30, set: setAlnum},
	{prefix: "ghs_", min: 30, set: setAlnum}, {prefix: "ghr_", min: 30, set: setAlnum}, {prefix: "github_pat_", min: 30, set: setName},
	{prefix: "glpat-", min: 16, set: setDotted}, {prefix: "gldt-", min: 16, set: setName}, {prefix: "glrt-", min: 16, set: setDotted},
	{prefix: "glcbt-", min: 16, set: setName}, {prefix: "glptt-", min: 16, set: setName}, {prefix: "glagent-", min: 16, set: setName},
	{prefix: "xoxb-", min: 10, set: setName}, {prefix: "xoxp-", min: 10, set: setName}, {prefix: "xoxa-", min: 10, set: setName},
	{prefix: "xoxr-", min: 10, set: setName}, {prefix: "xoxs-", min: 10, set: setName}, {prefix: "xoxe", min: 16, set: setDotted},
	{prefix: "xapp-", min: 10, set: setName}, {prefix: "hooks.slack.com/services/", keep: 25, min: 20, set: setPath},
	{prefix: "discord.com/api/webhooks/", keep: 25, min: 20, set: setPath}, {prefix: "discordapp.com/api/webhooks/", keep: 28, min: 20, set: setPath},
	{prefix: "webhook.office.com/webhookb2/", keep: 29, min: 20, set: setPath + "@"},
	{prefix: "npm_", min: 30, set: setAlnum}, {prefix: "pypi-", min: 50, set: setName}, {prefix: "rubygems_", min: 40, set: setHex},
	{prefix: "dckr_pat_", min: 20, set: setName}, {prefix: "dckr_oat_", min: 20, set: setName},
	{prefix: "sk_live_", min: 10, set: setAlnum}, {prefix: "sk_test_", min: 10, set: setAlnum}, {prefix: "rk_live_", min: 10, set: setAlnum},
	{prefix: "rk_test_", min: 10, set: setAlnum}, {prefix: "whsec_", min: 16, set: setBase64}, {prefix: "sk-", min: 20, set: setName, is: hasDigitAndCase},
	{prefix: "SG.", min: 40, set: setDotted}, {prefix: "hvs.", min: 20, set: setName}, {prefix: "hvb.", min: 20, set: setName},
	{prefix: "hf_", min: 30, set: setAlnum}, {prefix: "glsa_", min: 30, set: setName}, {prefix: "glc_", min: 30, set: setBase64},
	{prefix: "dop_v1_", min: 60, set: setHex}, {prefix: "shpat_", min: 30, set: setHex}, {prefix: "dapi", min: 32, set: setHex},
	{prefix: "NRAK-", min: 20, set: setUpper}, {prefix: "PMAK-", min: 30, set: setName}, {prefix: "ATATT3", min: 60, set: setName + "="},
	{prefix: "tskey-", min: 16, set: setName}, {prefix: "xkeysib-", min: 60, set: setName}, {prefix: "pul-", min: 40, set: setHex},
	{prefix: "sq0atp-", min: 20, set: setName}, {prefix: "sq0csp-", min: 40, set: setName}, {prefix: "EAAA", min: 60, set: setName},
	{prefix: "AGE-SECRET-KEY-1", min: 50, set: setUpper}, {prefix: "LS0tLS1CRUdJTi", min: 24, set: setBase64, is: isEncodedKey},
	{prefix: "eyJhdXRocyI6", min: 16, set: setBase64}, {prefix: "eyJ", min: 10, set: setDotted, is: isJWT},
	{prefix: "Bearer ", keep: 7, min: 16, set: setBearer, is: isBearer}, {prefix: "bearer ", keep: 7, min: 16, set: setBearer, is: isBearer},
	{prefix: "Basic ", keep: 6, min: 8, set: setBase64, is: isBasic}, {prefix: "basic ", keep: 6, min: 8, set: setBase64, is: isBasic},
})

// byFirst sorts shapes by their first byte, so that a word is compared with a few of them only.
func byFirst(list []tokenShape) *[128][]tokenShape {
	var index [128][]tokenShape
	for _, s := range list {
		index[s.prefix[0]] = append(index[s.prefix[0]], s)
	}
	return &index
}

// tokenAt returns the span of the token of a known shape that starts at i, or an empty span.
func tokenAt(s string, i int) (from, to int) {
	for _, sh := range shapes[s[i]&0x7f] {
		if i+1 >= len(s) || s[i+1] != sh.prefix[1] || !strings.HasPrefix(s[i:], sh.prefix) {
			continue
		}
		from, to = i+sh.keep, i+len(sh.prefix)
		n := runOf(s[to:min(len(s), to+maxLook)], sh.set)
		if n >= sh.min && (sh.is == nil || sh.is(s[to:to+n])) {
			return from, to + n + runOf(s[to+n:], sh.set)
		}
	}
	return i, i
}

// runOf returns how many bytes of the set s starts with.
func runOf(s, set string) int {
	n := 0
	for n < len(s) && strings.IndexByte(set, s[n]) >= 0 {
		n++
	}
	return n
}

func exactly16(rest string) bool { return len(rest) == 16 }

// isBearer tells a token from words after "Bearer".
func isBearer(rest string) bool {
	return strings.ContainsAny(rest, "0123456789") || strings.ToLower(rest) != rest && strings.ToUpper(rest) != rest
}

func hasDigitAndCase(rest string) bool {
	return strings.ContainsAny(rest, "0123456789") && strings.ToLower(rest) != rest
}

// isJWT says whether dots part what follows "eyJ" into header, payload and signature, or into the first two of them
// where the line was cut. A header of the length that is looked at holds certificates.
func isJWT(rest string) bool {
	if len(rest) == maxLook {
		return true
	}
	_, payload, ok := strings.Cut(rest, ".")
	return ok && len(payload) >= 10 && (strings.HasPrefix(payload, "eyJ") || len(payload) >= 40 || strings.Count(payload, ".") > 1)
}

// isEncodedKey says whether base64 that starts like "-----BEGIN " goes on to announce a private key.
func isEncodedKey(rest string) bool {
	head, err := base64.RawStdEncoding.DecodeString("LS0tLS1CRUdJTi" + rest[:22])
	return err == nil && strings.Contains(string(head), "PRIV")
}
