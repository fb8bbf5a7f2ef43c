// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/edit"
)

// Sources say where the sources of what runs are, and where their changes are written.
type Sources struct {
	Dir      string   // is written to, and made where it is not there; may be the checkout
	Checkout string   // of the repository that is applied; "": there is none
	Chart    string   // the folder of the chart that is installed; "": none
	Values   []string // the files of values that it is installed with, in the order that Helm is given them
}

// A Written is a file that was written, or one whose change was found to be none.
type Written struct {
	File string // its path
	Line int    // where the object stands in it; 0: the whole file is meant
	What string // what it is and what remains to be done: a sentence, not escaped
}

// barred are the refusals after which there is nothing to write either.
var barred = []Reason{NoPatch, Unknown, Gone, Masked, Nothing, Rejected}

// Write writes what carries a plan out where the object comes from: a change of its manifest in a checkout, a change of the values of its
// chart, or a patch as Kustomize takes it. The cluster is not asked, and nothing of it changes.
func Write(ctx context.Context, plan *Plan, s Sources) ([]Written, error) {
	if plan.Refused != nil && slices.Contains(barred, plan.Refused.Because) {
		return nil, fmt.Errorf("nothing was written: %s", plan.Refused.Why)
	}
	patch := plan.Fix.Patch
	k := kinds[patch.Target.Kind]
	o := edit.Object{APIVersion: k.resource.GroupVersion().String(), Kind: patch.Target.Kind, Namespace: patch.Target.Namespace, Name: patch.Target.Name}
	if slices.Contains([]string{ownerScaler, ownerOperator, ownerCore}, plan.Owner.Kind) {
		return nil, fmt.Errorf("nothing was written: %s sets this of %s; change %s", plan.Owner, named(patch.Target), plan.Owner.Where)
	}
	if s.Chart != "" { // helm would take anything else for a name, and ask a registry
		if _, err := os.Stat(filepath.Join(s.Chart, "Chart.yaml")); err != nil {
			return nil, fmt.Errorf("nothing was written: --chart %s is not the folder of a chart, which has a Chart.yaml", s.Chart)
		}
	}
	d, err := open(s.Dir, s.Checkout)
	if err != nil {
		return nil, err
	}
	defer d.close()
	release := plan.Owner.Kind == ownerHelm || plan.Owner.Kind == ownerFlux && strings.HasPrefix(plan.Owner.Name, "HelmRelease ")
	switch {
	case release || s.Chart != "" || len(s.Values) > 0:
		return d.release(ctx, plan, s, o)
	case plan.Git.Field != "":
		return nil, plan.Git.takesNoPatch(plan.Owner, named(patch.Target))
	case d.charted(plan.Git.Path):
		return nil, fmt.Errorf("nothing was written: %s of --source %s is a chart, which takes no patch: name it with --chart %s to find which value gives %s the change",
			plan.Git.Path, s.Checkout, filepath.Join(s.Checkout, plan.Git.Path), named(patch.Target))
	case s.Checkout != "":
		all, err := d.manifest(plan.Git.Path, o, patch)
		if len(all) > 0 {
			all[0].What = strings.Join(append([]string{all[0].What}, plan.Git.Overwrites...), "; ")
		}
		return all, err
	}
	return d.component(".", o, string(patch.Type), patch.Data, "")
}

// manifest changes an object where it stands in the checkout.
func (d *desk) manifest(dir string, o edit.Object, p *diagnosis.Patch) ([]Written, error) {
	at, err := d.where(dir, o)
	if err != nil {
		return nil, err
	}
	if at.takes || at.part && !plainPatch(p) {
		return d.component(path.Dir(at.file), at.object, string(p.Type), p.Data, at.why)
	}
	w, err := d.change(at.file, at.object, string(p.Type), p.Data)
	return []Written{w}, err
}

// change edits a file.
func (d *desk) change(file string, o edit.Object, kind, patch string) (Written, error) {
	data, err := d.read(file)
	if err != nil {
		return Written{}, err
	}
	shown := file
	if d.checkout != nil {
		shown = filepath.Join(d.checkout.Name(), file)
	}
	out, err := edit.Patch(shown, data, o, kind, patch)
	if err != nil {
		return Written{}, err
	}
	w := Written{File: filepath.Join(d.out.Name(), file), What: changedThere}
	if o != (edit.Object{}) {
		if w.Line, err = edit.Line(shown, out, o); err != nil {
			return Written{}, err
		}
	}
	if bytes.Equal(out, data) {
		w.What = "has it already: it is not what is applied, or not applied yet"
	}
	return w, d.write(file, out)
}

// changedThere is said of a manifest.
const changedThere = "has the change, and differs in nothing else: commit it where it is applied from"

// plainPatch tells whether a patch only sets values, so that it can be merged into another patch: a null or a directive would be carried
// out there, and be lost.
func plainPatch(p *diagnosis.Patch) bool {
	return p.Type == diagnosis.Strategic && !strings.Contains(p.Data, `"$`) && !strings.Contains(p.Data, "null")
}

// component writes a patch beside the kustomization of a folder and has it use the patch. Where there is none, one is made that others
// can use: a component (KEP-1802 of Kubernetes' sig-cli).
func (d *desk) component(dir string, o edit.Object, kind, patch, why string) ([]Written, error) {
	k, err := d.kustomization(dir)
	if err != nil {
		return nil, err
	}
	content, err := patchFile(o, kind, patch)
	if err != nil {
		return nil, err
	}
	name, err := d.free(dir, strings.ToLower(o.Kind)+"-"+o.Name, content)
	if err != nil {
		return nil, err
	}
	made := k.file == ""
	if made {
		k.file = path.Join(dir, "kustomization.yaml")
	}
	if err := d.use(k, made, name, o); err != nil {
		return nil, err
	}
	if err := d.write(path.Join(dir, name), content); err != nil {
		return nil, err
	}
	said := "uses the patch"
	if made {
		said = "uses the patch; name its folder under components in the kustomization that is applied"
	}
	what := "is a patch of " + o.String()
	if why != "" {
		what += ", since " + why
	}
	out := d.out.Name()
	return []Written{{File: filepath.Join(out, dir, name), What: what}, {File: filepath.Join(out, k.file), What: said}}, nil
}

// patchFile returns a patch as Kustomize reads it from a file.
func patchFile(o edit.Object, kind, patch string) ([]byte, error) {
	var content any
	if err := json.Unmarshal([]byte(patch), &content); err != nil {
		return nil, fmt.Errorf("read the patch of %s: %w", o, err)
	}
	data, err := yaml.Marshal(content)
	if err != nil || kind == edit.JSON {
		return data, err
	}
	fields, ok := content.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read the patch of %s: a mapping was expected", o)
	}
	meta, _ := fields["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["name"] = o.Name
	fields["apiVersion"], fields["kind"], fields["metadata"] = o.APIVersion, o.Kind, meta
	return yaml.Marshal(fields)
}

// free returns the name of a file that is not there or has the content already.
func (d *desk) free(dir, name string, content []byte) (string, error) {
	if name != path.Base(name) {
		return "", fmt.Errorf("write a patch: %q can be no name of a file", name)
	}
	for n := 1; n < 100; n++ {
		file := name + ".yaml"
		if n > 1 {
			file = fmt.Sprintf("%s-%d.yaml", name, n)
		}
		switch data, err := d.read(path.Join(dir, file)); {
		case errors.Is(err, fs.ErrNotExist), err == nil && bytes.Equal(data, content):
			return file, nil
		case err != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("write a patch: %s has a hundred of %s", path.Join(d.out.Name(), dir), name)
}

// use has a kustomization use a patch.
func (d *desk) use(k *kustomization, made bool, name string, o edit.Object) error {
	for _, p := range k.Patches {
		if p.Path == name {
			return nil
		}
	}
	data := []byte("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n")
	if !made {
		var err error
		if data, err = d.read(k.file); err != nil {
			return err
		}
	}
	target := map[string]any{"kind": o.Kind, "name": o.Name}
	if group, version, ok := strings.Cut(o.APIVersion, "/"); ok {
		target["group"], target["version"] = group, version
	} else {
		target["version"] = o.APIVersion
	}
	entry := map[string]any{"path": name, "target": target}
	kind, change := edit.Merge, any(map[string]any{"patches": []any{entry}})
	if len(k.Patches) > 0 {
		kind, change = edit.JSON, []any{map[string]any{"op": "add", "path": "/patches/-", "value": entry}}
	}
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	if data, err = edit.Patch(k.file, data, edit.Object{}, kind, string(text)); err != nil {
		return err
	}
	return d.write(k.file, data)
}
