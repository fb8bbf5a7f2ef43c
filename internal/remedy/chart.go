// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

const (
	renderTime = 30 * time.Second
	maxRenders = 64       // tries before a value counts as not found
	maxRender  = 64 << 20 // bytes
)

// A chart is what a release is rendered from.
type chart struct {
	program            string // helm
	dir                string
	release, namespace string
	values             []string // files
	sets               []string // --set NAME=VALUE, which counts before files
	renders            int
}

// render returns what the chart gives with its values and some more (helm template), as YAML.
func (c *chart) render(ctx context.Context, more map[string]any) ([]byte, error) {
	c.renders++
	wrong := validation.IsDNS1123Subdomain(c.release)
	if c.namespace != "" {
		wrong = append(wrong, validation.IsDNS1123Label(c.namespace)...)
	}
	if len(wrong) > 0 { // they come from the cluster, and become arguments
		return nil, fmt.Errorf("render %s: no release of Helm has the name %q in the namespace %q: %s", c.dir, c.release, c.namespace, wrong[0])
	}
	ctx, cancel := context.WithTimeout(ctx, renderTime)
	defer cancel()
	args := []string{"template", c.release, c.dir, "--namespace", c.namespace}
	for _, file := range c.values {
		args = append(args, "--values", file)
	}
	args = append(args, c.sets...)
	cmd := exec.CommandContext(ctx, c.program, append(args, "--values", "-")...)
	text, err := yaml.Marshal(more)
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("render %s: %w: %s", c.dir, err, strings.TrimSpace(said.String()))
	}
	if out.Len() > maxRender {
		return nil, fmt.Errorf("render %s: it gives more than %d MiB", c.dir, maxRender>>20)
	}
	return out.Bytes(), nil
}

// objects reads rendered manifests, by what they are.
func objects(rendered []byte, namespace string) (map[edit.Object]map[string]any, error) {
	all := map[edit.Object]map[string]any{}
	for dec := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(rendered), 4096); ; {
		var m map[string]any
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what was rendered: %w", err)
		}
		meta, _ := m["metadata"].(map[string]any)
		if len(m) > 0 {
			all[edit.Object{APIVersion: text(m, "apiVersion"), Kind: text(m, "kind"), Namespace: cmp.Or(text(meta, "namespace"), namespace), Name: text(meta, "name")}] = m
		}
	}
}

// A feed is the values that make a chart render an object as it is wanted.
type feed struct {
	values map[string]any
	proven bool
	others []edit.Object // which also change by them
}

// feed finds which values give the object what the patch gives it. Proof is that the chart, rendered with them, gives the object that the
// patch makes of what it gave before.
func (c *chart) feed(ctx context.Context, o edit.Object, kind, patch string) (*feed, error) {
	before, err := c.render(ctx, nil)
	if err != nil {
		return nil, err
	}
	patched, err := edit.Patch("what "+c.dir+" renders", before, o, kind, patch)
	if err != nil {
		return nil, err
	}
	was, err := objects(before, c.namespace)
	if err != nil {
		return nil, err
	}
	will, err := objects(patched, c.namespace)
	if err != nil {
		return nil, err
	}
	changes := changesOf(was[o], will[o], nil)
	if len(changes) == 0 {
		return nil, fmt.Errorf("chart %s with these values gives %s what the fix gives it already: it is not what is installed, or not installed yet", c.dir, o)
	}
	values, err := c.merged()
	if err != nil {
		return nil, err
	}
	for _, candidate := range candidates(values, changes, o.Name) {
		if c.renders > maxRenders {
			break
		}
		rendered, err := c.render(ctx, candidate)
		if err != nil {
			continue // the chart does not take such values
		}
		now, err := objects(rendered, c.namespace)
		if err == nil && reflect.DeepEqual(now[o], will[o]) {
			return &feed{candidate, true, c.others(ctx, was, now, o)}, nil
		}
	}
	return customary(values, changes, o.Name), nil
}

// others are the objects beside o that differ, leaving out those that differ from one time to the next.
func (c *chart) others(ctx context.Context, was, now map[edit.Object]map[string]any, o edit.Object) []edit.Object {
	var differ []edit.Object
	for other := range now {
		if other != o && !reflect.DeepEqual(was[other], now[other]) {
			differ = append(differ, other)
		}
	}
	if len(differ) > 0 {
		if rendered, err := c.render(ctx, nil); err == nil {
			again, err := objects(rendered, c.namespace)
			differ = slices.DeleteFunc(differ, func(other edit.Object) bool { return err == nil && !reflect.DeepEqual(was[other], again[other]) })
		}
	}
	slices.SortFunc(differ, func(a, b edit.Object) int { return cmp.Compare(a.String(), b.String()) })
	return differ
}

// merged returns the values that the chart is rendered with: its own, and over them those of the files.
func (c *chart) merged() (map[string]any, error) {
	all := map[string]any{}
	files := c.values
	if c.dir != "" {
		files = slices.Concat([]string{filepath.Join(c.dir, "values.yaml")}, files)
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if i == 0 && c.dir != "" && errors.Is(err, os.ErrNotExist) {
			continue // a chart need not have any
		}
		var m map[string]any
		if err == nil {
			err = yaml.Unmarshal(data, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("read values %s: %w", file, err)
		}
		overlay(all, m)
	}
	return all, nil
}

// overlay puts values over others as Helm does: mappings are merged, all else is replaced.
func overlay(base, over map[string]any) {
	for key, v := range over {
		old, isMap := base[key].(map[string]any)
		m, toMap := v.(map[string]any)
		if isMap && toMap {
			overlay(old, m)
		} else {
			base[key] = v
		}
	}
}

// A fieldChange is a field that gets another value, with the keys that lead to it from the object or, in a list, from its element.
type fieldChange struct {
	keys      []string
	was, will any
	element   string // the name of the element
}

// changesOf compares an object with what it is to be.
func changesOf(was, will any, keys []string) []fieldChange {
	if reflect.DeepEqual(was, will) {
		return nil
	}
	a, isMap := was.(map[string]any)
	b, toMap := will.(map[string]any)
	if isMap && toMap {
		var all []fieldChange
		for _, key := range keysOf(a, b) {
			all = append(all, changesOf(a[key], b[key], slices.Concat(keys, []string{key}))...)
		}
		return all
	}
	x, isList := was.([]any)
	y, toList := will.([]any)
	if isList && toList && len(x) == len(y) {
		if all, ok := elements(x, y); ok {
			return all
		}
	}
	return []fieldChange{{keys: keys, was: was, will: will}}
}

// elements compares lists whose elements have the same names.
func elements(was, will []any) ([]fieldChange, bool) {
	var all []fieldChange
	for i := range was {
		a, isMap := was[i].(map[string]any)
		b, toMap := will[i].(map[string]any)
		if !isMap || !toMap || text(a, "name") == "" || text(a, "name") != text(b, "name") {
			return nil, false
		}
		for _, change := range changesOf(a, b, nil) {
			change.element = cmp.Or(change.element, text(a, "name"))
			all = append(all, change)
		}
	}
	return all, true
}

func keysOf(a, b map[string]any) []string {
	var keys []string
	for _, m := range []map[string]any{a, b} {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// scalarText is how a value looks, for finding it again among values: 64Mi, 3, true.
func scalarText(v any) string {
	switch v.(type) {
	case nil, map[string]any, []any:
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return strings.Trim(string(data), `"`)
}
