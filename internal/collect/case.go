// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Case is the evidence of an incident, as inquest history export and the console give it: incident.json, and beside it a folder with a
// bundle for each death, or for several where their evidence is the same. They are of different moments, so they are not made one: a
// question is put to the latest bundle that was recorded for what it names, else to the latest that has that.
type Case struct {
	Reading
	Bundles []Part // the latest first
	name    string
	left    int // deaths whose evidence was left out of it
}

// A Part is one bundle of a case.
type Part struct {
	Bundle
	Folder string
	taken  time.Time
	asked  []evidence.Ref
}

// incidentFile is what makes an archive or a folder with bundles a case.
const incidentFile = "incident.json"

// Snapshot asks one of the bundles, and notices which, and what others there are.
func (c *Case) Snapshot(ctx context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	var first error
	for _, i := range c.inOrder(subjectOf(sel)) {
		s, err := c.Bundles[i].Snapshot(ctx, sel)
		if err == nil {
			c.tell(i)
			return s, nil
		}
		if first = cmp.Or(first, err); asksNothing(sel) || sel.AllNamespaces {
			break
		}
	}
	return nil, first
}

// inOrder returns the numbers of the bundles, those first that were recorded for a thing.
func (c *Case) inOrder(thing evidence.Ref) []int {
	var its, others []int
	for i, p := range c.Bundles {
		if thing.Kind != "" && slices.ContainsFunc(p.asked, func(r evidence.Ref) bool { return isSame(thing, r) }) {
			its = append(its, i)
		} else {
			others = append(others, i)
		}
	}
	return append(its, others...)
}

// isSame tells whether a thing is one that was recorded; without a namespace it is in any.
func isSame(thing, recorded evidence.Ref) bool {
	if thing.Namespace == "" {
		recorded.Namespace = ""
	}
	return thing == recorded.Object()
}

// tell says which of the bundles was asked, and of the others as many as can be read.
func (c *Case) tell(asked int) {
	if c.Notice == nil || len(c.Bundles) == 1 && c.left == 0 {
		return
	}
	text := fmt.Sprintf("%s has %d bundles; asked was %s", cmp.Or(c.name, "this"), len(c.Bundles), c.Bundles[asked])
	var others []string
	for i, p := range c.Bundles {
		if i != asked {
			others = append(others, p.String())
		}
	}
	if more := len(others) - mostNamed; more > 0 {
		others = append(others[:mostNamed], fmt.Sprintf("%d more", more))
	}
	if len(others) > 0 {
		text += fmt.Sprintf(", and the others are %s: name a pod, or give one of them as --from %s", joined(others), c.example(asked))
	}
	if c.left > 0 {
		text += fmt.Sprintf("; the evidence of %d earlier deaths was left out of it for want of room", c.left)
	}
	c.Notice(text)
}

// example names another bundle than the one that was asked.
func (c *Case) example(asked int) string {
	other := 0
	if asked == 0 {
		other = 1
	}
	return filepath.Join(cmp.Or(c.name, "FILE"), c.Bundles[other].Folder)
}

// String names a bundle by its folder, what it was recorded for, and when.
func (p Part) String() string {
	text := p.Folder
	if len(p.asked) > 0 {
		text += " of " + p.asked[0].String()
	}
	return text + " at " + p.taken.UTC().Format(time.RFC3339)
}

// part returns one of the bundles by its folder.
func (c *Case) part(folder string) (diagnosis.Source, error) {
	var names []string
	for _, p := range c.Bundles {
		if p.Folder == folder {
			return p.Bundle, nil
		}
		names = append(names, p.Folder)
	}
	if len(names) > mostNamed {
		names = append(names[:mostNamed], fmt.Sprintf("%d more", len(names)-mostNamed))
	}
	return nil, fmt.Errorf("there is no %s in %s, it has %s", folder, c.name, joined(names))
}

// recordedIn returns the bundle or the case that some files are; nil where they are neither.
func recordedIn(fsys fs.FS, name string, how Reading) (diagnosis.Source, error) {
	if _, err := fs.Stat(fsys, "meta.yaml"); err == nil {
		return Bundle{FS: fsys, Name: name}, nil
	}
	var told struct{ LeftOut int }
	if index, err := fs.ReadFile(fsys, incidentFile); err == nil && json.Unmarshal(index, &told) == nil {
		c := &Case{Reading: how, name: name, left: told.LeftOut}
		if err := c.open(fsys); err != nil {
			return nil, fmt.Errorf("read bundle %s: %w", name, err)
		}
		if len(c.Bundles) > 0 {
			return c, nil
		}
	}
	return nil, nil
}

// open finds the bundles.
func (c *Case) open(fsys fs.FS) error {
	metas, err := fs.Glob(fsys, "*/meta.yaml")
	if err != nil {
		return err
	}
	for _, meta := range metas {
		folder := strings.TrimSuffix(meta, "/meta.yaml")
		sub, err := fs.Sub(fsys, folder)
		if err != nil {
			return err
		}
		p := Part{Bundle: Bundle{FS: sub, Name: filepath.Join(c.name, folder)}, Folder: folder}
		m, err := p.meta()
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		p.taken, p.asked = m.Taken, refsOf(m.Asked)
		c.Bundles = append(c.Bundles, p)
	}
	slices.SortFunc(c.Bundles, func(a, b Part) int {
		return cmp.Or(b.taken.Compare(a.taken), len(b.Folder)-len(a.Folder), strings.Compare(b.Folder, a.Folder)) // death-10 is later than death-9
	})
	return nil
}
