// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// words are those of a text; - is the core's group, which has no name.
func words(text string) []string {
	all := strings.Fields(text)
	for i, w := range all {
		if w == "-" {
			all[i] = ""
		}
	}
	return all
}

// An entry is a line of an audit log; more is what it has beside.
func entry(user, verb, uri, more string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%[1]s %[2]s %[3]s","stage":"ResponseComplete","requestURI":%[3]q,"verb":%[2]q,`+
		`"user":{"username":%[1]q,"groups":["system:authenticated","dev"]},"responseStatus":{"code":200},`+
		`"stageTimestamp":"2026-11-26T10:00:00.000000Z","annotations":{"authorization.k8s.io/decision":"allow"}%[4]s}`+"\n", user, verb, uri, more)
}

func reading(t *testing.T, text string) *Log {
	t.Helper()
	var l Log
	if err := l.Read("audit.log", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return &l
}

// did says what a log has of a user, refused ones with a minus.
func did(l *Log, user string) []string {
	var all []string
	for r, use := range l.Users[user].Uses {
		text := fmt.Sprintf("%s %d", r, use.Asked)
		if use.Refused > 0 {
			text += fmt.Sprintf(" -%d", use.Refused)
		}
		if use.Open > 0 {
			text += fmt.Sprintf(" open %d", use.Open)
		}
		if use.Dry > 0 {
			text += fmt.Sprintf(" dry %d", use.Dry)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// review is a SubjectAccessReview of sue.
func review(about, more string) string {
	return entry("kubelet", "create", "/apis/authorization.k8s.io/v1/subjectaccessreviews", fmt.Sprintf(`,"requestObject":{"spec":{"user":"sue","resourceAttributes":%s}}%s`, about, more))
}

// TestEvents: what each kind of event tells that somebody was allowed.
func TestEvents(t *testing.T) {
	forbid := `,"annotations":{"authorization.k8s.io/decision":"forbid"}`
	for _, c := range []struct {
		name, line, user string
		want             []string
	}{
		{"a name that an object got is not one that was asked for",
			entry("sue", "create", "/api/v1/namespaces/shop/configmaps", `,"objectRef":{"resource":"configmaps","name":"a"}`), "sue", []string{"create configmaps in shop 1"}},
		{"refused", entry("sue", "get", "/api/v1/namespaces/shop/secrets/a", forbid), "sue", []string{"get secrets a in shop 0 -1"}},
		{"refused, of an API server that notes no decision", entry("sue", "get", "/api/v1/namespaces/shop/secrets/a", `,"annotations":{"authorization.k8s.io/decision":""},"responseStatus":{"code":403}`), "sue",
			[]string{"get secrets a in shop 0 -1"}},
		{"allowed, and refused by admission", entry("sue", "create", "/api/v1/namespaces/shop/pods", `,"responseStatus":{"code":403}`), "sue", []string{"create pods in shop 1"}},
		{"one too many", entry("sue", "list", "/api/v1/pods", `,"annotations":{"authorization.k8s.io/decision":""},"responseStatus":{"code":429}`), "sue", []string{"list pods 1"}},
		{"an apply that made something", entry("sue", "patch", "/api/v1/namespaces/shop/configmaps/a?fieldManager=x", `,"responseStatus":{"code":201}`), "sue",
			[]string{"create configmaps a in shop 1", "patch configmaps a in shop 1"}},
		{"a dry run", entry("sue", "delete", "/api/v1/namespaces/shop/pods/a?dryRun=All", ""), "sue", []string{"delete pods a in shop 1 dry 1"}},
		{"as another, by who acts", entry("root", "list", "/api/v1/pods", `,"impersonatedUser":{"username":"bob","uid":"7","groups":["dev","system:authenticated"],"extra":{"scope":["all"]}}`), "root",
			[]string{"impersonate groups dev 1", "impersonate uids.authentication.k8s.io 7 1", "impersonate userextras.authentication.k8s.io/scope all 1", "impersonate users bob 1"}},
		{"as another, by whom it is", entry("root", "list", "/api/v1/pods", `,"impersonatedUser":{"username":"bob","groups":["dev"]}`), "bob", []string{"list pods 1"}},
		{"as an account", entry("root", "list", "/api/v1/pods",
			`,"impersonatedUser":{"username":"system:serviceaccount:shop:cart","groups":["system:serviceaccounts","system:serviceaccounts:shop","system:authenticated"]}`), "root",
			[]string{"impersonate serviceaccounts cart in shop 1"}},
		{"as a node, within bounds", entry("root", "get", "/api/v1/nodes/n1",
			`,"impersonatedUser":{"username":"system:node:n1","groups":["system:nodes"]},"authenticationMetadata":{"impersonationConstraint":"impersonate:arbitrary-node"}`), "root",
			[]string{"impersonate-on:arbitrary-node:get nodes n1 1", "impersonate:arbitrary-node nodes.authentication.k8s.io n1 1"}},
		{"what others ask about it", entry("kubelet", "create", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
			`,"level":"Request","objectRef":{"resource":"subjectaccessreviews"},"requestObject":{"spec":{"user":"sue","resourceAttributes":{"verb":"get","resource":"nodes","subresource":"metrics","name":"n1"}}}`), "sue",
			[]string{"get nodes/metrics n1 0 open 1"}},
		{"what others ask about it, and were told: yes", review(`{"verb":"get","resource":"nodes","subresource":"metrics","name":"n1"}`, `,"responseObject":{"status":{"allowed":true}}`), "sue", []string{"get nodes/metrics n1 1"}},
		{"what others ask about it, and were told: no", review(`{"verb":"get","resource":"nodes","subresource":"metrics","name":"n1"}`, `,"responseObject":{"status":{"allowed":false}}`), "sue", []string{"get nodes/metrics n1 0 -1"}},
		{"what others ask about it, and is told nothing of use", review(`{"verb":"get","resource":"pods"}`, `,"responseObject":{"status":"Failure"}`), "sue", []string{"get pods 0 open 1"}},
		{"what it asks about itself", entry("sue", "create", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
			`,"requestObject":{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}},"responseObject":{"status":{"allowed":false}}`), "sue", []string{"create selfsubjectaccessreviews.authorization.k8s.io 1"}},
		{"a path that others ask about", entry("prom", "create", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
			`,"requestObject":{"spec":{"user":"sue","nonResourceAttributes":{"verb":"get","path":"/metrics"}}},"responseObject":{"status":{"allowed":true}}`), "sue", []string{"get /metrics 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := reading(t, c.line)
			if l.Users[c.user] == nil {
				t.Fatalf("nothing of %s; broken: %v", c.user, l.Examples)
			}
			if diff := cmp.Diff(c.want, did(l, c.user)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStages counts a request once, whichever of its stages are logged.
func TestStages(t *testing.T) {
	stage := func(id, stage, verb string) string {
		return entry("sue", verb, "/api/v1/pods", fmt.Sprintf(`,"auditID":%q,"stage":%q`, id, stage))
	}
	l := reading(t, stage("1", "RequestReceived", "watch")+stage("1", "ResponseStarted", "watch")+stage("1", "ResponseComplete", "watch")+
		stage("2", "ResponseStarted", "watch")+stage("3", "ResponseComplete", "list")+stage("4", "Panic", "list")+stage("5", "RequestReceived", "get"))
	if diff := cmp.Diff([]string{"list pods 2", "watch pods 2"}, did(l, "sue")); diff != "" {
		t.Error(diff)
	}
	if l.Events != 7 || l.Requests != 4 || l.Stages["RequestReceived"] != 2 {
		t.Errorf("%d events, %d requests, stages %v", l.Events, l.Requests, l.Stages)
	}
}

// TestBroken: lines that are no events are counted and named, and do not keep others from being read.
func TestBroken(t *testing.T) {
	good := entry("sue", "list", "/api/v1/pods", "")
	list := `{"kind":"EventList","items":[` + strings.TrimSpace(good) + `,` + strings.TrimSpace(entry("bob", "list", "/api/v1/pods", "")) + "]}\n"
	l := reading(t, good[:40]+"\n\n{}\n"+good+`{"kind":"Pod"}`+"\n"+list+good[:90])
	if l.Broken != 4 || l.Events != 3 || len(l.Examples) != brokenNamed {
		t.Errorf("%d broken, %d events: %q", l.Broken, l.Events, l.Examples)
	}
	if l.Examples[0] != "audit.log line 1: cut off or no JSON" || l.Examples[1] != "audit.log line 3: no audit event (audit.k8s.io/v1)" {
		t.Errorf("%q", l.Examples)
	}
	if len(l.Users["bob"].Uses) != 1 {
		t.Error("a list of events is not read")
	}
}

// TestLongLine: a line beyond the bound is one broken line, and the next one is read.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	l := reading(t, long+"\n"+entry("sue", "list", "/api/v1/pods", fmt.Sprintf(`,"responseObject":%q`, strings.Repeat("y", 3<<20))))
	if l.Broken != 1 || l.Events != 1 {
		t.Errorf("%d broken, %d events", l.Broken, l.Events)
	}
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	fmt.Fprint(w, entry("sue", "list", "/api/v1/pods", ""))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var l Log
	if err := l.Read("audit.log.gz", &b); err != nil || l.Events != 1 {
		t.Errorf("%d events, %v", l.Events, err)
	}
	if err := l.Read("cut.gz", bytes.NewReader([]byte{0x1f, 0x8b, 8})); err == nil || !strings.Contains(err.Error(), "cut.gz") {
		t.Errorf("a packed file that is cut off: %v", err)
	}
}

// TestNames keeps those that roles name, however many others there are.
func TestNames(t *testing.T) {
	var b strings.Builder
	for i := range mostNames + 50 {
		b.WriteString(entry("sue", "get", fmt.Sprintf("/api/v1/namespaces/shop/configmaps/c%d", i), ""))
	}
	b.WriteString(entry("sue", "get", "/api/v1/namespaces/shop/configmaps/kept", ""))
	l := Log{Keep: map[string]bool{"kept": true}}
	if err := l.Read("audit.log", strings.NewReader(b.String())); err != nil {
		t.Fatal(err)
	}
	uses, of := l.Users["sue"].Uses, Request{Verb: "get", Resource: "configmaps", Namespace: "shop"}
	many, kept := of, of
	many.Name, kept.Name = manyNames, "kept"
	if len(uses) != mostNames+2 || uses[many].Asked != 50 || uses[kept].Asked != 1 {
		t.Errorf("%d kept, %v of many, %v of the name", len(uses), uses[many], uses[kept])
	}
}

// TestReviewsUnsaid counts reviews that do not say what they ask, but for those that nobody answered.
func TestReviewsUnsaid(t *testing.T) {
	const uri = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
	l := reading(t, entry("a", "create", uri, "")+entry("b", "create", uri, `,"requestObject":{"spec":{"user":"sue"}}`)+entry("c", "create", uri, `,"requestObject":7`)+
		entry("d", "create", uri, `,"responseStatus":{"code":403}`)+entry("e", "create", uri, `,"responseStatus":{"code":400},"requestObject":{"spec":{"user":"sue","resourceAttributes":{"verb":"get"}}}`))
	if l.Reviews != 3 || l.Users["sue"] != nil {
		t.Errorf("%d reviews, sue: %v", l.Reviews, l.Users["sue"])
	}
}

// TestHostile: a log that has more than any cluster is read within bounds, and says what was left out.
func TestHostile(t *testing.T) {
	var b strings.Builder
	for i := range mostUsers + 10 {
		b.WriteString(entry(fmt.Sprint("user-", i), "list", "/api/v1/pods", ""))
	}
	for i := range mostNames + 7 {
		b.WriteString(entry("user-1", "get", fmt.Sprintf("/api/v1/namespaces/shop/pods/%d", i), ""))
	}
	long := strings.Repeat("x", longest+1)
	b.WriteString(entry("user-1", "get", "/"+long, "") + entry("user-"+long, "get", "/", ""))
	for i := range mostGroups + 5 {
		b.WriteString(entry("user-2", "list", "/api/v1/pods", fmt.Sprintf(`,"user":{"username":"user-2","groups":["g%d"]}`, i)))
	}
	b.WriteString(entry("user-1", "list", "/api/v1/pods", `,"level":"Odd"`) + entry("user-1", "list", "/api/v1/pods", `,"stage":"Odd"`) + entry("user-1", "list", "/api/v1/pods", `,"stageTimestamp":"0001-01-01T00:00:00Z"`))
	l := reading(t, b.String())
	if len(l.Users) != mostUsers || len(l.Levels) != 1 || len(l.Stages) != 1 || l.Broken != 3 || l.Missed != 12 {
		t.Errorf("%d users, levels %v, stages %v, %d broken, %d missed", len(l.Users), l.Levels, l.Stages, l.Broken, l.Missed)
	}
	for i, want := range []string{"12 requests were not kept", "7 requests were kept without their names", "7 memberships of groups were not kept"} {
		if said := l.Overflows(); i >= len(said) || !strings.HasPrefix(said[i], want) {
			t.Errorf("%q lacks %q", said, want)
		}
	}
	if said := reading(t, entry("sue", "list", "/api/v1/pods", "")).Overflows(); len(said) > 0 {
		t.Errorf("an ordinary log: %q", said)
	}
}

// TestGroup adds up what all of a group did.
func TestGroup(t *testing.T) {
	l := reading(t, entry("sue", "list", "/api/v1/pods", "")+entry("bob", "list", "/api/v1/pods", "")+entry("bob", "list", "/api/v1/nodes", ""))
	act := l.Of(Subject{Kind: "Group", Name: "dev"})
	if act == nil || len(act.Uses) != 2 || act.Uses[Request{Verb: "list", Resource: "pods"}].Asked != 2 || l.Of(Subject{Kind: "Group", Name: "ops"}) != nil {
		t.Errorf("%+v", act)
	}
}

// BenchmarkRead reads a log as an API server writes it at the level Metadata.
func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	for i := range 20_000 {
		user := fmt.Sprintf("system:serviceaccount:shop:cart-%d", i%50)
		text.WriteString(entry(user, "get", fmt.Sprintf("/api/v1/namespaces/shop/pods/web-%d", i%500), `,"sourceIPs":["10.0.0.1"],"userAgent":"cart/v1.2 (linux/amd64)","objectRef":{"resource":"pods","namespace":"shop","name":"web","apiVersion":"v1"}`))
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		var l Log
		if err := l.Read("audit.log", strings.NewReader(text.String())); err != nil || l.Events != 20_000 {
			b.Fatalf("%d events, %v", l.Events, err)
		}
	}
}
