// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// maxManifest bounds a manifest file; a Helm chart rendered whole is rarely above one.
const maxManifest = 16 << 20

// maxNamed bounds the questions that manifests ask: each is a visit to the cluster.
const maxNamed = 100

// A named is what a manifest is read for.
type named struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Items    []named           `json:"items"` // of a List
}

// manifestFiles returns the files that -f names: of a folder, as kubectl has it, those that end in .yaml, .yml or .json.
func manifestFiles(names []string, recursive bool) ([]string, error) {
	var files []string
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.IsDir() { // an error is for who reads it
			files = append(files, name)
			continue
		}
		before := len(files)
		err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != name && !recursive:
				return fs.SkipDir
			case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the manifests in %s: %w", name, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("there is no .yaml, .yml or .json file in %s: -R reads the folders below it too", name)
		}
	}
	return files, nil
}

// manifest returns the things that the documents of a file name and that can be asked about.
func (p *program) manifest(file, namespace string) ([]evidence.Ref, error) {
	r := p.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", file, err)
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("manifest %s has more than %d bytes: name what is asked about, or its namespace with -n", file, maxManifest)
	}
	refs, err := namedIn(data, namespace)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read manifest %s: %w", file, err)
	case len(refs) == 0:
		return nil, fmt.Errorf("manifest %s names no pod, workload, node or namespace", file)
	case len(refs) > maxNamed:
		return nil, fmt.Errorf("manifest %s names more than %d things: name some of them, or their namespace with -n", file, maxNamed)
	}
	return refs, nil
}

// namedIn reads documents up to one more thing than may be asked about.
func namedIn(data []byte, namespace string) ([]evidence.Ref, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var refs []evidence.Ref
	for len(refs) <= maxNamed {
		doc, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var n named
		if err := collect.DecodeYAML(doc, &n); err != nil {
			return nil, err
		}
		refs = append(refs, n.refs(namespace)...)
	}
	return refs, nil
}

func (n *named) refs(namespace string) []evidence.Ref {
	var refs []evidence.Ref
	if k, ok := kindOf(n.Kind); ok && n.Metadata.Name != "" {
		if n.Metadata.Namespace != "" {
			namespace = n.Metadata.Namespace
		}
		refs = append(refs, k.ref(namespace, n.Metadata.Name))
	}
	for i := range n.Items {
		refs = append(refs, n.Items[i].refs(namespace)...)
	}
	return refs
}
