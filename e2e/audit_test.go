// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// most is how many requests a question about one pod may cost. A workload costs more, by its pods' nodes and usage.
const (
	most        = 15
	mostForMany = 25
)

// asker is the prefix of the users that ask, one for each question, so that the audit log tells them apart, also from
// those of earlier runs of the tests.
var asker = fmt.Sprintf("e2e-asker-%d-", time.Now().Unix())

var questions atomic.Int64

// credentials returns a kubeconfig to ask with: in the lab that of a user of its own, elsewhere the given one.
func credentials(t *testing.T, ask string) string {
	if !inLab() {
		return os.Getenv("KUBECONFIG")
	}
	user := fmt.Sprintf("%s%d-%s", asker, questions.Add(1), strings.ReplaceAll(ask, "/", "-"))
	out, err := exec.CommandContext(t.Context(), lab, "kubeconfig", "--user", user, "--groups", "system:masters").Output()
	if err != nil {
		t.Fatalf("lab kubeconfig: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// inLab tells whether the cluster is the lab.
func inLab() bool {
	out, err := exec.Command(lab, "kubeconfig").Output()
	return err == nil && strings.TrimSpace(string(out)) == os.Getenv("KUBECONFIG")
}

// A request is what the audit log tells of one.
type request struct {
	AuditID        string // that of a log has two entries, of its begin and its end
	Verb           string
	RequestURI     string
	User           struct{ Username string }
	ObjectRef      struct{ Resource, Subresource, APIGroup string }
	ResponseStatus struct {
		Code    int
		Details struct{ Causes []struct{ Reason string } }
	}
	Annotations map[string]string
}

// refused tells whether a request was, for whatever reason but that its namespace ends: nobody may make anything there, and whoever
// asks has the right to.
func (r request) refused() bool {
	ending := r.Annotations["authorization.k8s.io/decision"] == "allow" && len(r.ResponseStatus.Details.Causes) == 1 &&
		r.ResponseStatus.Details.Causes[0].Reason == "NamespaceTerminating"
	return r.ResponseStatus.Code == http.StatusForbidden && !ending
}

// right is what a role must allow for the request.
func (r request) right() string {
	o := r.ObjectRef
	switch {
	case o.Resource == "":
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return r.Verb + " " + path
	case o.Subresource != "":
		o.Resource += "/" + o.Subresource
	}
	return r.Verb + " " + o.Resource + " of " + o.APIGroup
}

// checkRequests looks up in the API server's audit log what all questions cost: few requests, all of them reads, none
// of a Secret.
func checkRequests(t *testing.T) {
	log, err := exec.CommandContext(t.Context(), lab, "logs", "audit").Output()
	if err != nil {
		t.Fatalf("lab logs audit: %v", err)
	}
	asked, seen := map[string][]string{}, map[string]bool{}
	for line := range bytes.Lines(log) {
		var r request
		if err := json.Unmarshal(line, &r); err != nil || !strings.HasPrefix(r.User.Username, asker) || seen[r.AuditID] {
			continue // the last line may be half written
		}
		seen[r.AuditID] = true
		asked[r.User.Username] = append(asked[r.User.Username], r.Verb+" "+r.RequestURI)
		token := r.Verb == "create" && strings.HasSuffix(r.RequestURI, "/serviceaccounts/inquest-reader/token") // which agents alone take
		if !token && !slices.Contains([]string{"get", "list"}, r.Verb) || r.ObjectRef.Resource == "secrets" {
			t.Errorf("%s made a request that reads too much or writes: %s %s", r.User.Username, r.Verb, r.RequestURI)
		}
	}
	if len(asked) == 0 {
		t.Error("the audit log has no request of any question")
	}
	highest := 0
	for user, requests := range asked {
		limit := mostForMany
		if strings.Contains(user, "-pod-") {
			limit, highest = most, max(highest, len(requests))
		}
		if len(requests) > limit {
			t.Errorf("%s made %d requests, at most %d:\n%s", user, len(requests), limit, strings.Join(requests, "\n"))
		}
	}
	t.Logf("%d questions; those about a pod made %d requests at most", len(asked), highest)
}

// TestRefused: what no role allows is refused, and so is what admission does not let pass, unless it is because a namespace ends.
func TestRefused(t *testing.T) {
	for line, want := range map[string]bool{
		`{"responseStatus":{"code":201},"annotations":{"authorization.k8s.io/decision":"allow"}}`:                                                          false,
		`{"responseStatus":{"code":404},"annotations":{"authorization.k8s.io/decision":"allow"}}`:                                                          false,
		`{"responseStatus":{"code":403,"reason":"Forbidden"},"annotations":{"authorization.k8s.io/decision":"forbid"}}`:                                    true,
		`{"responseStatus":{"code":403,"details":{"causes":[{"reason":"NamespaceTerminating"}]}},"annotations":{"authorization.k8s.io/decision":"allow"}}`: false,
		`{"responseStatus":{"code":403,"message":"exceeded quota"},"annotations":{"authorization.k8s.io/decision":"allow"}}`:                               true,
	} {
		var r request
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.refused() != want {
			t.Errorf("%v, refused %t, expected %t: %s", err, r.refused(), want, line)
		}
	}
}
