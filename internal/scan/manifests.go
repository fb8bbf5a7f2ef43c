// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Job says which manifests are judged by which rules.
type Job struct {
	Files  []collect.ManifestFile
	Alone  []*diagnosis.Rule // that look at one manifest at a time
	Sets   []*diagnosis.Rule // that look at all of them together
	Reader collect.ManifestReader
	Policy Policy
}

// A Result is what came of a scan.
type Result struct {
	Findings  []Finding // by file and line
	Files     int       // that held manifests
	Manifests int
	Made      int      // by controllers of others of them, which are judged in their place
	Unknown   int      // of kinds that are not Kubernetes' own, of which only the YAML was judged
	Failed    []error  // texts that could not be read
	NotPriced []string // what of the costs could not be looked at, a sentence each
	priced    bool     // it was looked at what findings have cost
	restarts  Cost     // of what is Costly, whoever explains them
	objects   map[evidence.Ref][]handle
	waivers   map[string][]collect.Waiver // by file
}

// A handle is where a manifest can be read again.
type handle struct {
	file   int
	offset int64
	line   int
	item   int
}

// A part is what came of one text.
type part struct {
	findings  []Finding
	outlines  []evidence.Object
	handles   []handle
	refs      []evidence.Ref
	waivers   []collect.Waiver
	makers    map[evidence.Ref]evidence.Ref // of what says which controller made it
	manifests int
	unknown   int
	err       error
}

// Run judges the manifests. Of each, only an outline is kept for the rules about several, so that memory does not grow with
// what is in them. Merge is to follow, which names the findings.
func (j Job) Run(ctx context.Context) (*Result, error) {
	parts := make([]part, len(j.Files))
	each(len(parts), func(i int) {
		if ctx.Err() == nil {
			parts[i] = j.text(i)
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	objects := 0
	for i := range parts {
		objects += len(parts[i].refs)
	}
	r := &Result{objects: make(map[evidence.Ref][]handle, objects), waivers: map[string][]collect.Waiver{}}
	snapshot, makers := &evidence.Snapshot{Has: evidence.Spec}, map[evidence.Ref]evidence.Ref{}
	findings := make([][]Finding, 0, len(parts))
	for i := range parts {
		p := &parts[i]
		if p.err != nil {
			r.Failed = append(r.Failed, p.err)
		}
		if p.manifests > 0 {
			r.Files++
		}
		r.Manifests, r.Unknown = r.Manifests+p.manifests, r.Unknown+p.unknown
		findings = append(findings, p.findings)
		snapshot.Objects = append(snapshot.Objects, p.outlines...)
		maps.Copy(makers, p.makers)
		for k, ref := range p.refs {
			r.objects[ref] = append(r.objects[ref], p.handles[k])
		}
		if len(p.waivers) > 0 {
			r.waivers[tidyPath(j.Files[i].Name)] = p.waivers
		}
		parts[i] = part{}
	}
	r.Findings = slices.Concat(findings...)
	snapshot.Objects = inOrder(r.unmade(makers, snapshot.Objects))
	if len(snapshot.Objects) > 0 {
		snapshot.Asked = []evidence.Ref{evidence.RefOf(snapshot.Objects[0])} // rules about all look at the whole, and at no one thing
	}
	r.Findings = append(r.Findings, j.together(r, snapshot.Freeze())...)
	order(r.Findings)
	return r, nil
}

// inOrder returns objects in the order that a snapshot has them in, each of which is asked but once for its name: a snapshot asks whenever it
// compares two, and finds these in order.
func inOrder(objects []evidence.Object) []evidence.Object {
	type named struct {
		ref    evidence.Ref
		at     int
		object evidence.Object
	}
	list := make([]named, len(objects))
	for i, o := range objects {
		list[i] = named{evidence.RefOf(o), i, o}
	}
	slices.SortFunc(list, func(a, b named) int { return cmp.Or(a.ref.Compare(b.ref), cmp.Compare(a.at, b.at)) })
	for i := range list {
		objects[i] = list[i].object
	}
	return objects
}

// each does work for the numbers below n, on all processors. A few goroutines do all of it, of which this is one: each new one would grow its
// stack again.
func each(n int, work func(i int)) {
	var next atomic.Int64
	some := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			work(i)
		}
	}
	var group sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		group.Go(some)
	}
	some()
	group.Wait()
}

// shares parts a list into as many parts as there are processors, or fewer.
func shares[T any](list []T) [][]T {
	n := runtime.GOMAXPROCS(0)
	return slices.Collect(slices.Chunk(list, max(1, (len(list)+n-1)/n)))
}

// scratches are for texts and trees, of which each is looked at once.
var scratches = sync.Pool{New: func() any { return &collect.Scratch{} }}

// text judges the manifests of one text, each by itself.
func (j Job) text(i int) part {
	var p part
	r := j.reader(i)
	defer scratches.Put(r.Scratch)
	data, err := j.Files[i].Data(&r.Scratch.Text)
	if err != nil {
		p.err = err
		return p
	}
	r.Read(data, func(m *collect.Manifest) {
		p.manifests++
		if m.Object == nil && m.Kind != "" {
			p.unknown++
		}
		for _, f := range diagnosis.Run(collect.SnapshotOf(m), j.Alone).Findings {
			p.findings = append(p.findings, j.found(m, &f))
		}
		p.findings, p.waivers = append(p.findings, j.wrongWaivers(m)...), append(p.waivers, m.Waivers...)
		p.refs = append(p.refs, m.Ref)
		p.makes(m)
		p.handles = append(p.handles, handle{i, m.Offset, m.Line, m.Item})
		p.outlines = append(p.outlines, m.Outline()...)
	})
	return p
}

// reader returns a reader of a text, with a scratch that is to be put back.
func (j Job) reader(i int) collect.ManifestReader {
	r := j.Reader
	r.File, r.Strangers, r.Scratch = j.Files[i].Name, j.Files[i].Asked, scratches.Get().(*collect.Scratch)
	return r
}

// together judges all manifests with each other. A finding stands where its first fact does, for which that text is read
// once more, each but once.
func (j Job) together(r *Result, s *evidence.Snapshot) []Finding {
	rules := shares(j.Sets)
	parts := make([][]diagnosis.Finding, len(rules))
	each(len(rules), func(i int) { parts[i] = diagnosis.Run(s, rules[i]).Findings })
	found := slices.Concat(parts...)
	in := map[int][]placed{} // by file
	for i := range found {
		if at := r.objects[home(s, found[i].Facts[0].About)]; len(at) > 0 { // always: facts are about what was read
			in[at[0].file] = append(in[at[0].file], placed{at[0], &found[i]})
		}
	}
	files := slices.Sorted(maps.Keys(in))
	lists, failed := make([][]Finding, len(files)), make([]error, len(files))
	each(len(files), func(i int) { lists[i], failed[i] = j.again(files[i], in[files[i]]) })
	for _, err := range failed {
		if err != nil {
			r.Failed = append(r.Failed, err)
		}
	}
	return slices.Concat(lists...)
}

// A placed finding is one with the manifest that it stands in.
type placed struct {
	at    handle
	found *diagnosis.Finding
}

// again reads a text once more for the lines of findings in it.
func (j Job) again(file int, in []placed) ([]Finding, error) {
	r := j.reader(file)
	defer scratches.Put(r.Scratch)
	data, err := j.Files[file].Data(&r.Scratch.Text)
	slices.SortStableFunc(in, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at.offset, b.at.offset), cmp.Compare(a.at.item, b.at.item))
	})
	list := make([]Finding, 0, len(in))
	var m *collect.Manifest
	for i, p := range in {
		if i == 0 || p.at != in[i-1].at {
			m = r.At(data, p.at.offset, p.at.line, p.at.item)
		}
		list = append(list, j.found(m, p.found))
	}
	return list, err
}

// home returns the object that a file has for a thing: of a pod that a template would become, what has the template.
func home(s *evidence.Snapshot, about evidence.Ref) evidence.Ref { return s.TopOwner(about.Object()) }

// found makes the finding of a rule into one of the scan.
func (j Job) found(m *collect.Manifest, f *diagnosis.Finding) Finding {
	fact := &f.Facts[0]
	at := m.Place(fact.About, fact.Where)
	about := f.About
	if about.Kind == "" {
		about = fact.About
	}
	if about.Kind == "Pod" && m.Kind != "Pod" && m.Kind != "" {
		about.Kind = m.Kind
	}
	found := Finding{
		Tool: Ours, Rule: f.Rule.ID, Title: f.Rule.Title, Message: f.Message, Severity: j.Policy.severity(Ours, f.Rule.ID, Warning),
		File: tidyPath(m.File), Line: at.Line, Column: at.Column, About: about,
		key: strings.Join([]string{about.Namespace, about.String(), fact.Where}, "\x00"), effect: string(f.Rule.Effect), field: fact.Where,
	}
	if m.Source != "" {
		found.Message += " (" + m.Source + ")"
	}
	if len(f.Fixes) > 0 {
		found.Fix = f.Fixes[0].Title
	}
	found.Message, _ = collect.Redact(found.Message)
	found.Fix, _ = collect.Redact(found.Fix)
	j.Policy.accept(&found, m.Waivers)
	return found
}

// wrongWaivers tells of waivers that do not hold: without a reason, or without a last day, or past it, or for what is no rule.
func (j Job) wrongWaivers(m *collect.Manifest) []Finding {
	var list []Finding
	if m.Item > 1 {
		return nil // those of a list are told with its first
	}
	for _, w := range m.Waivers {
		why := cmp.Or(j.Policy.lapsed(w.Reason, w.Until), j.astray(w.Rules))
		if why == "" {
			continue
		}
		list = append(list, Finding{
			Tool: Ours, Rule: WaiverRule, Title: "Waiver that does not hold", Severity: j.Policy.severity(Ours, WaiverRule, Warning),
			Message: fmt.Sprintf("the waiver of %s %s", strings.Join(w.Rules, ", "), why),
			Fix:     "Write # inquest:ignore RULE why it is accepted, until YYYY-MM-DD",
			File:    tidyPath(m.File), Line: w.Line, Column: 1, About: m.Ref, key: cmp.Or(strings.Join(w.Rules, ","), "*"),
		})
	}
	return list
}

// astray says for which of its rules a waiver does not hold, as there is none of that name, or "".
func (j Job) astray(rules []string) string {
	for _, rule := range rules {
		if rule == "" {
			continue
		}
		if why := strange(rule, j.ours()); why != "" {
			return fmt.Sprintf("does not hold for %s: %s", rule, why)
		}
	}
	return ""
}

func (j Job) ours() []*diagnosis.Rule { return slices.Concat(j.Alone, j.Sets) }
