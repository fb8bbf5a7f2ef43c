// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/edit"
)

// A place is where a change belongs in a checkout: a file that has the object, or a kustomization that takes a patch of it.
type place struct {
	file   string
	takes  bool        // the file is a kustomization that takes a patch
	part   bool        // the file is itself a patch
	object edit.Object // as it is named there
	why    string      // why a patch, and not the manifest
}

// maxNested bounds how deep kustomizations name each other.
const maxNested = 32

// where finds the place of an object in the checkout: below the folder that is applied, if that is known, else anywhere. Where it stands
// more than once there is nothing to choose by.
func (d *desk) where(dir string, o edit.Object) (place, error) {
	dir = path.Clean(strings.TrimPrefix(dir, "/"))
	if _, err := fs.Stat(d.checkout.FS(), dir); err != nil {
		return place{}, fmt.Errorf("folder %s is not in --source %s: name a checkout of the repository that is applied", dir, d.checkout.Name())
	}
	p, err := d.kustomized(dir, o, 0)
	if !errors.Is(err, edit.ErrAbsent) {
		return p, err
	}
	found, err := d.holders(dir, o)
	switch {
	case err != nil:
		return place{}, err
	case len(found) == 1:
		return place{file: found[0], object: o}, nil
	case len(found) == 0:
		return place{}, fmt.Errorf("no manifest below %s has %s: name the folder that is applied with --source, or, where it is rendered from a chart, the chart with --chart",
			path.Join(d.checkout.Name(), dir), o)
	}
	return place{}, fmt.Errorf("%s stands in several files below %s: %s; name the folder that is applied with --source", o, d.checkout.Name(), strings.Join(found, ", "))
}

// kustomized finds the place in the kustomization of a folder: in a patch or a manifest of its own, or, since others may use its bases
// too, in a patch that it is given. The error is ErrAbsent where it has no such object.
func (d *desk) kustomized(dir string, o edit.Object, depth int) (place, error) {
	k, err := d.kustomization(dir)
	if err != nil {
		return place{}, err
	}
	if k.file == "" || depth > maxNested {
		return place{}, edit.ErrAbsent
	}
	o = k.inside(o)
	patches, manifests := k.ownFiles()
	for i, name := range slices.Concat(patches, manifests) {
		if file := path.Join(dir, name); d.holds(file, o) {
			return place{file: file, object: o, part: i < len(patches)}, nil
		}
	}
	remote := false
	for _, name := range slices.Concat(k.Resources, k.Bases, k.Components) {
		at := path.Join(dir, name)
		if strings.Contains(name, "://") || strings.Contains(name, "?ref=") || strings.HasPrefix(at, "..") {
			remote = true
			continue
		}
		p, err := d.listed(at, o, depth)
		switch {
		case errors.Is(err, edit.ErrAbsent):
		case err != nil:
			return place{}, err
		case strings.HasPrefix(at, dir+"/") || dir == ".":
			return p, nil // nobody else's
		default:
			return place{file: k.file, takes: true, object: p.object, why: fmt.Sprintf("the manifest, %s, may be others' as well", p.file)}, nil
		}
	}
	if remote {
		return place{file: k.file, takes: true, object: o, why: "the manifest is not in this checkout"}, nil
	}
	return place{}, edit.ErrAbsent
}

// listed finds the place in what a kustomization names: a file or another folder.
func (d *desk) listed(at string, o edit.Object, depth int) (place, error) {
	if !isManifest(at) {
		return d.kustomized(at, o, depth+1)
	}
	if !d.holds(at, o) {
		return place{}, edit.ErrAbsent
	}
	return place{file: at, object: o}, nil
}

// ownFiles are the patches of a kustomization, which come last and so win, and the manifests in its own folder.
func (k *kustomization) ownFiles() (patches, manifests []string) {
	names := slices.Clone(k.PatchesStrategicMerge)
	for _, p := range k.Patches {
		names = append(names, p.Path)
	}
	foreign := func(name string) bool {
		return !isManifest(name) || strings.Contains(name, "..") || strings.Contains(name, "://") || strings.Contains(name, "\n")
	}
	return slices.DeleteFunc(names, foreign), slices.DeleteFunc(slices.Clone(k.Resources), foreign)
}
