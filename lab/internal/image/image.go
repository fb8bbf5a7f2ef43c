// SPDX-License-Identifier: Apache-2.0

// Package image writes container images without a builder or a registry: all
// of them into one archive of the form `docker save` makes, which containerd
// imports. The same input gives the same bytes, so an archive can be cached.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
)

// A File is one entry of an image's only layer. With Link it is a symbolic
// link and Data is ignored. Directories above it are made as needed.
type File struct {
	Path string
	Mode int64
	Data []byte
	Link string
}

// An Image is one tag and what a container of it starts with.
type Image struct {
	Tag        string
	Entrypoint []string
	User       string // empty: root
	Files      []File
}

type config struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Created      string        `json:"created"`
	Config       processConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
}

type processConfig struct {
	User       string   `json:"User,omitempty"`
	Env        []string `json:"Env"`
	Entrypoint []string `json:"Entrypoint"`
	WorkingDir string   `json:"WorkingDir"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write writes the images as one archive. The architecture is what each image
// says of itself, whatever its files hold: an image can thus lie about it.
func Write(w io.Writer, architecture string, images []Image) error {
	out := tar.NewWriter(w)
	var manifests []manifest
	for _, img := range images {
		m, err := writeImage(out, architecture, img)
		if err != nil {
			return fmt.Errorf("write image %s: %w", img.Tag, err)
		}
		manifests = append(manifests, m)
	}
	index, err := json.Marshal(manifests)
	if err != nil {
		return err
	}
	if err := add(out, "manifest.json", index); err != nil {
		return err
	}
	return out.Close()
}

func writeImage(out *tar.Writer, architecture string, img Image) (manifest, error) {
	layer, err := writeLayer(img.Files)
	if err != nil {
		return manifest{}, err
	}
	diffID := digest(layer)
	cfg, err := json.Marshal(config{
		Architecture: architecture,
		OS:           "linux",
		Created:      "1970-01-01T00:00:00Z",
		Config: processConfig{
			User:       img.User,
			Env:        []string{"PATH=/bin:/usr/bin:/"},
			Entrypoint: img.Entrypoint,
			WorkingDir: "/",
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{"sha256:" + diffID}},
	})
	if err != nil {
		return manifest{}, err
	}
	m := manifest{
		Config:   digest(cfg) + ".json",
		RepoTags: []string{img.Tag},
		Layers:   []string{diffID + "/layer.tar"},
	}
	if err := add(out, m.Config, cfg); err != nil {
		return manifest{}, err
	}
	return m, add(out, m.Layers[0], layer)
}

// writeLayer gives every image /tmp, /etc and /data, so that volumes and
// the runtime's own files find their place.
func writeLayer(files []File) ([]byte, error) {
	var buf bytes.Buffer
	out := tar.NewWriter(&buf)
	made := map[string]bool{"": true, ".": true}
	for _, dir := range []string{"tmp", "etc", "data"} {
		if err := mkdir(out, made, dir); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		name := strings.TrimPrefix(path.Clean(f.Path), "/")
		if err := mkdir(out, made, path.Dir(name)); err != nil {
			return nil, err
		}
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: f.Mode, Size: int64(len(f.Data))}
		if f.Link != "" {
			h = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: f.Link}
		}
		if err := out.WriteHeader(h); err != nil {
			return nil, err
		}
		if f.Link != "" {
			continue
		}
		if _, err := out.Write(f.Data); err != nil {
			return nil, err
		}
	}
	err := out.Close()
	return buf.Bytes(), err
}

func mkdir(out *tar.Writer, made map[string]bool, dir string) error {
	if made[dir] {
		return nil
	}
	made[dir] = true
	if err := mkdir(out, made, path.Dir(dir)); err != nil {
		return err
	}
	mode := int64(0o755)
	if dir == "tmp" {
		mode = 0o1777
	}
	return out.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: mode})
}

func add(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
