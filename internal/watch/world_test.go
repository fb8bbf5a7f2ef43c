// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A world is an API server that serves watches of pods, nodes, leases and Events, and misbehaves as it is told. It is the source of
// captures as well.
type world struct {
	mu       sync.Mutex
	version  int
	objects  map[string]map[string]evidence.Object // by resource and name
	changes  []change                              // of all resources
	oldest   int                                   // version from which changes are still known
	watchers map[*watcher]bool
	answer   func(resource string) int // an HTTP status other than 200, or down or hung; nil: all is well; of a namespace it is asked for shop/pods
	captured map[string]int            // by name
	refused  map[string]int            // requests for a kind, or for captures, that were too many
	log      string                    // what captures find in the log of each run
	ahead    time.Duration             // the clock of nodes
}

// How a server may fail beside an HTTP status.
const (
	down = -1
	hung = -2
)

// busyFor is how many seconds a server asks not to be asked that refuses requests.
const busyFor = 5

type change struct {
	resource, namespace, kind string
	version                   int
	text                      string
}

type watcher struct {
	resource, namespace string // empty: of all
	out                 chan string
	broken              chan struct{}
}

func newWorld() *world {
	return &world{objects: map[string]map[string]evidence.Object{}, watchers: map[*watcher]bool{}, captured: map[string]int{}, refused: map[string]int{}}
}

// set changes or adds an object and tells who watches.
func (w *world) set(resource string, o evidence.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.objects[resource] == nil {
		w.objects[resource] = map[string]evidence.Object{}
	}
	kind := "MODIFIED"
	if w.objects[resource][o.GetName()] == nil {
		kind = "ADDED"
	}
	w.version++
	o.SetResourceVersion(strconv.Itoa(w.version))
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		panic(err) // cannot happen: the objects are those of the API
	}
	o.GetObjectKind().SetGroupVersionKind(kinds[0])
	w.objects[resource][o.GetName()] = o
	w.tell(resource, kind, o)
}

func (w *world) remove(resource, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.objects[resource][name]
	delete(w.objects[resource], name)
	w.version++
	o.SetResourceVersion(strconv.Itoa(w.version))
	w.tell(resource, "DELETED", o)
}

func (w *world) tell(resource, kind string, o evidence.Object) {
	c := change{resource, o.GetNamespace(), kind, w.version, eventOf(kind, o)}
	w.changes = append(w.changes, c)
	for to := range w.watchers {
		if to.hears(resource, c.namespace) {
			to.out <- c.text
		}
	}
}

func eventOf(kind string, o any) string {
	text, err := json.Marshal(map[string]any{"type": kind, "object": o})
	if err != nil {
		panic(err) // cannot happen: the objects are those of the API
	}
	return string(text) + "\n"
}

// pod returns a copy of a pod as it is now.
func (w *world) pod(name string) *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, ok := w.objects["pods"][name].(*corev1.Pod)
	if !ok {
		return nil
	}
	return pod.DeepCopy()
}

// fail breaks all watches off, and answers as is told from now on; compact forgets what changed, so that no watch goes on.
func (w *world) fail(answer func(resource string) int, compact bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
	for to := range w.watchers {
		close(to.broken)
		delete(w.watchers, to)
	}
	if compact {
		w.changes, w.oldest = nil, w.version
	}
}

func always(status int) func(string) int { return func(string) int { return status } }

// RoundTrip answers a watch.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	resource, asked, namespace := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], "", ""
	if _, within, ok := strings.Cut(r.URL.Path, "/namespaces/"); ok {
		namespace, asked = strings.TrimSuffix(within, "/"+resource), within
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	code := http.StatusOK
	if w.answer != nil {
		code = w.answer(cmp.Or(asked, resource))
	}
	switch code {
	case http.StatusOK:
	case down:
		return nil, errors.New("connection refused")
	case hung:
		w.mu.Unlock()
		<-r.Context().Done()
		w.mu.Lock()
		return nil, r.Context().Err()
	default:
		reasons := map[int]string{410: "Expired", 429: "TooManyRequests", 403: "Forbidden", 503: "ServiceUnavailable"}
		answer := response(r, code, io.NopCloser(strings.NewReader(status(code, reasons[code]))))
		if code == http.StatusTooManyRequests {
			w.refused[resource]++
			answer.Header.Set("Retry-After", strconv.Itoa(busyFor))
		}
		return answer, nil
	}
	to := &watcher{resource, namespace, make(chan string, 100_000), make(chan struct{})}
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion")) // 0 where there is none
	if from != 0 && from < w.oldest {
		return response(r, http.StatusOK, io.NopCloser(strings.NewReader(`{"type":"ERROR","object":`+status(410, "Expired")+"}\n"))), nil
	}
	if from == 0 {
		for _, o := range w.objects[resource] {
			if to.hears(resource, o.GetNamespace()) {
				to.out <- eventOf("ADDED", o)
			}
		}
	}
	for _, c := range w.changes {
		if from != 0 && to.hears(c.resource, c.namespace) && c.version > from {
			to.out <- c.text
		}
	}
	to.out <- bookmark(w.version, from == 0)
	w.watchers[to] = true
	reader, writer := io.Pipe()
	go to.write(r.Context(), writer)
	return response(r, http.StatusOK, reader), nil
}

func (to *watcher) hears(resource, namespace string) bool {
	return to.resource == resource && (to.namespace == "" || to.namespace == namespace)
}

func bookmark(version int, first bool) string {
	note := ""
	if first {
		note = "!"
	}
	return event("BOOKMARK", "", strconv.Itoa(version)+note)
}

// write sends what there is until the watch ends, with a bookmark each minute.
func (to *watcher) write(ctx context.Context, out *io.PipeWriter) {
	for {
		select {
		case text := <-to.out:
			if _, err := io.WriteString(out, text); err != nil {
				return // nobody reads any more
			}
		case <-to.broken:
			_ = out.CloseWithError(io.ErrUnexpectedEOF)
			return
		case <-ctx.Done():
			_ = out.CloseWithError(ctx.Err())
			return
		}
	}
}

// Snapshot is a capture: the object as it is, and a log that names the real reason.
func (w *world) Snapshot(ctx context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answer != nil {
		switch w.answer("captures") {
		case http.StatusOK:
		case http.StatusTooManyRequests:
			w.refused["captures"]++
			return nil, apierrors.NewTooManyRequests("too many requests", busyFor)
		default:
			return nil, errors.New("the API server does not answer")
		}
	}
	w.captured[sel.Ref.Name]++
	s := &evidence.Snapshot{
		Taken: time.Now(), Has: evidence.Spec | evidence.Status | evidence.Logs | evidence.Events | evidence.Node, Subject: sel.Ref, Asked: []evidence.Ref{sel.Ref},
	}
	resource := map[string]string{"Pod": "pods", "Node": "nodes", "HorizontalPodAutoscaler": "horizontalpodautoscalers"}[sel.Ref.Kind]
	o := w.objects[cmp.Or(resource, "workloads")][sel.Ref.Name]
	if o == nil {
		return nil, fmt.Errorf("there is no %s", sel.Ref)
	}
	s.Objects = append(s.Objects, o)
	if sel.Ref.Kind == "Node" { // to ask about it is to ask about its pods too
		for _, o := range w.objects["pods"] {
			if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName == sel.Ref.Name {
				s.Objects, s.Asked = append(s.Objects, pod), append(s.Asked, evidence.RefOf(pod))
			}
		}
	}
	if hpa, ok := o.(*autoscalingv2.HorizontalPodAutoscaler); ok { // to ask about it is to ask about what it scales
		target := w.objects["workloads"][hpa.Spec.ScaleTargetRef.Name]
		s.Subject, s.Objects = evidence.RefOf(target), append(s.Objects, target)
		s.Asked = []evidence.Ref{s.Subject}
	}
	if pod, ok := o.(*corev1.Pod); ok && w.log != "" {
		for _, st := range pod.Status.ContainerStatuses {
			s.Logs = append(s.Logs, evidence.Log{Of: sel.Ref.InContainer(st.Name).InAttempt(max(int(st.RestartCount)-1, 0)), Text: w.log})
		}
	}
	return s.Freeze(), ctx.Err()
}

func (w *world) captures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, times := range w.captured {
		n += times
	}
	return n
}

// A crashing pod has one container, app, that was restarted n times.
func (w *world) crash(name string, n int) {
	pod := w.pod(name)
	if pod == nil {
		pod = podWith(name, 0, time.Time{})
		pod.Name, pod.CreationTimestamp = name, metav1.NewTime(time.Now())
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "web", Controller: new(true)}}
	}
	st := &pod.Status.ContainerStatuses[0]
	if n > 0 {
		st.RestartCount += int32(n)
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: metav1.NewTime(time.Now().Add(w.ahead))}
	}
	w.set("pods", pod)
}

// crashAll has that many pods restart n times.
func (w *world) crashAll(pods, n int) {
	for i := range pods {
		w.crash(fmt.Sprintf("web-%d", i), n)
	}
}

func (w *world) restarts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, o := range w.objects["pods"] {
		n += int(o.(*corev1.Pod).Status.ContainerStatuses[0].RestartCount)
	}
	return n
}

// exited is a rule for the status, which a log makes more of.
var exited = &diagnosis.Rule{
	ID: "TST001", Title: "It ended", Scope: diagnosis.Attempt, Stage: diagnosis.Stable, Needs: evidence.Status, Effect: diagnosis.ProcessFailed,
	Run: func(p *diagnosis.Pass) {
		if a := p.Attempt(); a.ExitCode != 0 {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Likely, Message: fmt.Sprintf("container %s ended with exit code %d", a.Of.Container, a.ExitCode), Facts: []evidence.Fact{a.Fact()},
			})
		}
	},
}

// TestMain uses a history once, so that what it makes at first is of no test's bubble.
func TestMain(m *testing.M) {
	ctx := context.Background()
	store, err := history.Open(ctx, "memory:", history.Options{})
	if err == nil {
		err = store.Record(ctx, history.Death{Cluster: "test", PodUID: "1", Verdict: &history.Verdict{Report: []byte("{}"), Bundle: map[string][]byte{"meta.yaml": []byte("a")}}})
	}
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "use a history:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// recorderOf returns a recorder of a world with a history in memory.
func recorderOf(t *testing.T, w *world) *Recorder {
	t.Helper()
	store, err := history.Open(t.Context(), "memory:", history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	core := w.client(t, "/api", schema.GroupVersion{Version: "v1"})
	return &Recorder{
		Client: core, Pods: core, Leases: w.client(t, "/apis", schema.GroupVersion{Group: "coordination.k8s.io", Version: "v1"}),
		Source: w, Rules: []*diagnosis.Rule{exited}, Store: store, Cluster: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func (w *world) client(t *testing.T, path string, version schema.GroupVersion) rest.Interface {
	t.Helper()
	client, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host: "http://api.test", APIPath: path, QPS: -1,
		ContentConfig: rest.ContentConfig{GroupVersion: &version, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	}, &http.Client{Transport: w})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// start runs a recorder until the returned function is called.
func start(t *testing.T, r *Recorder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the recorder ended by itself: %v", err)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// passes waits for a time of the bubble's clock.
func passes(d time.Duration) { <-time.After(d) }

// counted returns what the history counts.
func counted(t *testing.T, r *Recorder) history.Count {
	t.Helper()
	n, err := r.Store.Count(t.Context(), history.Filter{Cluster: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// incidents returns the incidents on record, each with its deaths and pods.
func incidents(t *testing.T, r *Recorder) []string {
	t.Helper()
	page, err := r.Store.Incidents(t.Context(), history.Filter{Cluster: "test"})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, in := range page.Items {
		all = append(all, fmt.Sprintf("%s %s: %d deaths of %d pods", in.Rule, in.Thing, in.Deaths, in.Pods))
	}
	return all
}
