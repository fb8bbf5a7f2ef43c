// SPDX-License-Identifier: Apache-2.0

// Package build makes the lab's programs and images, from Go modules and a few
// Debian packages that are unpacked and never installed, and keeps them in a
// cache outside the source tree. Each part has a directory named after a hash
// of all it is made from, so a part is made again only when that changes.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// A Cache is the directory of everything that outlives a lab.
type Cache struct {
	Dir    string
	Source string    // the lab's source directory; empty when it is not at hand
	Log    io.Writer // one line a part that is made, and the builders' own output
}

// A part is one directory of the cache: key is what it is made from, make
// fills the empty directory dir.
type part struct {
	name string
	key  []string
	make func(ctx context.Context, dir string) error
}

// directory is where the part is once it is made.
func (p part) directory(cache string) string {
	h := sha256.New()
	for _, k := range p.key {
		fmt.Fprintf(h, "%d:%s\n", len(k), k)
	}
	return filepath.Join(cache, p.name+"-"+hex.EncodeToString(h.Sum(nil))[:12])
}

// ensure makes the part unless the cache has it. A part appears under its name
// only when it is complete.
func (c *Cache) ensure(ctx context.Context, p part) (string, error) {
	dir := p.directory(c.Dir)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	start := time.Now()
	fmt.Fprintf(c.Log, "building %s\n", p.name)
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	if err := p.make(ctx, partial); err != nil {
		return "", fmt.Errorf("build %s: %w", p.name, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", err
	}
	fmt.Fprintf(c.Log, "built %s in %.0f s\n", p.name, time.Since(start).Seconds())
	return dir, nil
}

// FindSource looks for the lab's sources from dir upwards. It returns "" when
// there are none, which matters only when something has to be built.
func FindSource(dir string) string {
	for {
		for _, candidate := range []string{dir, filepath.Join(dir, "lab")} {
			if _, err := os.Stat(filepath.Join(candidate, "hyperkube", "go.mod")); err == nil {
				return candidate
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// contents returns the names and contents of all files below dir, in order:
// the part of a key that stands for source code. Tests are left out.
func contents(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if test, _ := filepath.Match("*_test.go", d.Name()); !d.IsDir() && !test {
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var key []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return nil, err
		}
		key = append(key, relative, string(data))
	}
	return key, nil
}
