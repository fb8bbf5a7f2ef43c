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

// What is read of roles and bindings.
const (
	maxAccessFile  = 64 << 20 // bytes of a file: those of a large cluster in one list are a quarter of it
	maxAccess      = 200_000  // objects of all files, of whatever kind
	maxAccessDepth = 4        // of lists in lists
)

// AccessFiles reads the roles, bindings and service accounts in a file, a folder or an archive of manifests, or of lists as kubectl get -o
// yaml prints them; - is standard input. Files of other kinds are passed over; one that cannot be read is told to notice.
func AccessFiles(name string, stdin io.Reader, notice func(string)) ([]evidence.Object, error) {
	r := &accessReader{}
	err := r.read(name, stdin, notice)
	return r.all, err
}

// An accessReader reads all that bears on rights.
type accessReader struct {
	all  []evidence.Object
	seen int // objects, of other kinds too
}

// errTooMany is that there is more than any cluster has.
var errTooMany = fmt.Errorf("it has more than %d objects: leave out what is no role, binding or service account", maxAccess)

func (r *accessReader) read(name string, stdin io.Reader, notice func(string)) error {
	if name == "-" {
		return r.stream("standard input", stdin)
	}
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	if info.IsDir() {
		return r.folder(name, notice)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	defer f.Close()
	first, err := firstBytes(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, plainCause(err))
	}
	if isArchive(first) {
		return r.folder(name, notice)
	}
	return r.stream(name, f)
}

// folder reads what is in a folder or an archive.
func (r *accessReader) folder(name string, notice func(string)) error {
	fsys, err := OpenArchive(name)
	if err != nil {
		return err
	}
	err = fs.WalkDir(fsys, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(file)) {
			return err
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		switch err := r.stream(file, bytes.NewReader(data)); {
		case errors.Is(err, errTooMany):
			return err
		case err != nil:
			notice(err.Error() + "; left out")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (r *accessReader) stream(name string, from io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(from, maxAccessFile+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case len(data) > maxAccessFile:
		return fmt.Errorf("read %s: it has more than the %d MiB that are read", name, maxAccessFile>>20)
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.document(doc)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

func (r *accessReader) document(doc []byte) error {
	if !json.Valid(doc) {
		if err := refuseAliases(doc); err != nil {
			return err
		}
		var err error
		if doc, err = yaml.YAMLToJSON(doc); err != nil {
			return oneLine(err)
		}
	}
	return r.object(doc, 0)
}

// object adds what bears on rights in an object, which may be a list.
func (r *accessReader) object(doc []byte, depth int) error {
	var head struct {
		metav1.TypeMeta
		Items accessItems `json:"items"`
	}
	err := json.Unmarshal(doc, &head)
	switch _, ok := accessKinds[head.Kind]; {
	case errors.Is(err, errTooMany):
		return err
	case depth > maxAccessDepth:
		return fmt.Errorf("it has lists in lists, more than %d deep", maxAccessDepth)
	case head.Kind == "List" || head.Items != nil:
		for _, item := range head.Items {
			if err := r.object(item, depth+1); err != nil {
				return err
			}
		}
		return nil
	case r.seen >= maxAccess:
		return errTooMany
	case !ok && head.Kind != "ServiceAccount": // what is no object has no kind
		r.seen++
		return nil
	}
	o, err := DecodeObject(doc)
	if err != nil {
		return err
	}
	r.seen, r.all = r.seen+1, append(r.all, o)
	return nil
}

// accessItems are those of a list, as many as are read at most.
type accessItems []json.RawMessage

// UnmarshalJSON reads one after the other, so that too many take no room.
func (a *accessItems) UnmarshalJSON(data []byte) error {
	items := json.NewDecoder(bytes.NewReader(data))
	if token, err := items.Token(); err != nil || token != json.Delim('[') {
		return err
	}
	for *a = []json.RawMessage{}; items.More(); {
		var item json.RawMessage
		if err := items.Decode(&item); err != nil {
			return err
		}
		if *a = append(*a, item); len(*a) > maxAccess {
			return errTooMany
		}
	}
	return nil
}
