// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

// The bounds of a checkout: what is larger is not read, and what has more files is to be named more closely.
const (
	maxFile  = 16 << 20 // bytes
	maxFiles = 20_000
)

// A desk has the folder that is written to and, if there is one, the checkout that is read. A file that is written has the same path in
// both, so that the folder may be the checkout; what was written before is read before what the checkout has, so that fixes add up. No
// link leads out of either.
type desk struct {
	out, checkout *os.Root
}

// open opens the folder, which is made where it is not there, and the checkout if one is named.
func open(dir, checkout string) (*desk, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("write to --output-dir: %w", err)
	}
	out, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("write to --output-dir: %w", err)
	}
	d := &desk{out: out}
	if checkout != "" {
		if d.checkout, err = os.OpenRoot(checkout); err != nil {
			return nil, errors.Join(fmt.Errorf("read --source: %w", err), out.Close())
		}
	}
	return d, nil
}

func (d *desk) close() {
	_ = d.out.Close()
	if d.checkout != nil {
		_ = d.checkout.Close()
	}
}

// read returns a file by its slash-separated path: as it was written before, or as it is in the checkout.
func (d *desk) read(name string) ([]byte, error) {
	data, err := readFile(d.out, name)
	if errors.Is(err, fs.ErrNotExist) && d.checkout != nil {
		return readFile(d.checkout, name)
	}
	return data, err
}

func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is no file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// write writes a file whole or not at all: it is renamed when it is complete. A file that is there keeps its mode.
func (d *desk) write(name string, data []byte) error {
	name = filepath.FromSlash(name)
	mode := fs.FileMode(0o640)
	if info, err := d.out.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	beside := name + ".inquest-new"
	err := d.out.MkdirAll(filepath.Dir(name), 0o750)
	if err == nil {
		err = d.out.WriteFile(beside, data, mode)
	}
	if err == nil {
		err = d.out.Rename(beside, name)
	}
	if err != nil {
		_ = d.out.Remove(beside)
		return fmt.Errorf("write %s: %w", filepath.Join(d.out.Name(), name), err)
	}
	return nil
}

// holds tells whether a file has the object.
func (d *desk) holds(name string, o edit.Object) bool {
	data, err := d.read(name)
	if err != nil || !strings.Contains(string(data), o.Name) {
		return false
	}
	_, err = edit.Line(name, data, o)
	return err == nil
}

// holders returns the files below a folder of the checkout that have the object, in order. Hidden folders are none of a deployment's.
func (d *desk) holders(dir string, o edit.Object) ([]string, error) {
	var found []string
	seen := 0
	err := fs.WalkDir(d.checkout.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case entry.IsDir() && name != dir && (strings.HasPrefix(base, ".") || base == "node_modules"):
			return fs.SkipDir
		case !entry.Type().IsRegular() || !isManifest(base):
			return nil
		}
		if seen++; seen > maxFiles {
			return fmt.Errorf("it has more than %d manifests: name the folder in it that is applied", maxFiles)
		}
		if d.holds(name, o) {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read --source %s: %w", d.checkout.Name(), err)
	}
	return found, nil
}

func isManifest(name string) bool {
	ext := path.Ext(name)
	return ext == ".yaml" || ext == ".yml" || ext == ".json"
}

// A kustomization is what is read of one (kubectl.docs.kubernetes.io, The Kustomization File).
type kustomization struct {
	file                                    string // its path, "" where a folder has none
	Resources, Bases, Components            []string
	PatchesStrategicMerge                   []string
	Patches                                 []struct{ Path string }
	NamePrefix, NameSuffix, Namespace, Kind string
}

// kustomization returns the one of a folder, by any of the names that Kustomize looks for.
func (d *desk) kustomization(dir string) (*kustomization, error) {
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		file := path.Join(dir, name)
		data, err := d.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		k := &kustomization{}
		if err == nil {
			err = yaml.Unmarshal(data, k)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		k.file = file
		return k, nil
	}
	return &kustomization{}, nil
}

// inside is an object as the files of a kustomization name it, before its own changes of names and namespaces.
func (k *kustomization) inside(o edit.Object) edit.Object {
	if short, ok := strings.CutPrefix(o.Name, k.NamePrefix); ok {
		if short, ok = strings.CutSuffix(short, k.NameSuffix); ok {
			o.Name = short
		}
	}
	if k.Namespace != "" {
		o.Namespace = ""
	}
	return o
}
