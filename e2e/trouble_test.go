// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A trouble is a question that cannot be answered, or not in full.
type trouble struct {
	name       string
	kubeconfig string // none: ""
	args       []string
	status     int
	says       []string // on standard output, or on standard error for an error
}

// TestTrouble asks for what is not there, as who may not, and of servers that do not answer. Each gets one line that
// names the thing, or an answer that names what is missing.
func TestTrouble(t *testing.T) {
	t.Parallel()
	c := place(t, "e2e-trouble", "shop.yaml", "odd.yaml")
	admin := os.Getenv("KUBECONFIG")
	noRights := user(t, c, "e2e-no-rights")
	podsOnly := user(t, c, "e2e-pods-only", rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"},
	})
	expired := labKubeconfig(t, "--user", "e2e-expired", "--groups", "system:masters", "--expired")
	shop := "pod/" + died(t, c, "shop", 1).Name
	in := func(args ...string) []string { return append([]string{"why", "-n", c.Namespace}, args...) }
	for _, x := range []trouble{
		{"a typing error", admin, in("clam"), 1, []string{"there is no pod clam in namespace e2e-trouble, near names are calm"}},
		{"a workload's name for a pod", admin, in("shop"), 1, []string{"near names are " + shop[len("pod/"):]}},
		{"no such namespace", admin, []string{"why", "-n", "e2e-truoble"}, 1, []string{"there is no namespace e2e-truoble, near names are e2e-trouble"}},
		{"a pod in no such namespace", admin, []string{"why", "web", "-n", "e2e-truoble"}, 1, []string{"there is no namespace e2e-truoble, near names are e2e-trouble"}},
		{"a pod in another namespace", admin, []string{"why", "calm", "-n", "default"}, 1, []string{"there is no pod calm in namespace default, but there is one in e2e-trouble"}},
		{"a node", admin, []string{"why", "no/n11"}, 1, []string{"there is no node n11, near names are n1"}},
		{"no such container", admin, in("calm", "-c", "ap"), 1, []string{"pod calm has no container ap, it has app"}},
		{"no kubeconfig", "", in(shop), 1, []string{"there is no kubeconfig: name one with --kubeconfig or KUBECONFIG"}},
		{"an expired certificate", expired, in(shop), 1, []string{"does not accept these credentials", "expired at "}},
		{"no rights", noRights, in(shop), 1, []string{"forbidden: this user cannot get pods in namespace e2e-trouble"}},
		{"no rights to list", noRights, []string{"why", "-A"}, 1, []string{"forbidden: this user cannot list pods"}},
		{"no rights to a workload", podsOnly, in("deploy/shop"), 1, []string{"forbidden: this user cannot get deployments"}},
		{"half the rights", podsOnly, in(shop, "-o", "wide"), 0, []string{
			"EXT001 likely", "forbidden: cannot list events in namespace e2e-trouble",
			"forbidden: cannot get pods/log", "forbidden: cannot get nodes", "forbidden: cannot get replicasets",
		}},
		{"nothing wrong", admin, in("calm"), 0, []string{"no trouble found, 1 pod looked at"}},
	} {
		t.Run(x.name, func(t *testing.T) { x.try(t) })
	}
	t.Run("a loud log", func(t *testing.T) {
		died(t, c, "loud", 1)
		loud(t, admin, c.Namespace)
	})
	t.Run("rude text", func(t *testing.T) {
		died(t, c, "rude", 1)
		for _, form := range []string{"text", "wide", "json", "yaml", "markdown", "name"} {
			x := trouble{kubeconfig: admin, args: in("rude", "-o", form), says: []string{"rude"}}
			harmlessText(t, form, x.try(t).out)
		}
	})
	t.Run("servers", func(t *testing.T) { servers(t, c.Namespace, shop) })
}

func (x trouble) try(t *testing.T) answer {
	a := ask(t, x.kubeconfig, x.args...)
	text := a.out
	if x.status != 0 {
		text = a.notes
	}
	text = strings.Join(strings.Fields(text), " ") // lines are broken where they are wide
	if a.status != x.status {
		t.Errorf("inquest %s: exit status %d, expected %d: %s", strings.Join(x.args, " "), a.status, x.status, text)
	}
	for _, part := range x.says {
		if !strings.Contains(text, part) {
			t.Errorf("inquest %s does not say %q: %s", strings.Join(x.args, " "), part, text)
		}
	}
	return a
}

// loud checks what is kept of a log of 200 MB: its end, with a word about the rest.
func loud(t *testing.T, kubeconfig, namespace string) {
	end := "out of things to say after 12500 lines"
	x := trouble{kubeconfig: kubeconfig, args: []string{"why", "loud", "-n", namespace}, says: []string{end, "everything before the last"}}
	x.try(t)
	bundle := filepath.Join(t.TempDir(), "loud.zip")
	a := ask(t, kubeconfig, "collect", "loud", "-n", namespace, "-o", bundle)
	if a.status != 0 {
		t.Fatal(a.notes)
	}
	files, err := zip.OpenReader(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	f, err := files.Open("logs/" + namespace + "/loud/app/0.log")
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(f)
	if err != nil || len(log) > 256<<10 || len(log) < 100<<10 || !strings.Contains(string(log), end) {
		t.Errorf("the bundle has %d bytes of the log, expected the last 256 KiB (%v)", len(log), err)
	}
}

// harmlessText checks that a report can be shown on any terminal.
func harmlessText(t *testing.T, form, text string) {
	if !utf8.ValidString(text) {
		t.Errorf("-o %s is not UTF-8: %q", form, text)
	}
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			t.Errorf("-o %s has the control character %U: %q", form, r, text)
			return
		}
	}
}
