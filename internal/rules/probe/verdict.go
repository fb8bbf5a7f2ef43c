// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A kind is a way in which a probe fails; each asks for another remedy.
type kind int

const (
	unclear     kind = iota
	status           // an HTTP status that is no success
	refused          // nothing listens
	timedOut         // no answer in time
	unreachable      // no way to the pod
	closed           // the connection ended without an answer
	wantsTLS         // asked in plain text, and the port speaks TLS
	wantsPlain       // the reverse
	noCommand        // the image does not have the command
	badCommand       // the command ended with an error
	noPort           // the named port is not declared
	noHealth         // the server has no gRPC health service
	unserving        // the gRPC health service says that it does not serve
	notRun           // the kubelet or the runtime could not run it
)

// A verdict says how a probe failed.
type verdict struct {
	kind kind
	text string // in words
	code string // the HTTP status
}

var statusCode = regex.New(`statuscode: (\d{3})`)

// tells are what the kubelet and the libraries that it asks with say, in lower case, the first that fits counts. What an
// exec probe prints is the program's own word, of which only the runtime's about the command itself counts.
var tells = []struct {
	kind  kind
	exec  bool // can be said of an exec probe; otherwise only of the others
	text  string
	parts []string
}{
	{refused, false, "no connection to a gRPC server came about", []string{"failed to connect service"}},
	{noCommand, true, "its command is not in the image", []string{"executable file not found", "no such file or directory: unknown"}},
	{timedOut, true, "it timed out", []string{"command timed out", `" timed out`, "deadlineexceeded"}},
	{notRun, true, "it could not be run", []string{"oci runtime exec failed"}},
	{noPort, false, "the port that it names is not declared", []string{"strconv.atoi", "couldn't find port"}}, // before about 1.36
	{noHealth, false, "the server has no gRPC health service", []string{"does not implement the grpc health protocol", "unknown service grpc.health"}},
	{unserving, false, "the server answers that it does not serve", []string{"service unhealthy (responded"}},
	{wantsPlain, false, "the port does not speak TLS", []string{"server gave http response to https client", "first record does not look like a tls handshake"}},
	{wantsTLS, false, "the port speaks TLS", []string{`malformed http response "\x15\x03`, "malformed http status code"}},
	{refused, false, "the connection was refused", []string{"connection refused"}},
	{unreachable, false, "the pod could not be reached", []string{"no route to host", "network is unreachable", "connect: connection timed out"}},
	{timedOut, false, "it timed out", []string{"client.timeout", "timed out", "timeout", "deadline exceeded"}},
	{closed, false, "the connection was closed without an answer", []string{"connection reset", "eof"}},
}

// how reads what the kubelet writes into an Unhealthy Event (kubernetes pkg/kubelet/prober/prober.go and pkg/probe).
func how(message string, probe *corev1.Probe) verdict {
	_, answer, _ := strings.Cut(message, " probe ")
	isExec, errored := probe != nil && probe.Exec != nil, strings.HasPrefix(answer, "errored")
	if m := statusCode.FindStringSubmatch(answer); m != nil && (probe == nil || probe.HTTPGet != nil) {
		return verdict{kind: status, text: "it was answered with HTTP status " + m[1], code: m[1]}
	}
	lower := strings.ToLower(answer)
	if errored && !isExec && strings.Contains(lower, `port "`) && strings.Contains(lower, "not found") {
		return verdict{kind: noPort, text: "the port that it names is not declared"}
	}
	if dialled(lower) && !isExec {
		return verdict{kind: unreachable, text: "the pod could not be reached"}
	}
	for _, t := range tells {
		said := slices.ContainsFunc(t.parts, func(part string) bool { return strings.Contains(lower, part) })
		if said && (t.exec || !isExec) {
			return verdict{kind: t.kind, text: t.text}
		}
	}
	switch {
	case errored:
		return verdict{kind: notRun, text: "it could not be run"}
	case isExec:
		return verdict{kind: badCommand, text: "its command failed"}
	}
	return verdict{kind: unclear, text: "it failed"}
}

// dialled tells a connection that was never answered from an answer that did not come.
func dialled(lower string) bool {
	return strings.Contains(lower, "dial tcp") && strings.Contains(lower, "i/o timeout")
}
