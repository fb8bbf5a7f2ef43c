// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/report"
)

// A document is the JSON form. Fields are added to it, never renamed or removed.
type document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Files      int      `json:"files"`
	Manifests  int      `json:"manifests"`
	Made       int      `json:"made,omitempty"`
	Failed     bool     `json:"failed"`
	NotChecked []string `json:"notChecked,omitempty"`
	NotPriced  []string `json:"costNotChecked,omitempty"`
	Findings   []string `json:"findings"` // none here: they are written one by one
}

// JSON writes all findings, those that are waived or known too: one after the other, as there may be very many.
func (o Output) JSON(w io.Writer, r *Result) error {
	doc := document{APIVersion: report.APIVersion, Kind: "Scan", Files: r.Files, Manifests: r.Manifests, Made: r.Made, NotChecked: r.NotChecked(), NotPriced: r.NotPriced, Findings: []string{}}
	for i := range r.Findings {
		doc.Failed = doc.Failed || o.Fails(&r.Findings[i])
	}
	frame, err := indented(doc)
	if err != nil {
		return err
	}
	end := []byte("]\n}\n")
	if _, err := w.Write(bytes.TrimSuffix(frame, end)); err != nil {
		return err
	}
	texts := make([]bytes.Buffer, runtime.GOMAXPROCS(0))
	for i := range texts {
		texts[i].Grow(min(len(r.Findings), itemsAtOnce) * usualItem / len(texts))
	}
	for some := range slices.Chunk(r.Findings, itemsAtOnce) {
		items(texts, some)
		if &some[0] == &r.Findings[0] {
			texts[0].Next(len(",")) // of the one that is the first
			end = []byte("\n  ]\n}\n")
		}
		for i := range texts {
			if _, err := texts[i].WriteTo(w); err != nil {
				return err
			}
		}
	}
	_, err = w.Write(end)
	return err
}

// itemsAtOnce is how many findings are written at once, so that of very many no more is kept; usualItem how many bytes most of them take.
const (
	itemsAtOnce = 256
	usualItem   = 768
)

// items writes findings as a list in JSON has them, each behind a comma, on all processors, each of which writes a text of its own.
func items(texts []bytes.Buffer, findings []Finding) {
	parts := shares(findings)
	each(len(parts), func(i int) {
		for k := range parts[i] {
			texts[i].WriteString(",\n    ")
			writeItem(&texts[i], &parts[i][k])
		}
	})
}

// writeItem writes a finding as encoding/json would, which takes four times as long: it indents what it has written in a second go.
func writeItem(b *bytes.Buffer, f *Finding) {
	b.WriteString("{")
	writeText(b, "tool", f.Tool)
	writeText(b, "rule", f.Rule)
	writeSome(b, "title", f.Title)
	writeText(b, "severity", f.Severity.String())
	writeText(b, "message", f.Message)
	writeSome(b, "fix", f.Fix)
	writeText(b, "file", f.File)
	fmt.Fprintf(b, ",\n      \"line\": %d", f.Line)
	writeNumber(b, "column", f.Column)
	writeSome(b, "kind", f.About.Kind)
	writeSome(b, "namespace", f.About.Namespace)
	writeSome(b, "name", f.About.Name)
	writeSome(b, "container", f.About.Container)
	writeSome(b, "field", f.field)
	writeText(b, "fingerprint", f.Fingerprint)
	for i, also := range f.Also {
		b.WriteString([]string{",\n      \"alsoToldBy\": [", ","}[min(i, 1)] + "\n        ")
		quote(b, also)
	}
	if len(f.Also) > 0 {
		b.WriteString("\n      ]")
	}
	writeSome(b, "waived", f.Waived)
	if f.Known {
		b.WriteString(",\n      \"known\": true")
	}
	writeSome(b, "cost", f.Cost.String())
	writeNumber(b, "deaths", f.Cost.Deaths)
	writeNumber(b, "causeKnown", f.Cost.Known)
	writeNumber(b, "explained", f.Cost.Explained)
	b.WriteString("\n    }")
}

// writeText writes a field of a finding.
func writeText(b *bytes.Buffer, name, text string) {
	if name != "tool" { // the first
		b.WriteByte(',')
	}
	b.WriteString("\n      \"")
	b.WriteString(name)
	b.WriteString("\": ")
	quote(b, text)
}

// writeSome writes a field that is left out where it says nothing.
func writeSome(b *bytes.Buffer, name, text string) {
	if text != "" {
		writeText(b, name, text)
	}
}

func writeNumber(b *bytes.Buffer, name string, n int) {
	if n != 0 {
		fmt.Fprintf(b, ",\n      %q: %d", name, n)
	}
}

// quote writes a text as encoding/json does, which is asked about what is not plain.
func quote(b *bytes.Buffer, text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			data, _ := json.Marshal(text) // a text can always be written
			b.Write(data)
			return
		}
	}
	b.WriteByte('"')
	b.WriteString(text)
	b.WriteByte('"')
}
