// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// isAbsent tells whether an object does not exist, as opposed to its whole API not being served.
func isAbsent(err error) bool { return apierrors.IsNotFound(err) && !isUnserved(err) }

// isUnserved tells whether nothing is served at that path: then the 404 names no object.
func isUnserved(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == ""
}

// errLate is a look that was not begun in time.
var errLate = errors.New("not read in time")

// errSpent is a look that was left out, because enough was asked for.
var errSpent = fmt.Errorf("one pod is worth %d requests; ask about its workload for more", mostForPod)

// why says how a look failed, in the words of a gap.
func (a *api) why(visiting context.Context, err error, verb, kind, namespace string) string {
	r := resources[kind]
	what := verb + " " + r.plural
	if r.group == "metrics.k8s.io" {
		what += "." + r.group
	}
	if namespace != "" && !r.cluster {
		what += " in namespace " + namespace
	}
	switch {
	case apierrors.IsForbidden(err):
		return "forbidden: cannot " + what
	case isUnserved(err) && r.group == "metrics.k8s.io":
		return "metrics.k8s.io is not served (no metrics-server)"
	case errors.Is(err, errSpent):
		return "left out to " + what + ": " + err.Error()
	}
	return "cannot " + what + ": " + a.reason(visiting, err)
}

// reason says in a few words what went wrong between us and the API server.
func (a *api) reason(visiting context.Context, err error) string {
	var status apierrors.APIStatus
	switch {
	case visiting.Err() != nil || errors.Is(err, errLate):
		return "not read within " + a.limits.visit.String()
	case isTimeout(err):
		return "time-out after " + a.limits.object.String()
	case errors.As(err, &status):
		return flatten(status.Status().Message)
	}
	if text, ok := networkReason(err.Error()); ok {
		return text
	}
	return flatten(err.Error())
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, syscall.ETIMEDOUT)
}

// networkReason finds the reason in the text of a network error. The API server passes on those that it had with a
// kubelet as text.
func networkReason(text string) (string, bool) {
	for _, known := range []string{
		"connection refused", "no route to host", "network is unreachable", "connection reset by peer",
		"no such host", "TLS handshake timeout", "i/o timeout", "certificate has expired", "unexpected EOF", "EOF",
	} {
		if strings.Contains(text, known) {
			return known, true
		}
	}
	return "", false
}

// flatten makes a message of unknown origin fit for one line.
func flatten(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}

// A lookError is a look without which there is no answer.
type lookError struct {
	verb string
	ref  evidence.Ref
	err  error
}

func (e lookError) Error() string { return e.verb + " " + e.ref.String() + ": " + e.err.Error() }
func (e lookError) Unwrap() error { return e.err }

// A wordedError is an error as people are told of it. What the API server said is still in it, such as for how long not to ask.
type wordedError struct {
	error
	words string
}

func (e wordedError) Error() string { return e.words }
func (e wordedError) Unwrap() error { return e.error }

// explain makes one line with a remedy of the error that ends a visit.
func (a *api) explain(err error) error {
	var look lookError
	if !errors.As(err, &look) {
		return err
	}
	of := resourceOf(look.ref.Kind)
	what := look.verb + " " + of.plural
	if look.ref.Namespace != "" {
		what += " in namespace " + look.ref.Namespace
	}
	switch {
	case apierrors.IsForbidden(err) && accessKinds[look.ref.Kind] == of:
		return fmt.Errorf("forbidden: this user cannot %s: ask for the role of deploy/rbac/access.yaml, or give roles and bindings as files with --from", what)
	case apierrors.IsForbidden(err) && of.cluster: // view has none of these
		return fmt.Errorf("forbidden: this user cannot %s: ask for a role that can, such as that of deploy/rbac/reader.yaml", what)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("forbidden: this user cannot %s: ask for a role that can, such as view", what)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server at %s does not accept these credentials%s: log in again", a.host, a.expired())
	case isTimeout(err):
		return fmt.Errorf("the API server at %s does not answer: time-out after %s", a.host, a.limits.object)
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return wordedError{err, fmt.Sprintf("cannot %s: %s", what, flatten(status.Status().Message))}
	}
	return a.unreachable(flatten(look.err.Error()))
}

// unreachable makes one line of an error that came from no API server.
func (a *api) unreachable(text string) error {
	if _, text, ok := strings.Cut(text, "getting credentials: "); ok {
		return fmt.Errorf("cannot get the credentials for the API server at %s: %s", a.host, text)
	}
	if _, text, ok := strings.Cut(text, "x509: "); ok {
		return fmt.Errorf("cannot trust the API server at %s: %s: see the cluster's certificate-authority in the kubeconfig", a.host, text)
	}
	if known, ok := networkReason(text); ok {
		text = known
	}
	return fmt.Errorf("cannot reach the API server at %s: %s: see that it runs, and the kubeconfig names it", a.host, text)
}

// expired says since when the client certificate is no longer valid, or "".
func (a *api) expired() string {
	block, _ := pem.Decode(a.certificate)
	if block == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || time.Now().Before(cert.NotAfter) {
		return ""
	}
	return " (the client certificate expired at " + cert.NotAfter.UTC().Format(time.RFC3339) + ")"
}
