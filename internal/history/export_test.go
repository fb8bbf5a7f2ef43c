// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// TestExport: all captured deaths of an incident are in one bundle, those with the same evidence once, and it is the same each time.
func TestExport(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		for i, text := range []string{"a", "b", "b", "c"} {
			d := death(fmt.Sprintf("web-%d", i), 0, i)
			d.Verdict.Bundle = map[string][]byte{"meta.yaml": []byte(text), "events/shop.2.yaml": []byte(text), "events/bank.2.yaml": []byte(text)}
			must(t, s.Record(t.Context(), d))
		}
		must(t, s.Record(t.Context(), death("no-bundle", 0, 9)))
		id := incidents(t, s, Filter{})[0].ID
		all, files, err := s.Export(t.Context(), id, Narrowing{})
		must(t, err)
		folders := []string{}
		for _, d := range all.Deaths {
			folders = append(folders, d.Of.Name+" "+d.Folder)
		}
		want(t, "folders", fmt.Sprint(folders), "[no-bundle  web-3 death-4 web-2 death-3 web-1 death-3 web-0 death-1]")
		want(t, "files", len(files), 1+3*4)
		want(t, "of the third", string(files["death-3/meta.yaml"]), "b")
		var told Export
		must(t, json.Unmarshal(files["incident.json"], &told))
		want(t, "the index", fmt.Sprint(told.Incident.ID, told.LeftOut, told.Narrowed, told.Deaths[1].Folder, told.Deaths[1].Of), fmt.Sprint(id, 0, false, "death-4", all.Deaths[1].Of))
		want(t, "gaps of the watch", fmt.Sprint(len(told.Gaps)), "0")
		must(t, s.Gaps(t.Context(), Gap{Cluster: cluster, Namespace: "shop", What: "shop was not seen", From: noon, To: noon.Add(time.Minute)},
			Gap{Cluster: cluster, Namespace: "bank", What: "bank was not seen", From: noon}, Gap{Cluster: cluster, Namespace: "shop", What: "long ago", From: noon.Add(-9 * time.Hour), To: noon.Add(-8 * time.Hour)}))
		for space, gaps := range map[string]int{"shop": 1, "": 2} {
			may := Narrowing{Namespaces: []string{space}}
			if space == "" {
				may.Namespaces = nil
			}
			all, _, err := s.Export(t.Context(), id, may)
			must(t, err)
			want(t, "gaps of the watch for "+space, len(all.Gaps), gaps)
		}
		_, files, err = s.Export(t.Context(), id, Narrowing{})
		must(t, err)
		_, again, err := s.Export(t.Context(), id, Narrowing{})
		must(t, err)
		want(t, "again", maps.EqualFunc(files, again, slices.Equal), true)

		looked := 0
		some, files, err := s.Export(t.Context(), id, Narrowing{Namespaces: []string{"shop"}, Bundles: 3, Files: func(all map[string][]byte) map[string][]byte {
			looked++
			return map[string][]byte{"meta.yaml": all["meta.yaml"]}
		}})
		must(t, err)
		want(t, "a part", fmt.Sprint(looked, some.Narrowed, some.LeftOut, slices.Sorted(maps.Keys(files))), "3 true 1 [death-3/meta.yaml death-4/meta.yaml incident.json]")
		_, files, err = s.Export(t.Context(), id, Narrowing{Namespaces: []string{"shop"}, Bundles: 1})
		must(t, err)
		want(t, "of one namespace", fmt.Sprint(slices.Sorted(maps.Keys(files))), "[death-4/events/shop.2.yaml death-4/meta.yaml death-4/report.json incident.json]")
	})
}

// TestExportIsReadable: an export has no more files than a bundle may have.
func TestExportIsReadable(t *testing.T) {
	s := open(t, "memory:", Options{})
	const deaths, each = 4, 1500
	for i := range deaths {
		d := death("web-0", i, i)
		d.Verdict.Bundle = map[string][]byte{}
		for n := range each {
			d.Verdict.Bundle[fmt.Sprintf("objects/shop/pod/web-%d.yaml", n)] = fmt.Append(nil, i)
		}
		must(t, s.Record(t.Context(), d))
	}
	all, files, err := s.Export(t.Context(), incidents(t, s, Filter{})[0].ID, Narrowing{})
	must(t, err)
	want(t, "left out", all.LeftOut, 1)
	want(t, "files", len(files), 3*(each+1)+1)
}
