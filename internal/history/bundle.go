// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
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
		namespace, _, _ := strings.Cut(parts[1], ".") // events/shop.2.yaml
		return strings.HasPrefix(namespace, "_") || slices.Contains(allowed, namespace)
	}
	return true
}
