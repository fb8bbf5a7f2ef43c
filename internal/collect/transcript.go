// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Transcript is what kubectl get -o yaml or -o json printed, as a source of evidence: one object, a List, or several
// documents. It holds no logs, and Events only where they were asked for.
type Transcript struct {
	Text []byte
	Now  func() time.Time // nil: time.Now; what is pasted does not say when it was printed
}

// Snapshot reads the text and narrows the question to the selection.
func (t Transcript) Snapshot(_ context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	now := t.Now
	if now == nil {
		now = time.Now
	}
	s := &evidence.Snapshot{Taken: now().UTC().Truncate(time.Second)}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(t.Text)))
	for {
		data, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = addDocument(s, data)
		}
		if n := len(s.Objects) + len(s.Events); n > maxEntries {
			return nil, fmt.Errorf("more than %d objects: ask kubectl for fewer, or use inquest collect", maxEntries)
		}
		if err != nil {
			return nil, fmt.Errorf("this is neither a bundle nor what kubectl get -o yaml prints: %w", err)
		}
	}
	if s.Has == 0 {
		return nil, errors.New("there is no object in this text: paste what kubectl get -o yaml prints")
	}
	if s.Freeze(); len(s.Objects) == 1 {
		s.Subject = evidence.RefOf(s.Objects[0])
	}
	return selectRecorded(s, sel)
}

// addDocument adds an object, or those of a list of any kind.
func addDocument(s *evidence.Snapshot, data []byte) error {
	var list struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	var whatever any
	if err := DecodeYAML(data, &whatever); err != nil {
		return err
	}
	if _, ok := whatever.(map[string]any); !ok {
		return errors.New("it is no object")
	}
	if err := DecodeYAML(data, &list); err != nil {
		return err
	}
	if list.Kind == "" {
		return errors.New("it has no kind")
	}
	if list.Items == nil {
		return addObject(s, data)
	}
	for _, item := range list.Items {
		if err := addObject(s, item); err != nil {
			return err
		}
	}
	return nil
}

// addObject adds an object of a kind that rules know. Others are left out, and a Secret is not even decoded.
func addObject(s *evidence.Snapshot, data []byte) error {
	var head metav1.TypeMeta
	if err := DecodeYAML(data, &head); err != nil {
		return err
	}
	if kind := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind); kind.Kind == "Secret" || !objectScheme.Recognizes(kind) {
		return nil
	}
	o, err := DecodeObject(data)
	if err != nil {
		return err
	}
	mask(o)
	s.Has |= evidence.Spec | evidence.Status
	switch o := o.(type) {
	case *corev1.Event:
		s.Has |= evidence.Events
		s.Events = append(s.Events, o)
		return nil
	case *corev1.Node:
		s.Has |= evidence.Node
	}
	s.Objects = append(s.Objects, o)
	return nil
}

// maxPasted bounds what is read from a pipe: as much as a bundle may be.
const maxPasted = maxArchiveBytes

// ReadSource reads evidence of any form, such as somebody pipes in: a bundle in an archive, or a Transcript. What cannot
// be an archive by its beginning is read no further than text may go.
func ReadSource(r io.Reader) (diagnosis.Source, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	switch {
	case isArchive(data):
	case len(data) > maxFileBytes:
		return nil, fmt.Errorf("text of more than the %d bytes that are read: ask kubectl for fewer objects, or use inquest collect", maxFileBytes)
	default:
		return Transcript{Text: data}, nil
	}
	whole := make([]byte, maxPasted+1) // once: what is not filled costs no memory
	n := copy(whole, data)
	m, err := io.ReadFull(r, whole[n:])
	if err == nil {
		return nil, fmt.Errorf("more than %d bytes, which is what a bundle may have", maxPasted)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	fsys, err := readBytes(whole[:n+m])
	if err != nil {
		return nil, err
	}
	return Bundle{FS: fsys}, nil
}

func readBytes(data []byte) (fs.FS, error) {
	return readArchive(bytes.NewReader(data), int64(len(data)))
}

// isArchive tells an archive from text: by its signature, and a txtar by that it holds the file that every bundle has.
func isArchive(data []byte) bool {
	if bytes.HasPrefix(data, []byte("PK")) || bytes.HasPrefix(data, []byte("\x1f\x8b")) ||
		len(data) > 262 && bytes.HasPrefix(data[257:], []byte("ustar")) {
		return true
	}
	return bytes.HasPrefix(data, []byte("-- meta.yaml --\n")) || bytes.Contains(data, []byte("\n-- meta.yaml --\n"))
}
