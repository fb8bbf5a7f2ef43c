// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A Dependency is another service that a block says the process could not use.
type Dependency struct {
	Target  string // "host:port" or "host", as the log names it
	Problem string // one of the Problem constants
}

// What a block may say is wrong with a dependency.
const (
	Refused     = "refused"      // nothing listens there, or a policy rejects
	TimeOut     = "time-out"     // no answer
	NoSuchHost  = "no such host" // the name does not resolve
	Unreachable = "unreachable"  // no route
	TLS         = "tls"          // the certificate or the handshake
	Auth        = "auth"         // the credentials
)

// problems are told by what system calls, resolvers and clients print, in lower case. The first that fits counts.
var problems = []struct {
	problem string
	says    []string
}{
	{TLS, []string{"x509:", "tls: ", "certificate verify failed", "sslhandshakeexception", "ssl handshake", "certificate has expired",
		"self-signed certificate", "self signed certificate", "handshake failure"}},
	{Auth, []string{"authentication failed", "access denied for user", "401 unauthorized", "403 forbidden", "noauth", "wrongpass", "invalidpassword",
		"invalid password", "login failed", "unauthorized"}},
	{NoSuchHost, []string{"no such host", "enotfound", "eai_again", "unknownhostexception", "name or service not known", "name does not resolve",
		"name resolution", "could not translate host name", "host not found", "nxdomain", "bad address", "not resolve host", "server misbehaving"}},
	{Unreachable, []string{"no route to host", "network is unreachable", "host is unreachable", "ehostunreach", "enetunreach"}},
	{Refused, []string{"connection refused", "econnrefused", "errno 111", "error 111"}},
	{TimeOut, []string{"i/o timeout", "timed out", "etimedout", "deadline exceeded", "timeout", "no response"}},
}

// targets find the host, and the port if there is one, in a line, the surest first.
var targets = []*regex.Expr{
	regex.New(`\b(?:dial|read|write) (?:tcp|udp)\d? (?:\S+->)?(\[[0-9a-f:.]+\]|[\w.-]+):(\d+)`),
	regex.New(`\blookup ([\w.-]+\w)`),
	regex.New(`host='([^']+)', port=(\d+)`),
	regex.New(`server at "([^"]+)".*?, port (\d+)`),
	regex.New(`\(2\) for "?([\w.-]+?)"?(?: port |:)(\d+)`),
	regex.New(`\b(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN) ([\w.-]+\w)(?::(\d+))?`),
	regex.New(`UnknownHostException: ([\w.-]+\w)`),
	regex.New(`(?:host name|upstream|address|server on|resolve host:?) ["']?([\w.-]+\w)(?::(\d+))?`),
	regex.New(`\b[a-z][a-z0-9+.-]*://(?:[^@/\s"']*@)?(\[[0-9a-f:.]+\]|[\w.-]*\w)(?::(\d+))?`),
	regex.New(`\bto ([\w.-]+\w) port (\d+)`),
	regex.New(`(?:^|[\s"'(/=,@])((?:\d{1,3}\.){3}\d{1,3}|[A-Za-z][\w.-]*\w):(\d{2,5})\b`),
}

var sourceFile = regex.New(`\.(?:go|py|js|ts|mjs|java|kt|scala|rb|rs|php|c|cc|cpp|cs|h|sh|yaml|yml|json|conf)$`)

// Dependencies lists the services that a block says could not be used, in the order in which it names them. As with
// all log text it is what the program claims, and no proof.
func Dependencies(b Block) []Dependency {
	var found []Dependency
	for _, s := range append([]string{b.Headline}, b.Lines...) {
		d, ok := dependency(s)
		if ok && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found
}

func dependency(s string) (Dependency, bool) {
	low := strings.ToLower(s)
	for _, p := range problems {
		if !hasAny(low, p.says) {
			continue
		}
		for _, r := range targets {
			m := r.FindStringSubmatch(s)
			if m == nil || sourceFile.MatchString(m[1]) {
				continue
			}
			target := m[1]
			if len(m) > 2 && m[2] != "" {
				target += ":" + m[2]
			}
			return Dependency{Target: target, Problem: p.problem}, true
		}
		return Dependency{}, false
	}
	return Dependency{}, false
}
