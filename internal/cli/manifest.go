// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// maxManifest bounds a manifest file; a Helm chart rendered whole is rarely above one.
const maxManifest = 16 << 20

// A named is what a manifest is read for.
type named struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Items    []named           `json:"items"` // of a List
}

// manifest returns the things that the documents of a file name and that can be asked about.
func (p *program) manifest(file, namespace string) ([]evidence.Ref, error) {
	r := p.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(io.LimitReader(r, maxManifest)))
	var refs []evidence.Ref
	for {
		data, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var n named
		if err == nil {
			err = collect.DecodeYAML(data, &n)
		}
		if err != nil {
			return nil, fmt.Errorf("read manifest %s: %w", file, err)
		}
		refs = append(refs, n.refs(namespace)...)
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("manifest %s names no pod, workload, node or namespace", file)
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
