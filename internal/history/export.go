// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

const (
	// MostExported is how many bytes of evidence an export has at most: it is made in memory, and the evidence of a storm is larger than
	// that of a server.
	MostExported = 32 << 20
	// mostFiles is how many files it has at most. A bundle that is read may have 10,000, its folders among them.
	mostFiles = 5000
)

// An Export is what incident.json in an export says: an incident, its deaths, the latest first, and where the evidence of each is.
type Export struct {
	Incident Incident
	Deaths   []Exported
	Gaps     []Gap `json:",omitempty"` // of the watch, that touch its time: what happened then may be missing
	LeftOut  int   `json:",omitempty"` // deaths whose evidence is not in it for want of room; those before the latest 1000, which are not listed, are among them
	Narrowed bool  `json:",omitempty"` // it lacks what its reader may not see

	Limit int `json:"namespaceLimit,omitempty"` // how many of his namespaces were looked at, where he has more
}

// An Exported is a death in an export.
type Exported struct {
	Death
	Folder string `json:",omitempty"` // where its bundle is; deaths with the same evidence share one
}

// A Narrowing says what of an export its reader may have. The zero value is all of it.
type Narrowing struct {
	Namespaces []string                                  // whose deaths he may see; nil for all
	Files      func(map[string][]byte) map[string][]byte // what he may have of a bundle, given all of it; without it, what is of Namespaces or of none
	Index      func(Export) (Export, error)              // what he may read of incident.json; nil for all
	Bundles    int                                       // how many bundles are looked at for him at most; 0 for as many as there is room for
}

// Export returns an incident as files that make one bundle: incident.json, and a folder with bundle and report.json for each death with
// evidence. At most 1000 deaths are read, the latest, and as much of their evidence as there is room for. What is in a history gives the
// same files each time, but for gaps that go on.
func (s *Store) Export(ctx context.Context, id string, may Narrowing) (Export, map[string][]byte, error) {
	in, err := s.Incident(ctx, id, may.Namespaces)
	if err != nil {
		return Export{}, nil, err
	}
	page, err := s.Deaths(ctx, Filter{Incident: id, Namespaces: may.Namespaces, Limit: mostLimit})
	if err != nil {
		return Export{}, nil, err
	}
	e := exporter{store: s, may: may, files: map[string][]byte{}, folders: map[string]string{}}
	all := Export{Incident: in, Narrowed: may.Namespaces != nil}
	for i := range page.Items {
		folder, err := e.add(ctx, &page.Items[i])
		if err != nil {
			return Export{}, nil, err
		}
		all.Deaths = append(all.Deaths, Exported{page.Items[i], folder})
	}
	if all.Gaps, err = s.Unseen(ctx, &in, s.options.Now(), may.Namespaces); err != nil {
		return Export{}, nil, err
	}
	all.LeftOut = e.left + max(in.Deaths-len(page.Items), 0)
	if may.Index != nil {
		if all, err = may.Index(all); err != nil {
			return Export{}, nil, err
		}
	}
	e.files["incident.json"], err = json.MarshalIndent(all, "", "  ")
	return all, e.files, err
}

// An exporter gathers the files of an export.
type exporter struct {
	store   *Store
	may     Narrowing
	files   map[string][]byte
	folders map[string]string // by what is in them
	bytes   int
	looked  int // at so many bundles
	full    bool
	left    int
}

// add takes the evidence of a death as long as there is room, and returns the folder that has it.
func (e *exporter) add(ctx context.Context, d *Death) (folder string, err error) {
	if !d.HasBundle {
		return "", nil
	}
	if e.full = e.full || e.looked == cmp.Or(e.may.Bundles, mostLimit); e.full {
		e.left++
		return "", nil
	}
	e.looked++
	bundle, err := e.read(ctx, d.ID)
	if err != nil || len(bundle) == 0 {
		return "", ignore(err, ErrNotFound)
	}
	var all [][]byte
	size := 0
	for _, name := range slices.Sorted(maps.Keys(bundle)) {
		all = append(all, []byte(name), bundle[name])
		size += len(bundle[name])
	}
	same := string(hashOf(string(bytes.Join(all, []byte{0}))))
	if e.folders[same] != "" {
		return e.folders[same], nil
	}
	if len(e.folders) > 0 && (e.bytes+size > MostExported || len(e.files)+len(bundle) > mostFiles) {
		e.full, e.left = true, e.left+1
		return "", nil
	}
	folder = fmt.Sprintf("death-%d", d.ID)
	e.folders[same], e.bytes = folder, e.bytes+size
	for name, data := range bundle {
		e.files[folder+"/"+name] = data
	}
	return folder, e.report(ctx, d.ID, folder)
}

func (e *exporter) read(ctx context.Context, death int64) (map[string][]byte, error) {
	if e.may.Files == nil {
		return e.store.Bundle(ctx, death, e.may.Namespaces)
	}
	bundle, err := e.store.Bundle(ctx, death, nil)
	return e.may.Files(bundle), err
}

// report adds what was told, for whom that needs no narrowing.
func (e *exporter) report(ctx context.Context, death int64, folder string) error {
	if e.may.Files != nil {
		return nil
	}
	told, err := e.store.Report(ctx, death, e.may.Namespaces)
	if told != nil {
		e.files[folder+"/report.json"] = told
		e.bytes += len(told)
	}
	return ignore(err, ErrNotFound)
}
