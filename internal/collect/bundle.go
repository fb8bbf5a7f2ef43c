// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A Bundle is a source of evidence in files: what Files wrote, a support case, a test fixture.
//
//	meta.yaml                               when it was taken, what was looked for, what could not be had
//	objects/<namespace>/<kind>/<name>.yaml  API objects; _cluster for those without a namespace
//	events/<namespace>.yaml                 an EventList of the core API; the second thousand in <namespace>.2.yaml
//	logs/<namespace>/<pod>/<container>/<attempt>.log
//	nodes/<node>/facts.jsonl                facts that have no object, one a line; _cluster for those without a node
//	nodes/<node>/runs.jsonl                 runs of containers that an agent told of, one a line
//	nodes/<node>/<any>.log                  a log of the node: dmesg, journalctl
//
// Other files are left alone, so that a bundle may carry notes.
type Bundle struct {
	FS   fs.FS
	Name string // for errors; may be empty
}

// Snapshot reads the bundle and narrows the question to the selection.
func (b Bundle) Snapshot(_ context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	s, err := b.read()
	if err != nil && b.Name != "" {
		return nil, fmt.Errorf("read bundle %s: %w", b.Name, err)
	}
	if err != nil {
		return nil, err
	}
	return selectRecorded(s.Freeze(), sel)
}

func (b Bundle) read() (*evidence.Snapshot, error) {
	s := &evidence.Snapshot{}
	m, err := b.meta()
	if err != nil {
		return nil, err
	}
	if err := m.into(s); err != nil {
		return nil, fmt.Errorf("read meta.yaml: %w", err)
	}
	err = fs.WalkDir(b.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if err := b.file(s, name); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.annotate(s.Logs)
	resolveHostFacts(s)
	return s, nil
}

func (b Bundle) meta() (meta, error) {
	var m meta
	data, err := fs.ReadFile(b.FS, "meta.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return m, errors.New("this is not a bundle: it has no meta.yaml, which inquest collect writes")
	}
	if err != nil {
		return m, fmt.Errorf("read meta.yaml: %w", err)
	}
	if err := DecodeYAML(data, &m); err != nil {
		return m, fmt.Errorf("read meta.yaml: %w", err)
	}
	return m, nil
}

// annotate gives logs what the meta file says of them.
func (m meta) annotate(logs []evidence.Log) {
	of := map[evidence.Ref]metaLog{}
	for _, l := range m.Logs {
		of[l.Of.Ref()] = l
	}
	for i := range logs {
		logs[i].Missing, logs[i].Masked = of[logs[i].Of].Missing, of[logs[i].Of].Masked
	}
}

// file reads one file of the bundle into the snapshot, by the first part of its path.
func (b Bundle) file(s *evidence.Snapshot, name string) error {
	room, _, _ := strings.Cut(name, "/")
	read := map[string]func(*evidence.Snapshot, string, []byte) error{
		"objects": readObject, "events": readEvents, "logs": readLog, "nodes": readNode,
	}[room]
	if read == nil {
		return nil
	}
	data, err := fs.ReadFile(b.FS, name)
	if err != nil {
		return err
	}
	return read(s, name, data)
}

// scheme knows every kind that a bundle may hold. It is the client's own, which is there anyway: to make one more takes as long.
func scheme() *runtime.Scheme {
	s := clientscheme.Scheme
	if err := metricsv1.AddToScheme(s); err != nil {
		panic(err) // cannot happen: the same types are added each time
	}
	return s
}

var objectScheme = scheme()

// DecodeObject reads one API object of a known kind from YAML or JSON.
func DecodeObject(data []byte) (evidence.Object, error) {
	var kind metav1.TypeMeta
	if err := DecodeYAML(data, &kind); err != nil {
		return nil, err
	}
	typed, err := objectScheme.New(kind.GroupVersionKind())
	if err != nil {
		return nil, fmt.Errorf("apiVersion %q, kind %q is not a kind that is known", kind.APIVersion, kind.Kind)
	}
	o, ok := typed.(evidence.Object)
	if !ok {
		return nil, fmt.Errorf("a %s is not a single object", kind.Kind)
	}
	if err := DecodeYAML(data, o); err != nil {
		return nil, err
	}
	o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // as a client gives it
	return o, nil
}

func readObject(s *evidence.Snapshot, _ string, data []byte) error {
	o, err := DecodeObject(data)
	if err != nil {
		return err
	}
	s.Objects = append(s.Objects, o)
	return nil
}

func readEvents(s *evidence.Snapshot, _ string, data []byte) error {
	var list corev1.EventList
	if err := DecodeYAML(data, &list); err != nil {
		return err
	}
	for i := range list.Items {
		list.Items[i].TypeMeta = metav1.TypeMeta{}
		s.Events = append(s.Events, &list.Items[i])
	}
	return nil
}

func readLog(s *evidence.Snapshot, name string, data []byte) error {
	parts := strings.Split(name, "/") // logs, namespace, pod, container, attempt.log
	if len(parts) != 5 {
		return errors.New("expected logs/<namespace>/<pod>/<container>/<attempt>.log")
	}
	attempt, err := strconv.Atoi(strings.TrimSuffix(parts[4], ".log"))
	if err != nil || attempt < 0 {
		return fmt.Errorf("%q is not the number of an attempt", parts[4])
	}
	of := evidence.RefTo("Pod", parts[1], parts[2]).InContainer(parts[3]).InAttempt(attempt)
	s.Logs = append(s.Logs, evidence.Log{Of: of, Text: string(data)})
	return nil
}

// readNode reads a file about a node: the facts that Files wrote, or a log as the node has it.
func readNode(s *evidence.Snapshot, name string, data []byte) error {
	if strings.HasSuffix(name, ".log") {
		node := strings.TrimPrefix(path.Base(path.Dir(name)), "_cluster")
		s.Facts = append(s.Facts, hostFacts(string(data), node, s.Taken)...)
		return nil
	}
	if path.Base(name) == "runs.jsonl" {
		return readRuns(s, data)
	}
	return readFacts(s, name, data)
}

func readFacts(s *evidence.Snapshot, _ string, data []byte) error {
	lines := json.NewDecoder(bytes.NewReader(data))
	for lines.More() {
		var l record.Line
		if err := lines.Decode(&l); err != nil {
			return err
		}
		f, err := l.Fact()
		if err != nil {
			return err
		}
		s.Facts = append(s.Facts, f)
	}
	return nil
}

func readRuns(s *evidence.Snapshot, data []byte) error {
	lines := json.NewDecoder(bytes.NewReader(data))
	for lines.More() {
		var e record.Entry
		if err := lines.Decode(&e); err != nil {
			return err
		}
		if e.Run != nil {
			s.Runs = append(s.Runs, attemptOfRun(e.Run))
		}
	}
	return nil
}

// Files returns the files of a bundle with everything the snapshot holds, by name. The same snapshot gives the same
// bytes.
func Files(s *evidence.Snapshot) (map[string][]byte, error) {
	files := map[string][]byte{}
	data, err := yaml.Marshal(metaOf(s))
	if err != nil {
		return nil, fmt.Errorf("write meta.yaml: %w", err)
	}
	files["meta.yaml"] = data
	for _, o := range s.Objects {
		ref := evidence.RefOf(o)
		name := path.Join("objects", orCluster(ref.Namespace), strings.ToLower(ref.Kind), ref.Name+".yaml")
		if files[name], err = encodeObject(o); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := eventFiles(s, files); err != nil {
		return nil, err
	}
	for _, l := range s.Logs {
		name := path.Join("logs", l.Of.Namespace, l.Of.Name, l.Of.Container, strconv.Itoa(l.Of.Attempt)+".log")
		files[name] = []byte(l.Text)
	}
	return files, factFiles(s, files)
}

func orCluster(name string) string {
	if name == "" {
		return "_cluster"
	}
	return name
}

func encodeObject(o evidence.Object) ([]byte, error) {
	kinds, _, err := objectScheme.ObjectKinds(o)
	if err != nil {
		return nil, err
	}
	typed := o.DeepCopyObject()
	typed.GetObjectKind().SetGroupVersionKind(kinds[0])
	return yaml.Marshal(typed)
}

// eventsPerFile keeps each file of Events well below what is read of one document.
const eventsPerFile = 1000

func eventFiles(s *evidence.Snapshot, files map[string][]byte) error {
	for start := 0; start < len(s.Events); {
		namespace, end := s.Events[start].Namespace, start
		list := &corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}}
		for ; end < len(s.Events) && end-start < eventsPerFile && s.Events[end].Namespace == namespace; end++ {
			list.Items = append(list.Items, *s.Events[end])
		}
		data, err := yaml.Marshal(list)
		if err != nil {
			return fmt.Errorf("write events of namespace %s: %w", namespace, err)
		}
		name := path.Join("events", orCluster(namespace)+".yaml")
		for n := 2; files[name] != nil; n++ {
			name = path.Join("events", fmt.Sprintf("%s.%d.yaml", orCluster(namespace), n))
		}
		files[name] = data
		start = end
	}
	return nil
}

func factFiles(s *evidence.Snapshot, files map[string][]byte) error {
	for _, f := range s.Facts {
		line, err := json.Marshal(record.LineOf(f))
		if err != nil {
			return fmt.Errorf("write fact %q: %w", f.Text, err)
		}
		name := path.Join("nodes", nodeOf(s, f.About), "facts.jsonl")
		files[name] = append(append(files[name], line...), '\n')
	}
	for _, a := range s.Runs {
		line, err := json.Marshal(record.Entry{Run: runOfAttempt(a)})
		if err != nil {
			return fmt.Errorf("write run %s: %w", a.Of, err)
		}
		name := path.Join("nodes", nodeOf(s, a.Of), "runs.jsonl")
		files[name] = append(append(files[name], line...), '\n')
	}
	return nil
}

func nodeOf(s *evidence.Snapshot, about evidence.Ref) string {
	if about.Kind == "Node" {
		return about.Name
	}
	if pod, ok := s.Object(about).(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	return "_cluster"
}
