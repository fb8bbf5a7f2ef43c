// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// fixOf shows what a fix does: the command, and where it patches an object that was seen, what changes in it.
func fixOf(s *evidence.Snapshot, f report.Fix) Fix {
	shown := Fix{Title: f.Title, Risk: f.Risk, Command: f.Line(nil)}
	if f.Patch == nil {
		return shown
	}
	t := f.Patch.Target
	object := s.Object(evidence.RefTo(t.Kind, t.Namespace, t.Name))
	if object == nil {
		return shown
	}
	before, after, err := patched(object, f.Patch)
	if err != nil { // the object is another one than the patch was made for: the command stays
		return shown
	}
	shown.Diff = differing(before, after)
	return shown
}

// patched returns an object before and after a patch, as YAML. What was never set, as the status of a manifest, is not in it.
func patched(object evidence.Object, patch *report.Patch) (before, after []byte, err error) {
	old, err := json.Marshal(object)
	if err != nil {
		return nil, nil, err
	}
	var now []byte
	switch patch.Type {
	case "strategic":
		now, err = strategicpatch.StrategicMergePatch(old, []byte(patch.Data), object)
	case "json":
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch([]byte(patch.Data)); err == nil {
			now, err = p.Apply(old)
		}
	default:
		err = fmt.Errorf("unknown type of patch %q", patch.Type)
	}
	if err != nil {
		return nil, nil, err
	}
	typed := reflect.New(reflect.TypeOf(object).Elem()).Interface()
	if err := json.Unmarshal(now, typed); err != nil {
		return nil, nil, err
	}
	if before, err = yaml.Marshal(object); err == nil {
		after, err = yaml.Marshal(typed)
	}
	return before, after, err
}

const (
	mostDiff = 60       // lines of it that are shown
	mostYAML = 64 << 10 // bytes of an object of which a diff is made
)

// differing are the lines that differ, with those around them.
func differing(before, after []byte) []Line {
	if len(before) > mostYAML || len(after) > mostYAML {
		return nil
	}
	var lines []Line
	for i, text := range strings.Split(strings.TrimRight(string(diff.Diff("before", before, "after", after)), "\n"), "\n") {
		if i < 3 || text == "" { // its head
			continue
		}
		line := Line{Text: text}
		switch text[0] {
		case '+':
			line.Mark = "add"
		case '-':
			line.Mark = "remove"
		}
		lines = append(lines, line)
	}
	return lines[:min(len(lines), mostDiff)]
}
