// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const accessList = `apiVersion: v1
kind: List
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: a, namespace: shop}
- apiVersion: v1
  kind: Pod
  metadata: {name: web}
`

func namesIn(all []evidence.Object) (names []string) {
	for _, o := range all {
		names = append(names, evidence.RefOf(o).String())
	}
	slices.Sort(names)
	return names
}

// TestAccessFiles reads a list, documents, a folder and a pipe; what is something else is passed over, and what is broken is told.
func TestAccessFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"list.yaml":   accessList,
		"many.yml":    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: c}\n---\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n",
		"one.json":    `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBindingList","items":[{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b","namespace":"shop"}}]}`,
		"broken.yaml": "kind: {{ .Values.kind }}\n",
		"notes.txt":   "kind: Role",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	all, err := AccessFiles(dir, nil, func(text string) { told = append(told, text) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"clusterrole/c", "role/a", "rolebinding/b", "serviceaccount/s"}, namesIn(all)); diff != "" {
		t.Error(diff)
	}
	if len(told) != 1 || !strings.Contains(told[0], "broken.yaml") {
		t.Errorf("told %q", told)
	}
	piped, err := AccessFiles("-", strings.NewReader(accessList), nil)
	if err != nil || len(piped) != 1 {
		t.Errorf("%v, %v", namesIn(piped), err)
	}
	for name, want := range map[string]string{filepath.Join(dir, "none"): "no such file", filepath.Join(dir, "broken.yaml"): "broken.yaml"} {
		if _, err := AccessFiles(name, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAccessBounded: files that have more than any cluster end in a sentence, and do not take the time and the memory.
func TestAccessBounded(t *testing.T) {
	nested := `{"kind":"Role"}`
	for range 1000 {
		nested = `{"kind":"List","items":[` + nested + `]}`
	}
	documents := strings.Repeat("kind: X\n---\n", maxAccess+1)
	for _, c := range []struct{ text, want string }{
		{nested, "lists in lists, more than 4 deep"},
		{`{"kind":"List","items":[` + strings.Repeat(`{},`, maxAccess) + `{}]}`, "more than 200000 objects"},
		{documents, "more than 200000 objects"},
		{strings.Repeat(" ", maxAccessFile+1), "more than the 64 MiB"},
	} {
		if _, err := AccessFiles("-", strings.NewReader(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	dir := t.TempDir()
	half := `{"kind":"List","items":[` + strings.Repeat(`{},`, maxAccess/2) + `{}]}`
	for _, name := range []string{"a.json", "b.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(half), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := AccessFiles(dir, nil, func(text string) { t.Error(text) }); err == nil || !strings.Contains(err.Error(), "more than 200000 objects") {
		t.Errorf("two files: %v", err)
	}
}

// TestAccessForbidden says which role lacks.
func TestAccessForbidden(t *testing.T) {
	server := apitest.New(t, &evidence.Snapshot{})
	if all, err := (Cluster{Config: server.Config()}).Access(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", namesIn(all), err)
	}
	server.Fail("/rolebindings", http.StatusForbidden, "no")
	_, err := Cluster{Config: server.Config()}.Access(t.Context())
	if want := "forbidden: this user cannot list rolebindings: ask for the role of deploy/rbac/access.yaml, or give roles and bindings as files with --from"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
