// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

// release changes the values of a release: in the last file of values that has them, in its HelmRelease, or in a file of its own which
// Helm is to be given last.
func (d *desk) release(ctx context.Context, plan *Plan, s Sources, o edit.Object) ([]Written, error) {
	name, namespace := releaseOf(plan, o)
	g := &plan.Git
	flux, argo := plan.Owner.Kind == ownerFlux, g.Field != ""
	if argo {
		name, namespace = cmp.Or(g.Release, name), cmp.Or(g.Namespace, namespace)
	}
	why := slices.Clone(g.Unproven)
	if len(s.Values) > 0 {
		why = append(why, g.notNamed(len(s.Values))...)
	} else {
		found, lacks := g.found(s)
		s.Values, why = found, append(why, lacks...)
	}
	c := &chart{dir: s.Chart, release: name, namespace: namespace, values: s.Values, sets: g.sets}
	if len(g.Values) > 0 && (argo || flux) {
		file, err := scratch(g.Values)
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(file) }()
		c.values = append(slices.Clone(s.Values), file)
	}
	found, unproven, err := c.find(ctx, o, string(plan.Fix.Patch.Type), plan.Fix.Patch.Data)
	if err != nil {
		return nil, err
	}
	if by := g.governs(found.values); by != "" {
		return nil, fmt.Errorf("nothing was written: parameter %s in %s.parameters of %s counts before all values; change it there", by, g.Field[:strings.LastIndexByte(g.Field, '.')], plan.Owner.Name)
	}
	if len(why) > 0 {
		found.proven, unproven = false, strings.Join(why, ", and ")
	}
	if argo && clashes(g.Values, found.values) > 0 {
		s.Values = nil // the field counts before files
	}
	all, err := d.values(plan, s, found.values, name, flux)
	if len(all) > 0 {
		what := said(found, unproven)
		if from := g.supplied(found.values); from != "" {
			what += "; " + from + " has it now, before which the values of the HelmRelease count"
		}
		all[0].What = strings.TrimPrefix(strings.Join(append([]string{all[0].What + "; it " + what}, g.Overwrites...), "; "), "; it ")
	}
	return all, err
}

// releaseOf returns the name and namespace of the release, as Helm notes it on what it installs.
func releaseOf(plan *Plan, o edit.Object) (name, namespace string) {
	_, last, _ := strings.Cut(plan.Owner.Name, " ")
	name = path.Base(last)
	if plan.Live != nil {
		notes := plan.Live.GetAnnotations()
		return cmp.Or(notes["meta.helm.sh/release-name"], name), cmp.Or(notes["meta.helm.sh/release-namespace"], o.Namespace)
	}
	return cmp.Or(strings.Trim(name, "."), o.Name), o.Namespace
}

// find finds the values that feed the fields, and says why they are not proven to where they are not.
func (c *chart) find(ctx context.Context, o edit.Object, kind, patch string) (*feed, string, error) {
	var err error
	if c.program, err = exec.LookPath("helm"); err == nil && c.dir != "" {
		f, err := c.feed(ctx, o, kind, patch)
		if err != nil {
			return nil, "", err
		}
		return f, "no value of the chart that was tried gives the object the change: this is the customary one", nil
	}
	why := "there is no helm program here to render the chart with"
	if c.dir == "" {
		why = "the chart is not known: name it with --chart"
	}
	values, err := c.merged()
	if err != nil {
		return nil, "", err
	}
	if kind != edit.Strategic {
		return nil, "", fmt.Errorf("nothing was written: which values give %s the change can only be found by rendering the chart: %s", o, why)
	}
	var change map[string]any
	if err := json.Unmarshal([]byte(patch), &change); err != nil {
		return nil, "", fmt.Errorf("read the patch of %s: %w", o, err)
	}
	return customary(values, asked(change, nil, ""), o.Name), why + "; this is the customary value", nil
}

// asked returns the fields that a strategic patch sets, of its containers by their names.
func asked(v any, keys []string, element string) []fieldChange {
	var all []fieldChange
	switch v := v.(type) {
	case map[string]any:
		for _, key := range keysOf(v, nil) {
			if key != "name" || element == "" || len(keys) > 0 {
				all = append(all, asked(v[key], slices.Concat(keys, []string{key}), element)...)
			}
		}
		return all
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && text(m, "name") != "" && element == "" {
				all = append(all, asked(m, nil, text(m, "name"))...)
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	return []fieldChange{{keys: keys, will: v, element: element}}
}

// said is what is known of the values that were written.
func said(f *feed, unproven string) string {
	what := "sets " + strings.Join(paths(f.values), ", ")
	if !f.proven {
		return what + ", which is not proven: " + unproven
	}
	what += ", proven: rendered with it the chart gives the wanted object"
	var others []string
	for _, o := range f.others {
		others = append(others, o.String())
	}
	if len(others) > 0 {
		what += ", and changes " + strings.Join(others, ", ") + " too"
	}
	return what
}

// values writes values where they belong.
func (d *desk) values(plan *Plan, s Sources, set map[string]any, release string, flux bool) ([]Written, error) {
	if flux {
		return d.helmRelease(plan, set)
	}
	patch, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	name, data, shown := release+"-values.yaml", []byte{}, release+"-values.yaml"
	if len(s.Values) > 0 {
		if shown, err = deepest(s.Values, set); err != nil {
			return nil, err
		}
		if data, err = os.ReadFile(shown); err != nil {
			return nil, fmt.Errorf("read values: %w", err)
		}
		name = beneath(shown, s.Dir, s.Checkout, s.Chart)
	}
	if before, err := readFile(d.out, name); err == nil {
		data = before // fixes add up
	}
	out, err := edit.Patch(shown, data, edit.Object{}, edit.Merge, string(patch))
	if err != nil {
		return nil, err
	}
	w := Written{File: filepath.Join(d.out.Name(), name)}
	if len(s.Values) == 0 {
		use := "is to be given to helm upgrade after all other values"
		if plan.Git.Field != "" {
			use = "is to be merged into " + plan.Git.Field + " of " + plan.Owner.Name
		}
		return []Written{w, {File: w.File, What: use}}, d.write(name, out)
	}
	return []Written{w}, d.write(name, out)
}

// helmRelease writes values into the HelmRelease of Flux, or into a patch of it.
func (d *desk) helmRelease(plan *Plan, set map[string]any) ([]Written, error) {
	namespace, name, _ := strings.Cut(strings.TrimPrefix(plan.Owner.Name, "HelmRelease "), "/")
	o := edit.Object{APIVersion: helmReleases.GroupVersion().String(), Kind: "HelmRelease", Namespace: namespace, Name: name}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"values": set}})
	if err != nil {
		return nil, err
	}
	if d.checkout == nil {
		return d.component(".", o, edit.Merge, string(patch), "")
	}
	at, err := d.where(plan.Git.Path, o)
	if err != nil {
		return nil, err
	}
	if at.takes {
		return d.component(path.Dir(at.file), at.object, edit.Merge, string(patch), at.why)
	}
	w, err := d.change(at.file, at.object, edit.Merge, string(patch))
	if w.What == changedThere {
		w.What = ""
	}
	return []Written{w}, err
}

// deepest returns which of the files of values has the most of what is set, and of equals the last, which wins.
func deepest(files []string, set map[string]any) (string, error) {
	best, most := "", -1
	for _, file := range files {
		data, err := os.ReadFile(file)
		var m map[string]any
		if err == nil {
			err = yaml.Unmarshal(data, &m)
		}
		if err != nil {
			return "", fmt.Errorf("read values %s: %w", file, err)
		}
		if n := shared(m, set); n >= most {
			best, most = file, n
		}
	}
	return best, nil
}

// shared counts the keys of set, at all levels, that values have.
func shared(values, set map[string]any) int {
	n := 0
	for key, v := range set {
		old, has := values[key]
		if !has {
			continue
		}
		n++
		a, isMap := old.(map[string]any)
		b, toMap := v.(map[string]any)
		if isMap && toMap {
			n += shared(a, b)
		}
	}
	return n
}

// beneath returns the path of a file in the folder that is written to: where it stands in it, or in the checkout, or else at its top.
func beneath(file string, roots ...string) string {
	for _, root := range roots {
		if root == "" {
			continue
		}
		from, errFrom := filepath.Abs(root)
		to, errTo := filepath.Abs(file)
		if errFrom != nil || errTo != nil {
			continue
		}
		if rel, err := filepath.Rel(from, to); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(file)
}

// scratch writes values into a file for the time of rendering.
func scratch(values map[string]any) (string, error) {
	data, err := yaml.Marshal(values)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "inquest-values-*.yaml")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", f.Name(), err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}
