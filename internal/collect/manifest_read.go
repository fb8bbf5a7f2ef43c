// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// maxManifestSteps bounds how many values one document may unfold to.
const maxManifestSteps = 300_000

// A ManifestReader reads the manifests of a text.
type ManifestReader struct {
	File      string   // as findings name it
	Namespace string   // of objects that name none
	Kube      int      // the minor version of Kubernetes 1 that the manifests are for; 0: the newest that is known
	Strangers bool     // tell of documents that are no manifest, which in a folder of all sorts is no news
	Scratch   *Scratch // where it is given, a manifest is good until the next is read
}

// NewestKube is the minor version of Kubernetes 1 whose kinds are known, that of k8s.io/api.
const NewestKube = 37

// Read calls visit with each manifest of a text of documents, in their order. What cannot be read is a manifest with a fact
// that says so.
func (r ManifestReader) Read(data []byte, visit func(*Manifest)) {
	source := ""
	for at, line := 0, 1; at < len(data); {
		end, next := documentEnd(data, at)
		doc := data[at:end]
		if from := sourceOf(doc); from != "" {
			source = from
		}
		if anyValue(doc) {
			r.document(&Manifest{File: r.File, Source: source, Line: line, Offset: int64(at), text: doc}, visit)
		}
		line += bytes.Count(data[at:next], []byte("\n"))
		at = next
	}
}

// At returns the manifest that was read at an offset, without its object: where its fields stand, and what is waived.
func (r ManifestReader) At(data []byte, offset int64, line, item int) *Manifest {
	m := &Manifest{File: r.File, Line: line, Offset: offset, Item: item}
	if offset >= int64(len(data)) {
		return m
	}
	end, _ := documentEnd(data, int(offset))
	first := line
	if item > 0 {
		first = 1 + bytes.Count(data[:offset], []byte("\n"))
	}
	root, err := parseManifest(data[offset:end], r.Scratch)
	if err != nil || root == nil {
		return m
	}
	shift(root, linesOf(data[offset:end]), first-1)
	m.Waivers = waiversIn(data[offset:end], first)
	m.root = root
	if steps := maxManifestSteps; item > 0 && isList(root) {
		eachItem(root, &steps, func(one *yamlv3.Node, number int) {
			if number == item {
				m.root = one
			}
		})
	}
	m.Kind = wordOf(m.root, "kind")
	return m
}

// sourceOf returns the file that helm template says a document is from, in a line "# Source: web/templates/a.yaml".
func sourceOf(doc []byte) string {
	mark := []byte("# Source: ")
	for at := bytes.Index(doc, mark); at >= 0; {
		if at == 0 || doc[at-1] == '\n' {
			line, _, _ := bytes.Cut(doc[at+len(mark):], []byte("\n"))
			if words := bytes.Fields(line); len(words) > 0 {
				return string(words[0])
			}
		}
		next := bytes.Index(doc[at+1:], mark)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return ""
}

// documentEnd returns where the document that begins at a place ends, and where the next begins, behind its mark.
func documentEnd(data []byte, at int) (end, next int) {
	for i := at; i < len(data); {
		length := bytes.IndexByte(data[i:], '\n') + 1
		if length == 0 {
			length = len(data) - i
		}
		if l := data[i : i+length]; bytes.HasPrefix(l, []byte("---")) && (len(l) == 3 || strings.IndexByte(" \t\r\n", l[3]) >= 0) {
			return i, i + length
		}
		i += length
	}
	return len(data), len(data)
}

// document reads one document, which may be a list of objects.
func (r ManifestReader) document(m *Manifest, visit func(*Manifest)) {
	root, err := parseManifest(m.text, r.Scratch)
	lines := linesOf(m.text)
	if err != nil {
		line := m.Line
		if at := yamlLine.FindStringSubmatch(err.Error()); at != nil {
			n, _ := strconv.Atoi(at[1])                                 // digits
			if strings.Contains(err.Error(), "did not find expected") { // the parser's own errors count lines from 0
				n++
			}
			line += min(lines.of(n), bytes.Count(m.text, []byte("\n"))+1) - 1
		}
		if r.Strangers || kindLine.Match(m.text) {
			m.Line = line
			m.unreadable(yamlLine.ReplaceAllString(oneLine(err).Error(), ""))
			visit(m)
		}
		return
	}
	if root == nil {
		return
	}
	shift(root, lines, m.Line-1)
	m.Waivers = waiversIn(m.text, m.Line)
	steps := maxManifestSteps
	m.steps = &steps
	r.object(m, root, visit)
}

var yamlLine = regex.New(`line (\d+): `)

// unreadable tells that what stands in a line of the file is not read.
func (m *Manifest) unreadable(why string) {
	m.Facts = append(m.Facts, evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, Name: FactUnreadable, Where: fmt.Sprintf("line %d", m.Line),
		About: evidence.RefTo("File", "", m.File), Text: why,
	})
}

// unknownAnchor is how the parser complains of an alias. It quotes that, which may be a password that begins with a star.
var unknownAnchor = regex.New(`unknown anchor '.*' referenced`)

// parseManifest returns the tree of one document, nil of one without a mapping.
func parseManifest(doc []byte, s *Scratch) (*yamlv3.Node, error) {
	if len(doc) > maxDocumentBytes || len(doc) > maxDocumentMarks && countMarks(doc) > maxDocumentMarks {
		return nil, errors.New("larger than what is read of one document, 4 MiB and 250,000 values")
	}
	if root, ok := quickly(doc, s); ok {
		return root, nil
	}
	var top yamlv3.Node
	if err := yamlv3.Unmarshal(doc, &top); err != nil {
		return nil, errors.New("not YAML: " + unknownAnchor.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "an alias has no anchor"))
	}
	if len(top.Content) == 0 || top.Content[0].Kind != yamlv3.MappingNode {
		return nil, nil
	}
	if deep := deeper(top.Content[0], maxNesting); deep > 0 {
		return nil, fmt.Errorf("line %d: more than %d levels deep, which is not read", deep, maxNesting)
	}
	return top.Content[0], nil
}

// deeper returns the line of what lies that many levels deep; 0 where nothing does.
func deeper(n *yamlv3.Node, levels int) int {
	if levels == 0 {
		return n.Line
	}
	for _, c := range n.Content {
		if line := deeper(c, levels-1); line > 0 {
			return line
		}
	}
	return 0
}

// shift moves a tree down by that many lines. What an alias stands for is moved where it is written.
func shift(n *yamlv3.Node, in lineMap, lines int) {
	n.Line = in.of(n.Line) + lines
	for _, c := range n.Content {
		shift(c, in, lines)
	}
}

// A lineMap has for each line that YAML counts, less one, which it is of those that end with a line feed, as people and tools count them;
// nil where that is the same.
type lineMap []int

// linesOf looks for what ends a line in YAML 1.1 besides a line feed (5.4, b-break).
func linesOf(text []byte) lineMap {
	const next, separators = "\u0085", "\xe2\x80" // of lines; and what U+2028 and U+2029 begin with
	if bytes.Count(text, []byte("\r")) == bytes.Count(text, []byte("\r\n")) && !bytes.Contains(text, []byte(next)) && !bytes.Contains(text, []byte(separators)) {
		return nil
	}
	in, line := lineMap{1}, 1
	for i, c := range string(text) {
		switch {
		case c == '\n':
			line++
			in = append(in, line)
		case strings.ContainsRune("\r\u0085\u2028\u2029", c) && !bytes.HasPrefix(text[i:], []byte("\r\n")):
			in = append(in, line)
		}
	}
	return in
}

func (in lineMap) of(line int) int {
	if in == nil || line < 1 {
		return line
	}
	return in[min(line, len(in))-1]
}

// object reads an object, or those of a list.
func (r ManifestReader) object(m *Manifest, root *yamlv3.Node, visit func(*Manifest)) {
	m.root, m.APIVersion, m.Kind = root, wordOf(root, "apiVersion"), wordOf(root, "kind")
	if m.APIVersion == "" || m.Kind == "" {
		if r.Strangers && (m.Kind != "" || m.APIVersion != "") {
			m.tell(FactUnreadable, "", "it has no "+map[bool]string{true: "apiVersion", false: "kind"}[m.APIVersion == ""])
			visit(m)
		}
		return
	}
	if !isList(root) {
		r.decode(m)
		visit(m)
		return
	}
	over, why := eachItem(root, m.steps, func(item *yamlv3.Node, number int) {
		r.object(&Manifest{
			File: m.File, Source: m.Source, Line: item.Line, Offset: m.Offset, Item: number, Waivers: m.Waivers, text: m.text, steps: m.steps,
		}, item, visit)
	})
	if over != nil {
		rest := &Manifest{File: m.File, Source: m.Source, Line: over.Line, Offset: m.Offset}
		rest.unreadable(why)
		visit(rest)
	}
}

// The bounds of a List: how deep it lies in Lists, and how often objects are read that were read before and stand there again by an alias,
// each time with the same findings at the same place.
const (
	maxLists = 5
	maxAgain = 1000
)

func isList(n *yamlv3.Node) bool {
	items := child(n, "items")
	return items != nil && items.Kind == yamlv3.SequenceNode && strings.HasSuffix(wordOf(n, "kind"), "List")
}

// eachItem calls visit for each object of a List and of the Lists in it, which are numbered from 1, within the steps that are left. An
// item may be an alias, which stands for the List itself if it comes to the worst. It returns what is not read any more, and why.
func eachItem(list *yamlv3.Node, steps *int, visit func(item *yamlv3.Node, number int)) (over *yamlv3.Node, why string) {
	number, again := 0, 0
	seen := map[*yamlv3.Node]bool{}
	var walk func(list *yamlv3.Node, depth int)
	walk = func(list *yamlv3.Node, depth int) {
		if depth > maxLists {
			over, why = list, fmt.Sprintf("a List lies in more than %d Lists, which is not read: write its objects as documents", maxLists)
			return
		}
		for _, item := range child(list, "items").Content {
			item = behind(item)
			if *steps--; *steps < 0 {
				over, why = item, "the List unfolds to more than is read of one document: write its objects as documents"
			}
			if seen[item] {
				again++
			}
			if seen[item] = true; again > maxAgain && over == nil {
				over, why = item, fmt.Sprintf("the List has objects again by aliases more than %d times, and the rest of it is not read: write each object once, as a document", maxAgain)
			}
			switch {
			case over != nil:
				return
			case item.Kind != yamlv3.MappingNode:
			case isList(item):
				walk(item, depth+1)
			default:
				number++
				visit(item, number)
			}
		}
	}
	walk(list, 1)
	return over, why
}

func (m *Manifest) tell(name, where, text string) {
	m.Facts = append(m.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: m.Ref, Name: name, Where: where, Text: text})
}

func child(n *yamlv3.Node, key string) *yamlv3.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return behind(n.Content[i+1])
		}
	}
	return nil
}

func wordOf(n *yamlv3.Node, key string) string {
	if c := child(n, key); c != nil && c.Kind == yamlv3.ScalarNode {
		return c.Value
	}
	return ""
}

// decode makes the typed object of a manifest, and tells what is wrong with its fields.
func (r ManifestReader) decode(m *Manifest) {
	gvk := schema.FromAPIVersionAndKind(m.APIVersion, m.Kind)
	m.Ref = r.refOf(m)
	r.version(m, gvk)
	kind := served(gvk)
	typed, err := objectScheme.New(kind.as)
	if err != nil {
		r.unknownKind(m, gvk)
		return
	}
	o, ok := typed.(evidence.Object)
	if !ok {
		return
	}
	d := &strict{about: m.Ref, steps: m.steps}
	v := reflect.ValueOf(o).Elem()
	d.value(m.root, v, layoutOf(v.Type()))
	if where := tooMany(o); where != "" && !d.stopped {
		d.facts = nil
		d.add(FactUnreadable, where, fmt.Sprintf("it has more than %d containers, which is not read", maxContainers))
		d.stopped = true
	}
	if d.stopped || !kind.moved {
		m.Facts = append(m.Facts, d.facts...)
	}
	if d.stopped {
		return
	}
	o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // as a client gives it
	o.SetName(m.Ref.Name)
	o.SetNamespace(m.Ref.Namespace)
	if old, ok := o.(*autoscalingv1.HorizontalPodAutoscaler); ok {
		o = newAutoscaler(old)
	}
	m.secrets(o)
	maskManifest(o)
	m.Object, m.pod = o, templatePod(o)
}

// maxContainers bounds those of one pod, each of which rules compare with the others. A node runs no more than some hundred pods.
const maxContainers = 1000

// tooMany returns the list of containers of an object that is longer than is read, or "".
func tooMany(o evidence.Object) string {
	path, spec := "spec", (*corev1.PodSpec)(nil)
	if pod, ok := o.(*corev1.Pod); ok {
		spec = &pod.Spec
	} else if t := templateOf(o); t != nil {
		path, spec = cmp.Or(templatePaths[evidence.RefOf(o).Kind], "spec.template")+".spec", &t.Spec
	}
	switch {
	case spec == nil:
		return ""
	case len(spec.Containers) > maxContainers:
		return path + ".containers"
	case len(spec.InitContainers) > maxContainers:
		return path + ".initContainers"
	}
	return ""
}

// refOf names the object of a manifest.
func (r ManifestReader) refOf(m *Manifest) evidence.Ref {
	ref := evidence.RefTo(m.Kind, r.Namespace, "")
	if meta := child(m.root, "metadata"); meta != nil {
		if ref.Name = wordOf(meta, "name"); ref.Name == "" {
			ref.Name = wordOf(meta, "generateName")
		}
		if ns := wordOf(meta, "namespace"); ns != "" {
			ref.Namespace = ns
		}
	}
	if unplaced[m.Kind] {
		ref.Namespace = ""
	}
	return ref
}

// unplaced are the kinds of Kubernetes that are in no namespace.
var unplaced = map[string]bool{
	"Namespace": true, "Node": true, "ClusterRole": true, "ClusterRoleBinding": true, "PersistentVolume": true, "StorageClass": true,
	"PriorityClass": true, "CSIDriver": true, "CSINode": true, "VolumeAttachment": true, "ValidatingWebhookConfiguration": true,
	"MutatingWebhookConfiguration": true, "RuntimeClass": true, "IngressClass": true, "CertificateSigningRequest": true, "APIService": true,
	"CustomResourceDefinition": true, "PodSecurityPolicy": true, "FlowSchema": true, "PriorityLevelConfiguration": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true, "MutatingAdmissionPolicy": true,
	"MutatingAdmissionPolicyBinding": true, "DeviceClass": true, "VolumeAttributesClass": true, "ClusterTrustBundle": true,
}

// newAutoscaler writes an autoscaler of the first version as the second has it, for rules to know one form.
func newAutoscaler(old *autoscalingv1.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: old.ObjectMeta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference(old.Spec.ScaleTargetRef),
		MinReplicas:    old.Spec.MinReplicas, MaxReplicas: old.Spec.MaxReplicas,
	}}
	if target := old.Spec.TargetCPUUtilizationPercentage; target != nil {
		h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: target},
		}}}
	}
	return h
}
