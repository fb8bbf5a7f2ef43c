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
	"strings"
)

// Report returns what was told of a death, as JSON; ErrNotFound where nothing was, or the asker may not see the death or
// the thing that its verdict is about. What else a report mentions is not looked at.
func (s *Store) Report(ctx context.Context, death int64, allowed []string) ([]byte, error) {
	d, err := s.Death(ctx, death, allowed)
	if err != nil || d.Verdict == nil || d.Verdict.Message == elsewhere && allowed != nil {
		return nil, cmp.Or(err, ErrNotFound)
	}
	files, err := s.parts(ctx, death, true, allowed)
	if err == nil && files[""] == nil {
		err = ErrNotFound
	}
	return files[""], err
}

// Bundle returns the files of the evidence of a death, without those of namespaces that the asker may not see;
// ErrNotFound where there are none.
func (s *Store) Bundle(ctx context.Context, death int64, allowed []string) (map[string][]byte, error) {
	if _, err := s.Death(ctx, death, allowed); err != nil {
		return nil, err
	}
	files, err := s.parts(ctx, death, false, allowed)
	if err == nil && len(files) == 0 {
		err = ErrNotFound
	}
	return files, err
}

// parts reads the report or all the rest.
func (s *Store) parts(ctx context.Context, death int64, report bool, allowed []string) (map[string][]byte, error) {
	blobs := map[int64]int64{}
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var number, blob int64
		err := scan(&number, &blob)
		blobs[number] = blob
		return err
	}, `SELECT 0, pack FROM deaths WHERE id = $1 AND pack IS NOT NULL UNION ALL SELECT part, blob FROM parts WHERE death = $1`, death)
	if err != nil || blobs[0] == 0 {
		return nil, s.explain("read", err)
	}
	raw, err := content(ctx, s.reads, blobs[0])
	if err != nil {
		return nil, s.explain("read", err)
	}
	all, err := unpack(raw)
	files := map[string][]byte{}
	for name, f := range all {
		if err != nil || (name == "") != report || !mayRead(name, allowed) {
			continue
		}
		if f.part > 0 {
			f.data, err = content(ctx, s.reads, blobs[f.part])
		}
		files[name] = f.data
	}
	return files, s.explain("read", err)
}

// mayRead tells whether a file of a bundle is of a namespace that is allowed, or of none. Its layout has the namespace
// as the second part of the path; objects without one are in the folder "_cluster".
func mayRead(name string, allowed []string) bool {
	parts := strings.Split(name, "/")
	if allowed == nil || len(parts) < 2 {
		return true
	}
	switch parts[0] {
	case "objects", "events", "logs":
		namespace := strings.TrimSuffix(parts[1], ".yaml")
		return strings.HasPrefix(namespace, "_") || slices.Contains(allowed, namespace)
	}
	return true
}

// MostExported is how many bytes of evidence an archive of an incident has at most: it is made in memory, and the evidence of a storm
// is larger than that of a server.
const MostExported = 32 << 20

// Export returns an incident as files: incident.json, and for each death with evidence a folder with its bundle and
// report.json. Deaths with the same evidence share a folder. At most 1000 deaths are read, the latest, and as much of their evidence as
// there is room for; of how many it is left out incident.json says.
func (s *Store) Export(ctx context.Context, id string, allowed []string) (map[string][]byte, error) {
	in, err := s.Incident(ctx, id, allowed)
	if err != nil {
		return nil, err
	}
	page, err := s.Deaths(ctx, Filter{Incident: id, Namespaces: allowed, Limit: mostLimit})
	if err != nil {
		return nil, err
	}
	e := export{store: s, allowed: allowed, files: map[string][]byte{}, seen: map[string]bool{}}
	for i := range page.Items {
		if err := e.add(ctx, &page.Items[i]); err != nil {
			return nil, err
		}
	}
	e.files["incident.json"], err = json.MarshalIndent(struct {
		Incident Incident
		Deaths   []Death
		LeftOut  int `json:",omitempty"`
	}{in, page.Items, e.left}, "", "  ")
	return e.files, err
}

// An export is the files of an incident, as far as they are read.
type export struct {
	store   *Store
	allowed []string
	files   map[string][]byte
	seen    map[string]bool
	bytes   int
	left    int // deaths whose evidence is left out
}

func (e *export) add(ctx context.Context, d *Death) error {
	if !d.HasBundle {
		return nil
	}
	if e.bytes > MostExported {
		e.left++
		return nil
	}
	bundle, err := e.store.Bundle(ctx, d.ID, e.allowed)
	if err != nil {
		return ignore(err, ErrNotFound)
	}
	var all [][]byte
	for _, name := range slices.Sorted(maps.Keys(bundle)) {
		all = append(all, []byte(name), bundle[name])
	}
	same := string(hashOf(string(bytes.Join(all, []byte{0}))))
	if e.seen[same] {
		return nil
	}
	e.seen[same] = true
	folder := fmt.Sprintf("death-%d/", d.ID)
	for name, data := range bundle {
		e.files[folder+name] = data
		e.bytes += len(data)
	}
	report, err := e.store.Report(ctx, d.ID, e.allowed)
	if report != nil {
		e.files[folder+"report.json"] = report
		e.bytes += len(report)
	}
	return ignore(err, ErrNotFound)
}

// A Rerun is the death whose verdict would be another one today.
type Rerun struct {
	Death Death
	Now   Verdict
}

// Again is what became of a rerun as a whole.
type Again struct{ Deaths, Changed, Failed int }

// Rerun has the bundles that a filter means judged again, the latest death first, and tells which verdicts would change
// in rule, thing, confidence or message. It writes nothing. A bundle that cannot be judged is counted as failed.
func (s *Store) Rerun(ctx context.Context, f Filter, judge func(context.Context, Death, map[string][]byte) (Verdict, error), tell func(Rerun) error) (Again, error) {
	var sum Again
	for {
		page, err := s.Deaths(ctx, f)
		if err != nil {
			return sum, err
		}
		for _, d := range page.Items {
			if err := s.rerun(ctx, d, &sum, judge, tell); err != nil {
				return sum, err
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return sum, nil
		}
	}
}

func (s *Store) rerun(ctx context.Context, d Death, sum *Again, judge func(context.Context, Death, map[string][]byte) (Verdict, error), tell func(Rerun) error) error {
	if !d.HasBundle || d.Verdict == nil {
		return nil
	}
	files, err := s.Bundle(ctx, d.ID, nil)
	if err != nil {
		return ignore(err, ErrNotFound) // retention was faster
	}
	sum.Deaths++
	now, err := judge(ctx, d, files)
	if err != nil {
		sum.Failed++
		return ctx.Err()
	}
	old := d.Verdict
	if old.Rule == now.Rule && old.Thing == now.Thing && old.Confidence == now.Confidence && old.Message == now.Message {
		return nil
	}
	sum.Changed++
	return tell(Rerun{d, now})
}
