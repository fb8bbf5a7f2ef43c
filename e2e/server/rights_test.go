// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patient is what asks. Nothing takes a replica as long as this, not even the telling of a change.
var patient = &http.Client{Timeout: 2 * time.Minute}

// A caller asks a replica as somebody: with a token, or with a cookie.
type caller struct {
	base, token string
	cookie      *http.Cookie
}

// ask returns the status and the body, and of a bundle what is in it.
func (c caller) ask(t *testing.T, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	must(t, err)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	resp, err := patient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.Header.Get("Content-Type") == "application/zip" {
		return resp.StatusCode, unzipped(t, body)
	}
	return resp.StatusCode, string(body)
}

func unzipped(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		all.WriteString(f.Name + "\n")
		_, err = io.Copy(&all, io.LimitReader(r, 1<<20))
		must(t, err)
	}
	return all.String()
}

// mostPages is more than there are: links that lead on without end have to be found.
const mostPages = 3000

// crawl visits all that can be reached from the first page, as a page and as JSON, and returns where it was.
func (c caller) crawl(t *testing.T, visit func(path, body string)) []string {
	t.Helper()
	seen, todo := map[string]bool{}, []string{"/"}
	var all []string
	for len(todo) > 0 {
		if len(all) >= mostPages {
			t.Fatalf("there are more than %d pages, the next one is %s", mostPages, todo[0])
		}
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		code, body := c.ask(t, path)
		if code != http.StatusOK {
			t.Errorf("%s as %s: %d", path, c.token, code)
		}
		all = append(all, path)
		visit(path, body)
		if file, _, _ := strings.Cut(path, "?"); !strings.Contains(path, "format=json") && !strings.HasSuffix(file, ".zip") && !strings.HasSuffix(file, ".csv") {
			todo = append(append(todo, links(body)...), path+map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]+"format=json")
		}
	}
	return all
}

func links(body string) []string {
	var all []string
	for part := range strings.SplitSeq(body, `href="`) {
		if link, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "/static/") {
			all = append(all, html.UnescapeString(link))
		}
	}
	return all
}

// neighbours makes two namespaces with a reader each, whose pods end on one node that is not ready.
func neighbours(t *testing.T) []*corev1.Pod {
	t.Helper()
	control.namespace(t, "shop", "sue")
	control.namespace(t, "bank", "bob")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	_, err := control.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	must(t, err)
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status."}}
	_, err = control.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	must(t, err)
	var pods []*corev1.Pod
	for _, namespace := range []string{"shop", "bank"} {
		for i := range 3 {
			pods = append(pods, control.pod(t, namespace, fmt.Sprintf("%sword-%d", namespace, i), "n1"))
		}
	}
	return pods
}

// rights has two who may read a namespace each, one who may read none, and strangers, visit all that there is.
func rights(t *testing.T) {
	r := serve(t, "rights", control.account(t), "--db", filepath.Join(t.TempDir(), "history.db"))
	pods, admin := neighbours(t), caller{base: r.url, token: "admin"}
	n := int32(0)
	eventually(t, 2*time.Minute, "both namespaces are in the history", func() bool {
		n++
		for _, pod := range pods {
			control.restarts(t, pod, n)
		}
		must(t, pause(t.Context(), 2*time.Second))
		_, body := admin.ask(t, "/incidents?format=json")
		_, deaths := admin.ask(t, "/?format=json")
		return strings.Contains(body, "bank") && strings.Contains(body, "shop") && strings.Contains(deaths, "bankword") && strings.Contains(deaths, "shopword")
	})
	paths := admin.crawl(t, func(string, string) {})
	if len(paths) < 20 {
		t.Fatalf("only %d pages: %q", len(paths), paths)
	}
	seen := map[string]int{}
	for who, foreign := range map[string][]string{"sue": {"bank"}, "bob": {"shop"}, "eve": {"bank", "shop"}, "": {"bank", "shop"}, "junk": {"bank", "shop"}} {
		v := &visitor{caller: caller{base: r.url, token: who}, foreign: foreign}
		v.visit(t, paths)
		seen[who] = v.own
	}
	if seen["sue"] < 5 || seen["bob"] < 5 || seen["eve"] > 0 {
		t.Errorf("pages with something on them: %v", seen)
	}
	t.Logf("%d pages; with something of his own on them: %v", len(paths), seen)
	t.Run("stream", func(t *testing.T) { stream(t, r, pods[3], n+1) })
	t.Run("login", func(t *testing.T) { login(t, r) })
	t.Run("audience", func(t *testing.T) { audience(t, r) })
	t.Run("revoked", func(t *testing.T) { revoked(t, r) })
}

// A visitor is somebody to whom some words are foreign.
type visitor struct {
	caller
	foreign []string
	own     int // pages with something of his own on them
}

// visit asks for all that there is, and, where he is somebody, goes wherever links lead him.
func (v *visitor) visit(t *testing.T, paths []string) {
	t.Helper()
	stranger := v.token == "" || v.token == "junk"
	for _, path := range paths {
		code, body := v.ask(t, path)
		v.look(t, path, body)
		if strings.HasPrefix(path, "/api/openapi.json") {
			continue // it tells of the program alone
		}
		if stranger && code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
			t.Errorf("%q gets %d on %s", v.token, code, path)
		}
	}
	if !stranger {
		v.crawl(t, func(path, body string) { v.look(t, path, body) })
	}
}

// look reads a page.
func (v *visitor) look(t *testing.T, path, body string) {
	t.Helper()
	for _, word := range v.foreign {
		if at := strings.Index(body, word); at >= 0 && !strings.Contains(path, word) { // what is asked for stands in its field
			t.Errorf("%q reads on %s: …%s…", v.token, path, body[max(0, at-100):min(len(body), at+100)])
		}
	}
	if own := strings.Contains(body, "shopword-") || strings.Contains(body, "bankword-"); own && !strings.Contains(path, "word-") {
		v.own++
	}
}

// stream listens as somebody while a pod of another ends: that something changed is all that is told.
func stream(t *testing.T, r *replica, pod *corev1.Pod, n int32) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/live", http.NoBody)
	must(t, err)
	req.Header.Set("Authorization", "Bearer sue")
	resp, err := patient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	told, changed := "", false
	for !changed && lines.Scan() {
		if told == "" {
			control.restarts(t, pod, n)
		}
		told += lines.Text() + "\n"
		changed = strings.HasPrefix(lines.Text(), "data:")
	}
	if !changed || strings.Contains(told, "bank") {
		t.Errorf("the stream tells %q", told)
	}
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/live", http.NoBody)
	must(t, err)
	resp, err = patient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger listens: %d", resp.StatusCode)
	}
}

// login gives a token in a form, as a browser does, and not in an address.
func login(t *testing.T, r *replica) {
	client := &http.Client{Timeout: patient.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values, site string) (status int, given []*http.Cookie) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(form.Encode()))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", site)
		resp, err := client.Do(req)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode, resp.Cookies()
	}
	if _, given := post("/login", url.Values{"token": {"sue"}}, "cross-site"); len(given) > 0 {
		t.Error("another site logs somebody in")
	}
	if _, given := post("/login?token=sue", nil, "same-origin"); len(given) > 0 {
		t.Error("a token in an address logs in")
	}
	status, given := post("/login", url.Values{"token": {"sue"}}, "same-origin")
	if len(given) != 1 {
		t.Fatalf("no cookie: %d", status)
	}
	c := caller{base: r.url, cookie: given[0]}
	if code, body := c.ask(t, "/"); code != http.StatusOK || !strings.Contains(body, "shopword") || strings.Contains(body, "bankword") {
		t.Errorf("%d %s", code, body)
	}
}

// audience logs in with a token that the API server itself does not take.
func audience(t *testing.T, r *replica) {
	token := control.tokenFor(t, "shop", "inquest")
	if code, body := (caller{base: r.url, token: token}).ask(t, "/"); code != http.StatusOK || strings.Contains(body, "shopword") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := (caller{base: r.url, token: control.tokenFor(t, "shop", "vault")}).ask(t, "/"); code != http.StatusUnauthorized {
		t.Errorf("a token for somebody else: %d", code)
	}
}

// revoked takes a right away: it ends within moments.
func revoked(t *testing.T, r *replica) {
	sue := caller{base: r.url, token: "sue"}
	if _, body := sue.ask(t, "/"); !strings.Contains(body, "shopword") {
		t.Error("there is nothing to take away")
	}
	must(t, control.RbacV1().RoleBindings("shop").Delete(t.Context(), "reader", metav1.DeleteOptions{}))
	eventually(t, time.Minute, "what was taken away is gone", func() bool {
		_, body := sue.ask(t, "/")
		return !strings.Contains(body, "shopword")
	})
}
