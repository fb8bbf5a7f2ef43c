// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// reader is the person who asks in TestFootprint, and who does nothing else.
const reader = "inquest-e2e-reader"

// TestFootprint looks at a person's questions in the API server's audit log. That person has the rights that the
// project ships, so a request that needs more shows there as forbidden.
func TestFootprint(t *testing.T) {
	t.Parallel()
	c := place(t, "e2e-footprint", "shop.yaml")
	kubeconfig := user(t, c, reader, shippedRole(t)...)
	shop := died(t, c, "shop", 2)
	pod := "pod/" + shop.Name
	questions := [][]string{
		{"why", pod, "-n", c.Namespace},
		{"why", "deploy/shop", "-n", c.Namespace},
		{"why", "node/" + shop.Spec.NodeName},
		{"why", "-n", c.Namespace},
		{"why", "-A"},
		{"why", "shap", "-n", c.Namespace},
		{"why", "-n", "e2e-footprnt"},
	}
	begun := []time.Time{time.Now()}
	for _, q := range questions {
		ask(t, kubeconfig, q...)
		begun = append(begun, time.Now())
	}
	follow(t, c, kubeconfig, pod)
	requests := audited(t, begun[0])
	for i, q := range questions {
		own := during(requests, begun[i], begun[i+1])
		t.Logf("%s: %d requests", strings.Join(q, " "), len(own))
		harmless(t, q, own, "get", "list")
		if i == 0 && len(own) > most {
			t.Errorf("%d requests, expected at most %d:\n%s", len(own), most, strings.Join(lines(own), "\n"))
		}
	}
	harmless(t, []string{"why", "--watch"}, during(requests, begun[len(questions)], time.Now()), "get", "list", "watch")
}

func shippedRole(t *testing.T) []rbacv1.PolicyRule {
	data, err := os.ReadFile("../deploy/rbac/reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(data, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// follow watches a pod that dies again and again until there is a second report, and interrupts it.
func follow(t *testing.T, c faults.Cluster, kubeconfig, pod string) {
	ctx, cancel := context.WithTimeout(t.Context(), established)
	defer cancel()
	cmd := exec.CommandContext(ctx, inquest, "why", "--watch", pod, "-n", c.Namespace)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reports := 0
	for text := bufio.NewScanner(out); text.Scan(); {
		if strings.HasPrefix(text.Text(), pod+" ") {
			if reports++; reports == 2 {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
			}
		}
	}
	err = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); reports != 2 || status != 130 || notes.Len() > 0 {
		t.Errorf("%d reports, exit status %d (%v), standard error %q", reports, status, err, notes.String())
	}
}

// An entry is what the audit log keeps of a request (audit.k8s.io/v1, Event).
type entry struct {
	AuditID                  string
	Verb, RequestURI         string
	User                     struct{ Username string }
	ObjectRef                struct{ Resource, Subresource string }
	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
}

// settled is how long the log must stay as it is to count as complete: an entry is written after the answer was sent.
const settled = 2 * time.Second

// audited returns the reader's requests since a time.
func audited(t *testing.T, since time.Time) []entry {
	var found []entry
	var changed time.Time
	until(t, "the audit log settles", func(ctx context.Context) (bool, error) {
		now, err := readAudit(ctx, since)
		if len(now) != len(found) || changed.IsZero() {
			found, changed = now, time.Now()
		}
		return time.Since(changed) > settled, err
	})
	return found
}

func readAudit(ctx context.Context, since time.Time) ([]entry, error) {
	cmd := exec.CommandContext(ctx, lab, "logs", "cp/audit")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("lab logs cp/audit: %w", err)
	}
	seen := map[string]bool{} // a log that is sent piece by piece has two entries
	var list []entry
	entries := bufio.NewScanner(out)
	for entries.Buffer(nil, 1<<20); entries.Scan(); {
		var r entry
		if !bytes.Contains(entries.Bytes(), []byte(reader)) || json.Unmarshal(entries.Bytes(), &r) != nil {
			continue // the last entry may be half written
		}
		if r.User.Username == reader && r.RequestReceivedTimestamp.After(since) && !seen[r.AuditID] {
			seen[r.AuditID] = true
			list = append(list, r)
		}
	}
	return list, errors.Join(entries.Err(), cmd.Wait())
}

// during returns the requests that came after one time and before the other.
func during(requests []entry, from, to time.Time) []entry {
	var list []entry
	for _, r := range requests {
		if r.RequestReceivedTimestamp.After(from) && r.RequestReceivedTimestamp.Before(to) {
			list = append(list, r)
		}
	}
	return list
}

// harmless checks that the requests for a question only read, read nothing secret, open nothing, and were all granted.
func harmless(t *testing.T, question []string, requests []entry, verbs ...string) {
	if len(requests) == 0 {
		t.Errorf("%s: the audit log has no request for it", strings.Join(question, " "))
	}
	for _, r := range requests {
		what := r.ObjectRef.Resource
		opens := r.ObjectRef.Subresource != "" && (what != "pods" || r.ObjectRef.Subresource != "log")
		refused := r.ResponseStatus.Code == 401 || r.ResponseStatus.Code == 403
		if !slices.Contains(verbs, r.Verb) || what == "" || what == "secrets" || opens || refused {
			t.Errorf("%s: it asked %s", strings.Join(question, " "), lines([]entry{r}))
		}
	}
}

func lines(requests []entry) []string {
	var all []string
	for _, r := range requests {
		all = append(all, fmt.Sprintf("%s %s: %d", r.Verb, r.RequestURI, r.ResponseStatus.Code))
	}
	return all
}
