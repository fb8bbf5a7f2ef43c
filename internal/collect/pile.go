// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Pile is a source of evidence as people have it: any number of files of any kind, each recognised by its content:
// objects and lists in YAML or JSON, what kubectl printed for people, logs of containers and of nodes, and the dumps that
// other tools make. It is read once, at the first question.
type Pile struct {
	Reading
	name  string
	files walk
	again bool // the files can be walked more than once

	once sync.Once
	read *evidence.Snapshot
	err  error
}

// Reading says how evidence is read. The zero value is of use.
type Reading struct {
	Notice   func(string)     // told what could not be used; nil: nobody asks
	Progress func(string)     // told what is being read; nil: nobody looks
	Now      func() time.Time // nil: time.Now; for text that does not say when it was printed
	LogBytes int64            // how much of the end of each log is kept; 0: 256 KiB
}

// Snapshot reads everything and narrows the question to the selection.
func (p *Pile) Snapshot(ctx context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	p.once.Do(func() { p.read, p.err = p.gather(ctx) })
	if p.err != nil {
		return nil, p.err
	}
	return selectRecorded(p.read, sel)
}

func (p *Pile) gather(ctx context.Context) (*evidence.Snapshot, error) {
	g := newGathering(p.LogBytes)
	watched := func(e entry) error {
		e.r = &watchedReader{over: ctx.Err, r: e.r, name: e.name, say: p.Progress}
		return g.read(e)
	}
	err := p.files(watched)
	if err == nil && p.again && len(g.skipped) > 0 {
		err = g.secondPass(p.files)
	}
	if err != nil {
		return nil, p.named(err)
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	s, err := g.snapshot(now())
	if err != nil {
		return nil, p.named(g.because(err))
	}
	if p.Notice != nil {
		for _, text := range g.notices {
			p.Notice(text)
		}
	}
	return s, nil
}

// because says in one line why there is nothing, where it is known of what was read first.
func (g *gathering) because(err error) error {
	if len(g.notices) == 0 {
		return err
	}
	return fmt.Errorf("%s; %w", strings.TrimPrefix(g.notices[0], ": "), err)
}

func (p *Pile) named(err error) error {
	if err == nil || p.name == "" {
		return err
	}
	return fmt.Errorf("read %s: %w", p.name, err)
}

// secondPass reads the logs that were left out for their size, if they are of pods in trouble; the others make room.
func (g *gathering) secondPass(files walk) error {
	taken := g.taken(g.modified)
	troubled := func(l pendingLog, a *attributor) bool {
		pod := a.pod(l)
		return pod != nil && evidence.Troubled(pod, taken)
	}
	a := newAttributor(g.pods(), nil)
	a.troubled = func(p *evidence.Pod) bool { return evidence.Troubled(p, taken) }
	kept := g.logs[:0]
	g.logSize = 0
	for _, l := range g.logs {
		if troubled(l, a) {
			kept = append(kept, l)
			g.logSize += len(l.text)
		}
	}
	g.logs = kept
	wanted := g.skipped
	g.skipped = map[string]bool{}
	return files(func(e entry) error {
		if !wanted[e.name] || !troubled(pendingLog{name: e.name}, a) {
			return nil
		}
		return g.read(e)
	})
}

// A watchedReader ends when nobody waits for the answer any more, and says how far it is.
type watchedReader struct {
	over func() error
	r    io.Reader
	name string
	say  func(string)
	n    int64
	told int64
}

func (w *watchedReader) Read(p []byte) (int, error) {
	if err := w.over(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(p)
	if w.n += int64(n); w.say != nil && (w.told == 0 || w.n-w.told > 8<<20) {
		w.told = max(w.n, 1)
		w.say(fmt.Sprintf("reading %s, %d MiB", w.name, w.n>>20))
	}
	return n, err
}

// Open returns the evidence in what is called name: a bundle where it has a bundle's meta.yaml, a case where it has an incident's bundles,
// else whatever it is, a file, a folder or an archive. A bundle in the archive of a case has the name of its folder behind the archive's.
func Open(name string, how Reading) (diagnosis.Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return openPart(name, how, fmt.Errorf("read %s: %w", name, plainCause(err)))
	}
	if info.IsDir() {
		if isBundleFolder(name) {
			return openBundle(name, how)
		}
		return &Pile{Reading: how, name: name, files: walkFolder(name), again: true}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: neither a file nor a folder", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	first, err := firstBytes(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	if isArchive(first) && (archiveKind(first) != "gzip" || isTarGz(f)) {
		return openAnyArchive(name, f, info.Size(), first, how) // the file stays open for as long as the program runs
	}
	f.Close()
	return &Pile{Reading: how, name: name, files: walkFile(name), again: true}, nil
}

// firstBytes returns the beginning of a file.
func firstBytes(r io.ReaderAt) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}

// openPart opens a bundle of the case whose archive is named before it. Where there is none, there is nothing of that name.
func openPart(name string, how Reading, missing error) (diagnosis.Source, error) {
	archive := filepath.Dir(name)
	if info, err := os.Stat(archive); err != nil || !info.Mode().IsRegular() {
		return nil, missing
	}
	source, err := Open(archive, how)
	if c, ok := source.(*Case); ok {
		return c.part(filepath.Base(name))
	}
	return nil, cmp.Or(err, missing)
}

func openBundle(name string, how Reading) (diagnosis.Source, error) {
	fsys, err := OpenArchive(name)
	if err != nil {
		return nil, err
	}
	source, err := recordedIn(fsys, name, how)
	if source == nil && err == nil {
		return Bundle{FS: fsys, Name: name}, nil // which says what is missing
	}
	return source, err
}

// isBundleFolder tells whether a folder, or the only folder in it, has a bundle's meta.yaml or is a case.
func isBundleFolder(name string) bool {
	root, err := os.OpenRoot(name)
	if err != nil {
		return false
	}
	defer root.Close()
	if isRecorded(root, ".") {
		return true
	}
	entries, err := listFolder(root, ".", 2)
	return err == nil && len(entries) == 1 && entries[0].IsDir() && isRecorded(root, entries[0].Name())
}

// isRecorded tells whether a folder is a bundle, or a case: an incident and a bundle beside it.
func isRecorded(root *os.Root, dir string) bool {
	has := func(parts ...string) bool {
		_, err := root.Stat(path.Join(append([]string{dir}, parts...)...))
		return err == nil
	}
	if has("meta.yaml") || !has(incidentFile) {
		return has("meta.yaml")
	}
	entries, err := listFolder(root, dir, maxEntries)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() && has(e.Name(), "meta.yaml") })
}

// openAnyArchive opens an archive as a bundle if it is one. Only what is no bundle may be larger than one.
func openAnyArchive(name string, f *os.File, size int64, first []byte, how Reading) (diagnosis.Source, error) {
	fsys, err := readArchive(f, size)
	if err == nil {
		if source, wrong := recordedIn(fsys, name, how); source != nil || wrong != nil {
			return source, errors.Join(wrong, f.Close())
		}
	}
	if archiveKind(first) == "" { // a txtar
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read bundle %s: %w", name, err)
		}
		return &Pile{Reading: how, name: name, files: walkFS(fsys), again: true}, nil
	}
	files := walkArchive(f, size, first)
	if err != nil && hasMeta(files) {
		f.Close()
		return nil, fmt.Errorf("read bundle %s: %w", name, err)
	}
	return &Pile{Reading: how, name: name, files: files, again: true}, nil
}

var errFoundMeta = errors.New("found")

// hasMeta tells whether an archive has the file that makes it a bundle.
func hasMeta(files walk) bool {
	return errors.Is(files(func(e entry) error {
		if e.name == "meta.yaml" || strings.HasSuffix(e.name, "/meta.yaml") {
			return errFoundMeta
		}
		return nil
	}), errFoundMeta)
}
