// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxManifestFile bounds one file, and what a program may render; maxRoom what is kept for the next.
const (
	maxManifestFile = 256 << 20
	maxRoom         = 4 << 20
)

// A ManifestFile is a text of manifests: a file, standard input, or what a program rendered.
type ManifestFile struct {
	Name     string // as the reader is told: the path as it was given
	Rendered string // the program that rendered it, "helm"; empty of a file
	Asked    bool   // it was named itself and not found in a folder
	data     []byte // of what is no file
	err      error  // why it could not be rendered
}

// Data returns the text, in a room that may have been used before.
func (f ManifestFile) Data(room *bytes.Buffer) ([]byte, error) {
	if f.data != nil || f.err != nil {
		return f.data, f.err
	}
	file, err := os.Open(f.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return readManifests(room, file, f.Name)
}

func readManifests(b *bytes.Buffer, r io.Reader, name string) ([]byte, error) {
	if b.Reset(); b.Cap() > maxRoom {
		*b = bytes.Buffer{}
	}
	_, err := b.ReadFrom(io.LimitReader(r, maxManifestFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case b.Len() > maxManifestFile:
		return nil, fmt.Errorf("read %s: more than the %d MiB that are read", name, maxManifestFile>>20)
	}
	return b.Bytes(), nil
}

// ManifestFiles finds manifests: in files, in folders with all below them, and in standard input, "-". A folder with a
// Chart.yaml is given to helm, one with a kustomization to kustomize or kubectl.
type ManifestFiles struct {
	Stdin  io.Reader
	Values []string // files of values for helm
}

// Find returns the texts, in the order of the paths and, within a folder, of names.
func (m ManifestFiles) Find(ctx context.Context, paths []string) ([]ManifestFile, error) {
	var files []ManifestFile
	for _, path := range paths {
		if path == "-" {
			data, err := readManifests(&bytes.Buffer{}, m.Stdin, "standard input")
			if err != nil {
				return nil, err
			}
			files = append(files, ManifestFile{Name: "stdin", Asked: true, data: append(data, '\n')})
			continue
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file or folder %s", path)
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, ManifestFile{Name: path, Asked: true})
			continue
		}
		if files, err = m.folder(ctx, path, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// folder adds what lies below a folder. Hidden folders and links are left out.
func (m ManifestFiles) folder(ctx context.Context, root string, files []ManifestFile) ([]ManifestFile, error) {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir():
			rendered := m.render(ctx, path, path == root)
			files = append(files, rendered...)
			if rendered != nil {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".json":
			files = append(files, ManifestFile{Name: path})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read folder %s: %w", root, err)
	}
	return files, nil
}

// kustomizations are the names that kustomize looks for.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// render gives a folder to the program that makes manifests of it, and then nothing else in it is read; nil where it is
// for none. Where that program is missing the folder could not be judged, which is an error whoever named it.
func (m ManifestFiles) render(ctx context.Context, dir string, asked bool) []ManifestFile {
	has := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	var commands [][]string
	if strings.HasPrefix(dir, "-") { // the name of a folder is no option, whoever gave it
		dir = "./" + dir
	}
	switch {
	case has("Chart.yaml"):
		command := []string{"helm", "template", "release", dir}
		for _, values := range m.Values {
			command = append(command, "--values", values)
		}
		commands = [][]string{command}
	case slices.ContainsFunc(kustomizations, has):
		commands = [][]string{{"kustomize", "build", dir}, {"kubectl", "kustomize", dir}}
	default:
		return nil
	}
	for _, command := range commands {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		f := ManifestFile{Name: dir, Rendered: command[0], Asked: asked}
		data, err := Command(ctx, command)
		if err != nil {
			f.err = fmt.Errorf("render %s with %s: %w", dir, command[0], err)
		} else {
			data = append(data, '\n')
			f.data = data
		}
		return []ManifestFile{f}
	}
	return []ManifestFile{{Name: dir, Asked: asked, err: fmt.Errorf(
		"%s cannot be rendered: %s is not installed; install it, or render the folder elsewhere and pipe that to scan -", dir, commands[0][0],
	)}}
}

// Command returns what a program prints, within bounds, and an error with the last line that it complained in where it ends
// with a status: what it had printed is returned as well. When the context ends it is killed, and what it started is not waited for.
func Command(ctx context.Context, command []string) ([]byte, error) {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	var out outBuffer
	var complaint tailBuffer
	c.Stdout, c.Stderr = &out, &complaint
	c.WaitDelay = time.Second // what it has started may hold its output open
	err := c.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.full:
		return nil, fmt.Errorf("read %s: more than the %d MiB that are read", command[0], maxManifestFile>>20)
	case err != nil && complaint.last() != "":
		err = fmt.Errorf("%w: %s", err, complaint.last())
	}
	return out.kept, err
}

// An outBuffer keeps what is written to it, up to as much as is read of a file.
type outBuffer struct {
	kept []byte
	full bool
}

// Write ends the program with an error where it is too much.
func (b *outBuffer) Write(p []byte) (int, error) {
	if b.full = len(b.kept)+len(p) > maxManifestFile; b.full {
		return 0, io.ErrShortWrite
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// A tailBuffer keeps the end of what is written to it.
type tailBuffer struct{ kept []byte }

// Write keeps the last 4 KiB.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p...)
	if over := len(b.kept) - 4096; over > 0 {
		b.kept = append(b.kept[:0], b.kept[over:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) last() string {
	lines := strings.Split(strings.TrimSpace(string(b.kept)), "\n")
	return lines[len(lines)-1]
}
