// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// A request is one that is in an audit log, when it was answered.
type request struct {
	AuditID, Verb, RequestURI, UserAgent string
	RequestReceivedTimestamp             time.Time
	User                                 struct{ Username string }
	ObjectRef                            struct{ Resource, Subresource, APIGroup, Namespace, Name string }
	ResponseStatus                       struct{ Code int }
}

// requests returns what an audit log has of a user, each request once: of a watch that it began. What these tests asked for as that user
// is not among them.
func (c *cluster) requests(t *testing.T, log, user string) []request {
	t.Helper()
	return requestsIn(t, c.file(log), user)
}

func requestsIn(t *testing.T, file, user string) []request {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	var all []request
	seen := map[string]bool{}
	for line := range bytes.Lines(data) {
		var r request
		if err := json.Unmarshal(line, &r); err == nil && r.User.Username == user && r.UserAgent != "test" && !seen[r.AuditID] { // the last line may be being written
			seen[r.AuditID] = true
			all = append(all, r)
		}
	}
	return all
}

// kindsOf returns the kinds that requests are to watch.
func kindsOf(all []request) []string {
	var kinds []string
	for _, r := range all {
		if r.Verb == "watch" {
			kinds = append(kinds, r.ObjectRef.Resource)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// refusals are the requests of the server's account that were too many.
func (c *cluster) refusals(t *testing.T) []request {
	t.Helper()
	return slices.DeleteFunc(c.requests(t, "audit.log", account), func(r request) bool { return r.ResponseStatus.Code != http.StatusTooManyRequests })
}

// patiently checks that what was refused was not asked for again before the least time was over that an API server has one wait: a second,
// of which as much is spared as the clock may be put right by.
func patiently(t *testing.T, refused []request) {
	t.Helper()
	last := map[string]time.Time{}
	for _, r := range refused {
		if since := r.RequestReceivedTimestamp.Sub(last[r.RequestURI]); since < 990*time.Millisecond {
			t.Errorf("%s %s was asked for again %s after it was, and was refused", r.Verb, r.RequestURI, since)
		}
		last[r.RequestURI] = r.RequestReceivedTimestamp
	}
	t.Logf("%d requests were refused within %s, for %d things", len(refused), refused[len(refused)-1].RequestReceivedTimestamp.Sub(refused[0].RequestReceivedTimestamp), len(last))
}

// refuse has the API server refuse whatever the server's account asks for, until the returned function is called: its level of priority
// has room for one request at a time, which is one that does not end. Watches that have begun go on.
func (c *cluster) refuse(t *testing.T) (allow func()) {
	t.Helper()
	none := new(int32)
	level := &flowcontrolv1.PriorityLevelConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "nothing"},
		Spec: flowcontrolv1.PriorityLevelConfigurationSpec{
			Type: flowcontrolv1.PriorityLevelEnablementLimited,
			Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
				NominalConcurrencyShares: none, LendablePercent: none, BorrowingLimitPercent: none, LimitResponse: flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject},
			},
		},
	}
	all := []string{"*"}
	schema := &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "nothing"},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: level.Name}, MatchingPrecedence: 2,
			Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
				Subjects:         []flowcontrolv1.Subject{{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: "inquest-server", Name: "inquest-server"}}},
				ResourceRules:    []flowcontrolv1.ResourcePolicyRule{{Verbs: all, APIGroups: all, Resources: all, ClusterScope: true, Namespaces: all}},
				NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: all, NonResourceURLs: all}},
			}},
		},
	}
	flow := c.FlowcontrolV1()
	_, err := flow.PriorityLevelConfigurations().Create(t.Context(), level, metav1.CreateOptions{})
	must(t, err)
	_, err = flow.FlowSchemas().Create(t.Context(), schema, metav1.CreateOptions{})
	must(t, err)
	asks, err := c.as(c.url, c.account(t))
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { dwell(ctx, asks) })
	allow = sync.OnceFunc(func() {
		stop()
		group.Wait()
		brief, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		must(t, flow.FlowSchemas().Delete(brief, schema.Name, metav1.DeleteOptions{}))
		must(t, flow.PriorityLevelConfigurations().Delete(brief, level.Name, metav1.DeleteOptions{}))
	})
	t.Cleanup(allow)
	eventually(t, time.Minute, "the account is refused", func() bool {
		return apierrors.IsTooManyRequests(asks.RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(t.Context()).Error())
	})
	return allow
}

// dwell has a request under way until the context ends: its body does not come.
func dwell(ctx context.Context, asks *kubernetes.Clientset) {
	for ctx.Err() == nil {
		body, end := io.Pipe()
		stop := context.AfterFunc(ctx, func() { end.Close() })
		asks.AuthenticationV1().RESTClient().Post().Resource("tokenreviews").Body(body).MaxRetries(0).Do(ctx) // until then, or refused itself
		stop()
		_ = pause(ctx, 20*time.Millisecond)
	}
}

// A second is another API server of the same cluster.
type second struct {
	*kubernetes.Clientset
	address string
}

// second starts another API server, on a host of its own by name: API servers of one host share a lease. The returned function waits for it.
func (c *cluster) second(t *testing.T) func(*testing.T) *second {
	t.Helper()
	_, _, address, err := freePorts()
	must(t, err)
	must(t, c.serve("second.log", address, "unshare", "--uts", "sh", "-c", `echo second >/proc/sys/kernel/hostname && exec "$0" "$@"`))
	t.Cleanup(c.stops[len(c.stops)-1])
	return func(t *testing.T) *second {
		t.Helper()
		client, err := c.ready("https://" + address)
		must(t, err)
		return &second{client, address}
	}
}

// compact has etcd forget all but what is now.
func (c *cluster) compact(t *testing.T) {
	t.Helper()
	var now struct{ Header struct{ Revision string } }
	c.askEtcd(t, "range", `{"key":"Lw=="}`, &now)
	c.askEtcd(t, "compaction", fmt.Sprintf(`{"revision":%q,"physical":true}`, now.Header.Revision), &struct{}{})
}

func (c *cluster) askEtcd(t *testing.T, what, body string, answer any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.etcd+"/v3/kv/"+what, strings.NewReader(body))
	must(t, err)
	resp, err := patient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("etcd answers %s with %d %s", what, resp.StatusCode, data)
	}
	must(t, json.Unmarshal(data, answer))
}

// turns returns which watches a recorder went on with at this API server, by kind and how it asked, and the kinds that it then watched anew.
func (s *second) turns(t *testing.T, user string) (resumed map[string]string, anew []string) {
	t.Helper()
	resumed = map[string]string{}
	for _, r := range control.requests(t, "second.log", user) {
		kind := r.ObjectRef.Resource
		switch {
		case r.Verb != "watch" || slices.Contains(anew, kind):
		case strings.Contains(r.RequestURI, "sendInitialEvents=true"):
			anew = append(anew, kind)
		default:
			resumed[kind] = r.RequestURI
		}
	}
	slices.Sort(anew)
	return resumed, anew
}

// gone checks that a recorder asked this API server to go on with each kind where it was, that this is answered with that it is gone, and that
// it asked for all there are then.
func (s *second) gone(t *testing.T, user string) {
	t.Helper()
	resumed, anew := s.turns(t, user)
	for _, kind := range watched {
		if uri := resumed[kind]; uri == "" || !slices.Contains(anew, kind) {
			t.Errorf("a watch of %s: it went on with %v, and began anew with %q", kind, resumed, anew)
		} else if code := s.answer(t, uri); code != http.StatusGone {
			t.Errorf("%s is answered with %d, which was to be gone", uri, code)
		}
	}
}

// answer returns the status that the API server answers a watch with.
func (s *second) answer(t *testing.T, uri string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body, err := s.RESTClient().Get().RequestURI(uri).SetHeader("Accept", "application/json").Stream(ctx)
	must(t, err)
	defer body.Close()
	var event struct {
		Type   apiwatch.EventType
		Object metav1.Status
	}
	must(t, json.NewDecoder(body).Decode(&event))
	return int(event.Object.Code)
}
