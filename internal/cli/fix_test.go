// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"golang.org/x/tools/txtar"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A changeable is an API server whose one Deployment can be patched. It may lose the answer to a change, made or not.
type changeable struct {
	reads *apitest.Server
	args  []string // that lead to it
	audit string
	same  string // what a command for the same cluster and audit file ends with

	mu       sync.Mutex
	snapshot *evidence.Snapshot
	web      *appsv1.Deployment
	lose     bool        // the answer to a change
	ignore   bool        // the change, too
	blind    bool        // nothing can be read of the Deployment while it is watched
	before   func()      // a change, dry runs apart
	out      *safeWriter // what the last command printed
}

// A safeWriter may be read while it is written.
type safeWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *safeWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *safeWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

const webPath = "/apis/apps/v1/namespaces/shop/deployments/web"

// newChangeable serves the case of the script of fix, which happened just before a bubble's clock begins.
func newChangeable(t *testing.T) *changeable {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/script/fix.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, "case/"); ok {
			files[name] = []byte(strings.ReplaceAll(string(f.Data), "2026-08-24T10:0", "1999-12-31T23:5"))
		}
	}
	c := &changeable{snapshot: ruletest.Read(t, ruletest.Archive(files)), audit: filepath.Join(t.TempDir(), "audit.jsonl")}
	web, found := evidence.Get[*appsv1.Deployment](c.snapshot, "shop", "web")
	set, also := evidence.Get[*appsv1.ReplicaSet](c.snapshot, "shop", "web-1")
	if !found || !also {
		t.Fatal("the case has no deployment/web and replicaset/web-1")
	}
	set.UID, set.Labels = "r", web.Spec.Selector.MatchLabels // as an API server has it
	complete(c.snapshot)
	web.ResourceVersion, web.Generation = "1", 1
	web.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, UnavailableReplicas: 1}
	c.web, c.reads = web, apitest.New(t, c.snapshot)
	server := httptest.NewUnstartedServer(c)
	server.Config.ReadHeaderTimeout = time.Second // ends connections that were made and not needed, as ServeHTTP ends the others
	server.Start()
	t.Cleanup(server.Close)
	to := []string{"--audit-file", c.audit, "--kubeconfig", apiServer(t, crashed(1), nil), "--server", server.URL}
	c.args, c.same = append([]string{"-n", "shop"}, to...), " "+strings.Join(to, " ")
	return c
}

// ServeHTTP closes each connection after one answer, so that nobody in a bubble waits on one while time is to go on.
func (c *changeable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
		c.answer(w, http.StatusCreated, map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "status": map[string]any{"allowed": true}})
	case r.Method == http.MethodPatch && r.URL.Path == webPath:
		c.patch(w, r)
	case r.URL.Path == webPath && c.isBlind():
		c.refuse(w, http.StatusServiceUnavailable, "etcd is not there")
	default:
		c.reads.ServeHTTP(w, r)
	}
}

func (c *changeable) isBlind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blind && strings.Contains(c.out.String(), "proven when ")
}

func (*changeable) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

func (c *changeable) refuse(w http.ResponseWriter, status int, why string) {
	c.answer(w, status, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: int32(status), Message: why})
}

// patch is a PATCH of the Deployment, tried or made.
func (c *changeable) patch(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tried := r.URL.Query().Has("dryRun")
	if !tried && c.before != nil {
		c.before()
	}
	would, err := patched(c.web, r)
	switch {
	case err != nil:
		c.refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	case !tried && (would.UID != c.web.UID || would.ResourceVersion != c.web.ResourceVersion):
		c.refuse(w, http.StatusConflict, "the object has been modified")
		return
	case !tried && !c.ignore:
		would.Generation++
		would.ResourceVersion, would.Status.ObservedGeneration = strconv.FormatInt(would.Generation, 10), would.Generation
		c.set(would)
	}
	if c.lose && !tried {
		panic(http.ErrAbortHandler)
	}
	c.answer(w, http.StatusOK, would)
}

// set has the server keep another state of the Deployment.
func (c *changeable) set(web *appsv1.Deployment) {
	now := *c.snapshot
	now.Objects = nil
	for _, o := range c.snapshot.Objects {
		if evidence.RefOf(o) == evidence.RefOf(web) {
			o = web
		}
		now.Objects = append(now.Objects, o)
	}
	c.web, c.snapshot = web, &now
	c.reads.Load(&now)
}

func patched(web *appsv1.Deployment, r *http.Request) (*appsv1.Deployment, error) {
	change, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	o := web.DeepCopy()
	o.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if types.PatchType(r.Header.Get("Content-Type")) == types.JSONPatchType {
		var ops jsonpatch.Patch
		if ops, err = jsonpatch.DecodePatch(change); err == nil {
			text, err = ops.Apply(text)
		}
	} else {
		text, err = strategicpatch.StrategicMergePatch(text, change, web)
	}
	if err != nil {
		return nil, err
	}
	would := &appsv1.Deployment{}
	return would, json.Unmarshal(text, would)
}

// memory is the limit that is kept.
func (c *changeable) memory() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.web.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()
}

// run runs the command line, which must end with the status.
func (c *changeable) run(t *testing.T, status int, args ...string) (out, notes string) {
	t.Helper()
	c.out = &safeWriter{}
	var stderr safeWriter
	if got := Main(t.Context(), append(args, c.args...), strings.NewReader(""), c.out, &stderr); got != status {
		t.Fatalf("%v: exit status %d, want %d:\n%s%s", args, got, status, c.out, &stderr)
	}
	return c.out.String(), stderr.String()
}

// age has the audit file say that attempts lived for as long before the act.
func (c *changeable) age(t *testing.T, lived time.Duration) {
	t.Helper()
	lines, err := os.ReadFile(c.audit)
	if err != nil {
		t.Fatal(err)
	}
	kept := regexp.MustCompile(`"lived":"[^"]+"`)
	if !kept.Match(lines) {
		t.Fatalf("it is not kept for how long attempts lived:\n%s", lines)
	}
	if err := os.WriteFile(c.audit, kept.ReplaceAll(lines, fmt.Appendf(nil, `"lived":%q`, lived)), 0o600); err != nil {
		t.Fatal(err)
	}
}

var actID = regexp.MustCompile(`\d{8}t\d{6}-[a-z2-7]{5}`)

// TestUndoShows: what --undo would do is shown before anyone is asked, and before it is done.
func TestUndoShows(t *testing.T) {
	c := newChangeable(t)
	synctest.Test(t, func(t *testing.T) {
		out, _ := c.run(t, 0, "fix", "deploy/web", "--apply", "--yes", "--verify=false")
		raised := c.memory()
		id := actID.FindString(out)
		if raised == "256Mi" || !strings.Contains(out, "to take it back: inquest fix --undo "+id+c.same+"\n") {
			t.Fatalf("the limit is %s:\n%s", raised, out)
		}
		shows := func(out string) bool {
			return strings.Contains(out, "act "+id+" of ") && strings.Contains(out, "-            memory: "+raised) && strings.Contains(out, "+            memory: 256Mi")
		}
		out, notes := c.run(t, statusFailed, "fix", "--undo", id)
		if !shows(out) || !strings.Contains(notes, "nothing was changed") || c.memory() != raised {
			t.Fatalf("unasked: the limit is %s:\n%s%s", c.memory(), out, notes)
		}
		shown := false
		c.before = func() { shown = shows(c.out.String()) }
		out, _ = c.run(t, 0, "fix", "--undo", id, "--yes")
		if !shown || !strings.Contains(out, "taken back (act ") || c.memory() != "256Mi" {
			t.Errorf("shown before: %v, the limit is %s:\n%s", shown, c.memory(), out)
		}
	})
}

// TestLostAct: where the answer to a change or to its undo is lost and the object does not tell either, the exit status is 4, and
// what is said leads to the answer.
func TestLostAct(t *testing.T) {
	c := newChangeable(t)
	synctest.Test(t, func(t *testing.T) {
		leads := func(out, notes string) string {
			t.Helper()
			id := actID.FindString(notes)
			for _, want := range []string{"to find out: kubectl --kubeconfig ", " get deployment/web -o yaml --show-managed-fields -n shop", "inquest fix --undo " + id + c.same + ","} {
				if !strings.Contains(out, want) {
					t.Errorf("it lacks %q:\n%s", want, out)
				}
			}
			if want := "error: it is not known whether deployment/web in namespace shop was changed (act " + id + ")"; !strings.HasPrefix(notes, want) || strings.Count(notes, "\n") != 1 {
				t.Errorf("it does not say %q: %s", want, notes)
			}
			return id
		}
		c.lose, c.ignore = true, true
		out, notes := c.run(t, statusUnknown, "fix", "deploy/web", "--apply", "--yes")
		id := leads(out, notes)
		if _, notes := c.run(t, statusFailed, "fix", "--undo", id, "--yes"); !strings.Contains(notes, "or was never set") || !strings.Contains(notes, "nothing was undone") {
			t.Errorf("what was not made: %s", notes)
		}
		c.lose, c.ignore = false, false
		out, _ = c.run(t, 0, "fix", "deploy/web", "--apply", "--yes", "--verify=false")
		raised := c.memory()
		c.lose, c.ignore = true, true
		made := actID.FindString(out)
		out, notes = c.run(t, statusUnknown, "fix", "--undo", made, "--yes")
		if leads(out, notes); c.memory() != raised {
			t.Errorf("the limit is %s", c.memory())
		}
		c.ignore = false // it is made, and the object tells
		out, _ = c.run(t, 0, "fix", "--undo", made, "--yes")
		if !strings.Contains(out, "the answer to the change was lost") || c.memory() != "256Mi" {
			t.Errorf("the limit is %s:\n%s", c.memory(), out)
		}
	})
}

// TestVerifyAct: verify with an act watches that its change stands, and says so in its exit status where it does not, or where that cannot
// be seen.
func TestVerifyAct(t *testing.T) {
	c := newChangeable(t)
	was := c.web
	synctest.Test(t, func(t *testing.T) {
		out, _ := c.run(t, 0, "fix", "deploy/web", "--apply", "--yes", "--verify=false")
		id := actID.FindString(out)
		if _, notes := c.run(t, statusFailed, "verify", "deploy/web", "--act", "20261126t181500-x7k2m"); !strings.Contains(notes, "has no act 20261126t181500-x7k2m") {
			t.Errorf("of an act that is not known: %s", notes)
		}
		c.blind = true
		out, _ = c.run(t, statusUnknown, "verify", "deploy/web", "--act", id)
		for _, want := range []string{"undetermined: the time is over, and it could not be seen whether it has helped: ", "etcd is not there", "to watch again: inquest verify deployment/web -n shop --act " + id + c.same + "\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("it lacks %q:\n%s", want, out)
			}
		}
		if !strings.Contains(out, "- then a diagnosis does not find MEM001 again\n") {
			t.Errorf("what the act was to remedy does not count:\n%s", out)
		}
		c.age(t, time.Hour)
		out, _ = c.run(t, statusUnknown, "verify", "deploy/web", "--act", id)
		if want := "for 1h30m0s after it no container ends: earlier attempts lived for 1h0m0s at most"; !strings.Contains(out, want) {
			t.Errorf("it lacks %q:\n%s", want, out)
		}
		c.blind = false
		back := was.DeepCopy()
		back.Generation, back.ResourceVersion = 9, "9"
		c.set(back)
		out, _ = c.run(t, statusUnproven, "verify", "deploy/web", "--act", id)
		if !strings.Contains(out, "not cured: ") || !strings.Contains(out, "is not so any more as act "+id+" has set it") {
			t.Errorf("of what was set back:\n%s", out)
		}
	})
}

// TestUndoOnFailure: what is not proven is taken back where that was asked for, and where the answer to that is lost the exit status is 4.
func TestUndoOnFailure(t *testing.T) {
	c := newChangeable(t)
	synctest.Test(t, func(t *testing.T) {
		out, _ := c.run(t, statusUnproven, "fix", "deploy/web", "--apply", "--yes", "--undo-on-failure")
		if !strings.Contains(out, "not proven: ") || !strings.Contains(out, "taken back: Raise the memory limit") || c.memory() != "256Mi" {
			t.Errorf("the limit is %s:\n%s", c.memory(), out)
		}
		c.before = func() { c.lose = strings.Contains(c.out.String(), "not proven: "); c.ignore = c.lose }
		out, notes := c.run(t, statusUnknown, "fix", "deploy/web", "--apply", "--yes", "--undo-on-failure")
		id := actID.FindString(notes)
		if !strings.Contains(notes, "it is not known whether deployment/web") || !strings.Contains(out, "inquest fix --undo "+id) || c.memory() == "256Mi" {
			t.Errorf("the limit is %s:\n%s%s", c.memory(), out, notes)
		}
	})
}
