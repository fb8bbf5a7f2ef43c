// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// run is what a script of a stranger would do.
const run = `window.pwned=1`

// hostileWords are words as an attacker would choose them: how a script is begun, in how many ways what is around it is left, and
// how it is disguised.
func hostileWords() []string {
	begins := []string{
		`<script>` + run + `</script>`, `<img src=x onerror=` + run + `>`, `<svg onload=` + run + `>`, `<svg><animate onbegin=` + run + ` attributeName=x dur=1s>`,
		`<iframe srcdoc="<script>parent.pwned=1</script>">`, `<a href="javascript:` + run + `">x</a>`, `<details open ontoggle=` + run + `>`, `<video><source onerror=` + run + `>`,
		`<body onload=` + run + `>`, `<input autofocus onfocus=` + run + `>`, `<math><mtext></form><form><mglyph><style></math><img src onerror=` + run + `>`,
		`<template><script>` + run + `</script></template>`, `<base href="http://203.0.113.1/">`, `<meta http-equiv="refresh" content="0;url=http://203.0.113.1/">`,
		`<link rel=stylesheet href=http://203.0.113.1/x.css>`, `<style>@import 'http://203.0.113.1/x.css';</style>`, `<form action=http://203.0.113.1/><button>`,
		`<div hx-get="http://203.0.113.1/" hx-trigger="load">`, `<div hx-on:htmx:load="` + run + `">`, `<object data="data:text/html,<script>` + run + `</script>">`,
		`{{constructor.constructor('` + run + `')()}}`, `{{template "x"}}`, `javascript:` + run, `data:text/html,<script>` + run + `</script>`, `=cmd|'/c calc'!A1`,
	}
	around := []string{
		"%s", `"%s`, `'%s`, `">%s`, `'>%s`, `</title>%s`, `</script>%s`, `</pre>%s`, `</textarea>%s`, `-->%s`, `]]>%s`, `</svg>%s`, "\u202e%s", "\x1b[31m%s\x07", "a\x00%s",
		"\xff\xfe%s", "%s\u2028", `\u003c%s`, `&lt;%s`, "`%s`", `*/%s/*`,
	}
	var all []string
	for _, frame := range around {
		for _, begin := range begins {
			all = append(all, fmt.Sprintf(frame, begin))
		}
	}
	return all[:min(len(all), 500)]
}

// attacked is a death whose every label, line, message and image is those words; and every name, of each second death: in the files
// of a bundle, which a stranger may have made as well, not all of them can be names.
func attacked(t *testing.T, words string, n int, now time.Time) history.Death {
	t.Helper()
	name := words
	if n%2 == 1 {
		name = fmt.Sprint("web-", n)
	}
	of := evidence.RefTo("Pod", "shop", name)
	at := metav1.NewTime(now.Add(-time.Minute))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: types.UID(fmt.Sprint(n)), Labels: map[string]string{"x": words}, Annotations: map[string]string{words: words}, CreationTimestamp: at},
		Spec:       corev1.PodSpec{NodeName: words, Containers: []corev1.Container{{Name: name, Image: words}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: name, Image: words, RestartCount: 1, LastTerminationState: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: words, Message: words, StartedAt: at, FinishedAt: metav1.NewTime(now)},
			},
		}}},
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: words},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: words, OSImage: words}, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: "False", Reason: words, Message: words}}},
	}
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("e", n), Namespace: "shop", UID: types.UID(fmt.Sprint("e", n))}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name},
		Reason: words, Message: words, Type: "Warning", LastTimestamp: metav1.NewTime(now), FirstTimestamp: at, Count: 3, Source: corev1.EventSource{Component: words, Host: words},
	}
	attempt := of.InContainer(name).InAttempt(0)
	s := (&evidence.Snapshot{
		Taken: now, Has: evidence.Spec | evidence.Status | evidence.Events | evidence.Logs, Objects: []evidence.Object{pod, node}, Events: []*corev1.Event{event},
		Logs: []evidence.Log{{Of: attempt, Text: words + "\npanic: " + words + "\n", Missing: words}},
		Facts: []evidence.Fact{
			{Kind: evidence.Usage, Source: evidence.FromMetric, About: of.InContainer(name), At: now.Add(-time.Second), Name: "usage.memory", Text: words, Value: 1e8},
			{Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", words), At: now, Text: words, Where: words},
		},
	}).Freeze()
	d := died("shop", words, n)
	d.PodUID, d.Of, d.Finished, d.Started, d.Seen = fmt.Sprint(n), attempt, now, at.Time, now
	d.Verdict.Rule = ""
	told := report.Report{Taken: now, Undetermined: []report.Undetermined{{Message: words, SettledBy: []string{words}}}}
	var whole, leads report.Report
	must(t, json.Unmarshal(d.Verdict.Report, &whole))
	must(t, json.Unmarshal(d.Verdict.Report, &leads))
	told.Causes, told.Gaps = whole.Causes, whole.Gaps
	told.Causes[0].Against, told.Causes[0].Leads = leads.Causes[0].Facts, leads.Causes
	data, err := json.Marshal(told)
	must(t, err)
	d.Verdict.Report = data
	// Names are paths in a bundle: what no file can be called is kept by a name that can, as a bundle of a stranger has it.
	if files, err := collect.Files(s); err == nil {
		d.Verdict.Bundle = files
	}
	return d
}

// showsAttack tells whether the words of one stand in a text, as text.
func showsAttack(text string) bool {
	for _, part := range []string{"pwned", "203.0.113.1", "calc", `template "x"`} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// TestHostileWords has 500 hostile words in names, labels, logs, Events, images and nodes, and visits every page that shows any.
func TestHostileWords(t *testing.T) {
	now := time.Now().UTC()
	words := hostileWords()
	if len(words) != 500 {
		t.Fatalf("%d words", len(words))
	}
	s := serve(t, func() time.Time { return now }, func(store *history.Store) {
		for i, w := range words {
			must(t, store.Record(t.Context(), attacked(t, w, i, now)))
			must(t, store.Events(t.Context(), history.Event{Cluster: "c", ID: fmt.Sprint(i), Event: evidence.Event{
				About: evidence.RefTo("Node", "shop", w), Reason: "Rebooted", Message: w, Type: "Warning", First: now, Last: now, Count: 1, Reporter: w,
			}}))
			must(t, store.Gaps(t.Context(), history.Gap{Cluster: "c", From: now, What: w}))
		}
	})
	b := open(t, s)
	for _, path := range []string{"/", "/incidents", "/workloads", "/nodes", "/control"} {
		b.visit(s.url + path)
	}
	seen, shown, logs := map[string]bool{}, 0, 0
	page, err := s.store.Deaths(t.Context(), history.Filter{Limit: 1000})
	must(t, err)
	for _, d := range page.Items {
		b.visit(fmt.Sprintf("%s/deaths/%d", s.url, d.ID))
		if showsAttack(eval[string](b, `document.getElementById("content").textContent`)) {
			shown++
		}
		logs += eval[int](b, `document.querySelectorAll("pre.log").length`)
		if d.Incident != "" && !seen[d.Incident] {
			seen[d.Incident] = true
			b.visit(s.url + "/incidents/" + d.Incident)
		}
	}
	for i, w := range words {
		if i%10 == 0 {
			b.visit(s.url + "/search?q=" + url.QueryEscape(w) + "&node=" + url.QueryEscape(w))
			b.visit(s.url + "/nodes/" + url.PathEscape(w))
		}
	}
	b.visit(s.url + "/search?q=pwned")
	b.shoot("hostile-search")
	t.Logf("%d deaths show the words, in %d incidents, with %d logs", shown, len(seen), logs)
	if shown < len(words) || len(seen) < len(words) || logs < len(words)/2 {
		t.Errorf("only %d deaths show the words, in %d incidents, with %d logs", shown, len(seen), logs)
	}
}
