// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// maxAccessFile bounds a file of roles and bindings, in bytes: those of a large cluster in one list are a quarter of it.
const maxAccessFile = 64 << 20

// AccessFiles reads the roles, bindings and service accounts in a file, a folder or an archive of manifests, or of lists as kubectl get -o
// yaml prints them; - is standard input. Files of other kinds are passed over; one that cannot be read is told to notice.
func AccessFiles(name string, stdin io.Reader, notice func(string)) ([]evidence.Object, error) {
	if name == "-" {
		return accessStream("standard input", stdin)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	if info.IsDir() {
		return accessFolder(name, notice)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	defer f.Close()
	first, err := firstBytes(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	if isArchive(first) {
		return accessFolder(name, notice)
	}
	return accessStream(name, f)
}

// accessFolder reads what is in a folder or an archive.
func accessFolder(name string, notice func(string)) ([]evidence.Object, error) {
	fsys, err := OpenArchive(name)
	if err != nil {
		return nil, err
	}
	var all []evidence.Object
	err = fs.WalkDir(fsys, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(file)) {
			return err
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		some, err := accessStream(file, bytes.NewReader(data))
		if err != nil {
			notice(err.Error() + "; left out")
		}
		all = append(all, some...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return all, nil
}

func accessStream(name string, r io.Reader) ([]evidence.Object, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxAccessFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(data) > maxAccessFile:
		return nil, fmt.Errorf("read %s: more than %d bytes", name, maxAccessFile)
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var all []evidence.Object
	for {
		doc, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			all, err = accessDocument(all, doc)
		}
		if err != nil {
			return all, fmt.Errorf("read %s: %w", name, err)
		}
	}
}

// accessDocument adds what bears on rights in a document, which may be a list.
func accessDocument(all []evidence.Object, doc []byte) ([]evidence.Object, error) {
	if !json.Valid(doc) {
		if err := refuseAliases(doc); err != nil {
			return all, err
		}
		var err error
		if doc, err = yaml.YAMLToJSON(doc); err != nil {
			return all, oneLine(err)
		}
	}
	var head struct {
		metav1.TypeMeta
		Items []json.RawMessage `json:"items"`
	}
	_ = json.Unmarshal(doc, &head) // what is no object has no kind
	if head.Kind == "List" || head.Items != nil {
		for _, item := range head.Items {
			var err error
			if all, err = accessDocument(all, item); err != nil {
				return all, err
			}
		}
		return all, nil
	}
	if _, ok := accessKinds[head.Kind]; !ok && head.Kind != "ServiceAccount" {
		return all, nil
	}
	o, err := DecodeObject(doc)
	if err != nil {
		return all, err
	}
	return append(all, o), nil
}
