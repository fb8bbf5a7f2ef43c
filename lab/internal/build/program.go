// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kubeinquest/inquest/lab/internal/image"
)

// A Program is one of this repository that the lab runs as a pod, as it is in the source tree.
type Program struct {
	Name    string   // of its folder below cmd, and of its file in the image
	Image   string   // the tag
	sources []string // what it is built from, below the repository's root
	trusts  bool     // whether its image has the certificates of whom it trusts
}

// The node agent, and the server, which is the command line too.
var (
	Agent = Program{
		Name: "inquest-agent", Image: "lab.local/inquest-agent:v1",
		sources: []string{"cmd/inquest-agent", "internal/evidence", "internal/hostlog", "internal/journal", "internal/node", "internal/record", "internal/regex"},
	}
	Server = Program{Name: "inquest", Image: "lab.local/inquest:v1", sources: []string{"cmd/inquest", "internal"}, trusts: true}
)

// authorities are whom programs trust, where Debian has them and Go looks for them.
const authorities = "/etc/ssl/certs/ca-certificates.crt"

// Program makes the image of a program unless the cache has it, and returns its file's path below the cache. Of other states of
// the source tree the cache keeps none: they are large.
func (c *Cache) Program(ctx context.Context, p Program) (string, error) {
	if c.Source == "" {
		return "", ErrNoSource
	}
	root := filepath.Dir(c.Source)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	key := []string{string(sum), runtime.GOARCH}
	for _, dir := range p.sources {
		files, err := contents(filepath.Join(root, dir))
		if err != nil {
			return "", err
		}
		key = append(key, files...)
	}
	dir, err := c.ensure(ctx, part{name: p.Name, key: key, make: func(ctx context.Context, dir string) error { return c.makeProgram(ctx, p, root, dir) }})
	if err != nil {
		return "", err
	}
	if err := c.only(p.Name, dir); err != nil {
		return "", err
	}
	return filepath.Rel(c.Dir, filepath.Join(dir, "image.tar"))
}

// only removes every other directory that was made of a part.
func (c *Cache) only(name, dir string) error {
	all, err := filepath.Glob(filepath.Join(c.Dir, name+"-????????????"))
	if err != nil {
		return err
	}
	for _, other := range all {
		if other != dir {
			err = errors.Join(err, os.RemoveAll(other))
		}
	}
	return err
}

func (c *Cache) makeProgram(ctx context.Context, p Program, root, dir string) error {
	file := filepath.Join(dir, p.Name)
	args := append(slices.Clone(programBuild), "-o", file, "./cmd/"+p.Name)
	if err := c.gotool(ctx, root, nil, args...); err != nil {
		return err
	}
	program, err := os.ReadFile(file)
	if err = errors.Join(err, os.Remove(file)); err != nil {
		return err
	}
	var trusted []byte
	if p.trusts {
		if trusted, err = os.ReadFile(authorities); err != nil {
			return fmt.Errorf("read whom the server trusts, install ca-certificates: %w", err)
		}
	}
	out, err := os.Create(filepath.Join(dir, "image.tar"))
	if err != nil {
		return err
	}
	err = image.Write(out, runtime.GOARCH, []image.Image{p.image(program, trusted)})
	return errors.Join(err, out.Close())
}

// programBuild is how the Dockerfiles of deploy build, and image what they make of it. A test compares them.
var programBuild = []string{"build", "-trimpath", "-ldflags", "-s -w"}

func (p Program) image(program, trusted []byte) image.Image {
	var files []image.File
	if p.trusts {
		files = append(files, image.File{Path: authorities, Mode: 0o644, Data: trusted})
	}
	return image.Image{
		Tag: p.Image, Entrypoint: []string{"/" + p.Name}, User: "65532:65532",
		Files: append(files, image.File{Path: "/" + p.Name, Mode: 0o755, Data: program}),
	}
}
