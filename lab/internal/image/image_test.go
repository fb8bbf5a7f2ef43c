// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func sample() []Image {
	return []Image{
		{Tag: "a:1", Entrypoint: []string{"/app"}, User: "app", Files: []File{
			{Path: "/app", Mode: 0o755, Data: []byte("program")},
			{Path: "/usr/bin/tool", Link: "../../app"},
			{Path: "/scripts/dull", Mode: 0o644, Data: []byte("text")},
		}},
		{Tag: "b:1", Entrypoint: []string{"/pause"}},
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	var first bytes.Buffer
	if err := Write(&first, "amd64", sample()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		var again bytes.Buffer
		if err := Write(&again, "amd64", sample()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Fatal("the same images gave another archive")
		}
	}
}

func TestWriteHoldsWhatContainerdReads(t *testing.T) {
	var archive bytes.Buffer
	if err := Write(&archive, "amd64", sample()); err != nil {
		t.Fatal(err)
	}
	files := untar(t, archive.Bytes())
	var manifests []manifest
	if err := json.Unmarshal(files["manifest.json"].data, &manifests); err != nil {
		t.Fatal(err)
	}
	if len(manifests) != 2 || manifests[0].RepoTags[0] != "a:1" {
		t.Fatalf("manifests: %+v", manifests)
	}
	var c config
	if err := json.Unmarshal(files[manifests[0].Config].data, &c); err != nil {
		t.Fatal(err)
	}
	layer := files[manifests[0].Layers[0]].data
	if want := "sha256:" + digest(layer); c.RootFS.DiffIDs[0] != want {
		t.Errorf("diff id is %s, want %s", c.RootFS.DiffIDs[0], want)
	}
	if c.Config.User != "app" || c.Architecture != "amd64" || !slices.Equal(c.Config.Entrypoint, []string{"/app"}) {
		t.Errorf("config: %+v", c)
	}
	entries := untar(t, layer)
	for name, want := range map[string]tar.Header{
		"tmp/":         {Typeflag: tar.TypeDir, Mode: 0o1777},
		"usr/bin/":     {Typeflag: tar.TypeDir, Mode: 0o755},
		"app":          {Typeflag: tar.TypeReg, Mode: 0o755},
		"scripts/dull": {Typeflag: tar.TypeReg, Mode: 0o644},
		"usr/bin/tool": {Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "../../app"},
	} {
		got := entries[name].header
		if got.Typeflag != want.Typeflag || got.Mode != want.Mode || got.Linkname != want.Linkname {
			t.Errorf("%s: type %q mode %o link %q", name, got.Typeflag, got.Mode, got.Linkname)
		}
	}
}

type entry struct {
	header tar.Header
	data   []byte
}

func untar(t *testing.T, data []byte) map[string]entry {
	t.Helper()
	entries := map[string]entry{}
	var parents []string
	in := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if dir := h.Name[:strings.LastIndex(strings.TrimSuffix(h.Name, "/"), "/")+1]; h.Typeflag != tar.TypeReg && dir != "" && !slices.Contains(parents, dir) {
			t.Errorf("%s comes before its directory", h.Name)
		}
		parents = append(parents, h.Name)
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		entries[h.Name] = entry{*h, body}
	}
}
