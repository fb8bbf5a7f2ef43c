// SPDX-License-Identifier: Apache-2.0

package report

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
)

// Apply returns what a patch makes of an object, which stays as it is. No admission or defaulting takes part: what the
// API server makes of it, only the API server can say.
func (p *Patch) Apply(object evidence.Object) (evidence.Object, error) {
	old, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", p.Target, err)
	}
	var now []byte
	switch p.Type {
	case "strategic":
		now, err = strategicpatch.StrategicMergePatch(old, []byte(p.Data), object)
	case "json":
		var ops jsonpatch.Patch
		if ops, err = jsonpatch.DecodePatch([]byte(p.Data)); err == nil {
			now, err = ops.Apply(old)
		}
	default:
		err = fmt.Errorf("unknown type of patch %q", p.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", p.Target, err)
	}
	typed, ok := reflect.TypeAssert[evidence.Object](reflect.New(reflect.TypeOf(object).Elem()))
	if !ok {
		return nil, fmt.Errorf("patch %s: it is no object", p.Target) // cannot happen: it is of the object's type
	}
	if err := json.Unmarshal(now, typed); err != nil {
		return nil, fmt.Errorf("patch %s: %w", p.Target, err)
	}
	return typed, nil
}

// mostYAML is how many bytes of an object a diff is made of: making one takes more than linear time.
const mostYAML = 64 << 10

// Diff returns the lines that differ between two objects as YAML, with those around them, as a unified diff without its
// head. It is empty where nothing differs, and where they are too large. The lines are not escaped.
func Diff(before, after any) ([]string, error) {
	a, err := yaml.Marshal(before)
	if err != nil {
		return nil, err
	}
	b, err := yaml.Marshal(after)
	if err != nil || len(a) > mostYAML || len(b) > mostYAML {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(diff.Diff("before", a, "after", b)), "\n"), "\n")
	return lines[min(len(lines), 3):], nil // three lines are its head
}
