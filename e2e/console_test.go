// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/report"
)

// serverUser is as whom the server in the cluster asks the API server, serverSpace where it is.
const (
	serverUser  = "system:serviceaccount:inquest-server:inquest-server"
	serverSpace = "inquest-server"
)

// serverUp runs the server as a pod until the test has ended.
func serverUp(t *testing.T) {
	t.Cleanup(func() {
		if out, err := exec.Command(lab, "kubectl", "--", "-n", serverSpace, "logs", "deployment/inquest-server").CombinedOutput(); t.Failed() {
			t.Logf("the server said, %v: %s", err, out)
		}
		if out, err := exec.Command(lab, "server", "down").CombinedOutput(); err != nil {
			t.Errorf("lab server down: %v: %s", err, out)
		}
	})
	if out, err := exec.CommandContext(t.Context(), lab, "server", "up").CombinedOutput(); err != nil {
		t.Fatalf("lab server up: %v: %s", err, out)
	}
}

// A console is what a person with a token has in the browser: inquest console, and the cookie of who followed its link.
type console struct {
	http.Client
	at *url.URL
}

// openConsole runs inquest console for an account that may read pods and nodes and reach the server's pod, and follows the link that it
// prints.
func openConsole(t *testing.T) *console {
	cmd := exec.CommandContext(t.Context(), inquest, "console", "--kubeconfig", readerConfig(t))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context has ended, and so has what runs by it
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("inquest console, when it was interrupted: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("inquest console prints no link: %v", err)
	}
	link, err := url.Parse(regexp.MustCompile(`http://\S+`).FindString(line))
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{http.Client{Jar: jar}, link}
	if !c.get(t, link.String(), nil) {
		t.Fatal("the link leads nowhere")
	}
	return c
}

// get asks for a page as JSON; into nothing, for the page itself. It tells whether there is one.
func (c *console) get(t *testing.T, path string, page any) bool {
	at, err := c.at.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if page != nil {
		r.Header.Set("Accept", "application/json")
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return false
	case resp.StatusCode != http.StatusOK:
		t.Fatalf("%s: %s", at, resp.Status)
	case page == nil:
		return true
	}
	if err := json.NewDecoder(resp.Body).Decode(page); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	return true
}

// A recording is an incident as the console's API shows it.
type recording struct {
	ID, Rule, Confidence, Title string
	Thing                       report.Thing
	Times, Pods                 int
	Namespaces, Workloads       []string
}

// ended is a death of it.
type ended struct {
	Settled                        bool
	Rule, Confidence, Why, Missing string
}

// A telling is the page of an incident.
type telling struct {
	Incident recording
	Deaths   []ended
	Told     struct {
		Causes []report.Cause
		Gaps   []report.Gap
	}
}

// incidents returns those of a namespace that are not provisional any more.
func (c *console) incidents(t *testing.T, namespace string) []telling {
	var all []telling
	for next := "/incidents?namespace=" + namespace; next != ""; {
		var page struct {
			Items []recording
			Next  string
		}
		if !c.get(t, next, &page) {
			t.Fatalf("there is no %s", next)
		}
		for _, in := range page.Items {
			if !slices.Contains(in.Namespaces, namespace) {
				continue
			}
			var one telling
			if !c.get(t, "/incidents/"+in.ID, &one) {
				continue // its only death was given a settled verdict meanwhile, which is another
			}
			if slices.ContainsFunc(one.Deaths, func(d ended) bool { return d.Settled }) {
				all = append(all, one)
			}
		}
		next = page.Next
	}
	return all
}

// readerConfig is a kubeconfig with a token of an account that may read pods and nodes, and reach the server's pod.
func readerConfig(t *testing.T) string {
	c := connect(t, fmt.Sprintf("e2e-console-%d", time.Now().Unix()))
	makeReader(t, c)
	token, err := c.CoreV1().ServiceAccounts(c.Namespace).CreateToken(t.Context(), "reader", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3 * 3600))}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: token.Status.Token}
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// makeReader makes the account and what it may, until the test ends.
func makeReader(t *testing.T, c faults.Cluster) {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	meta := metav1.ObjectMeta{Name: c.Namespace}
	who := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "reader", Namespace: c.Namespace}}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"pods/portforward"}, Verbs: []string{"create", "get"}},
	}}
	reads := &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "inquest-reader"}}
	reaches := &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CoreV1().Namespaces().Create(t.Context(), space, metav1.CreateOptions{})
	must(err)
	_, err = c.CoreV1().ServiceAccounts(c.Namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "reader"}}, metav1.CreateOptions{})
	must(err)
	_, err = c.RbacV1().Roles(serverSpace).Create(t.Context(), role, metav1.CreateOptions{})
	must(err)
	_, err = c.RbacV1().RoleBindings(serverSpace).Create(t.Context(), reaches, metav1.CreateOptions{})
	must(err)
	_, err = c.RbacV1().ClusterRoleBindings().Create(t.Context(), reads, metav1.CreateOptions{})
	must(err)
	t.Cleanup(func() { // what is in the server's namespace goes with it
		if err := c.RbacV1().ClusterRoleBindings().Delete(context.Background(), meta.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}
