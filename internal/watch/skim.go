// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A skimmed pod has of its metadata what names it and when it was made and deleted, and its status.
type skimmed struct {
	corev1.Pod
	raw []byte
}

// podOf returns a pod as far as it was decoded, and what decodes the rest; nil where it is no pod.
func podOf(o evidence.Object) (pod *corev1.Pod, whole func() (*corev1.Pod, error)) {
	switch p := o.(type) {
	case *corev1.Pod:
		return p, func() (*corev1.Pod, error) { return p, nil }
	case *skimmed:
		return &p.Pod, p.whole
	}
	return nil, nil
}

func (p *skimmed) whole() (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := pod.Unmarshal(p.raw); err != nil {
		return nil, fmt.Errorf("decode pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	return pod, nil
}

var podKind = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}

var (
	magic         = []byte("k8s\x00") // before each object (k8s.io/apimachinery/pkg/runtime/serializer/protobuf)
	errNotSkimmed = errors.New("not of a kind that is skimmed, or not in protobuf")
)

// Numbers of fields, from generated.proto of k8s.io/apimachinery/pkg/runtime, k8s.io/apimachinery/pkg/apis/meta/v1 and
// k8s.io/api/core/v1.
const (
	unknownType, unknownRaw                             = 1, 2
	typeVersion, typeKind                               = 1, 2
	podMeta, podStatus                                  = 1, 3
	metaName, metaNamespace, metaUID, metaVersion       = 1, 3, 5, 6
	metaCreated, metaDeleted, metaGrace, metaGeneration = 8, 9, 10, 7
)

// skimPod decodes a pod as far as is needed: of most updates its status, as they tell of nothing that ended, and the manifest and who
// manages its fields are four fifths of a pod. The data are kept.
func skimPod(data []byte) (p *skimmed, err error) {
	p = &skimmed{raw: data}
	err = fields(p.raw, func(number protowire.Number, v []byte, _ uint64) error {
		switch number {
		case podMeta:
			return skimMeta(&p.ObjectMeta, v)
		case podStatus:
			return p.Status.Unmarshal(v)
		}
		return nil
	})
	return p, err
}

// skim decodes an object of a kind of which not all is needed, as far as it is. The data are kept. A bookmark is no such object.
func skim(data []byte) (evidence.Object, error) {
	version, kind, raw, err := envelope(data)
	if err != nil {
		return nil, err
	}
	var o evidence.Object
	switch of := kindOf(version, kind); {
	case version == podKind.Version && kind == podKind.Kind:
		o, err = skimPod(raw)
	case of != nil:
		o, err = skimThing(of, raw)
	default:
		return nil, errNotSkimmed
	}
	if err == nil && o.GetUID() == "" {
		err = errNotSkimmed
	}
	return o, err
}

// envelope returns the version and kind of an object in protobuf, and the object.
func envelope(data []byte) (version, kind string, raw []byte, err error) {
	body, found := bytes.CutPrefix(data, magic)
	if !found {
		return "", "", nil, errNotSkimmed
	}
	err = fields(body, func(number protowire.Number, v []byte, _ uint64) error {
		switch number {
		case unknownRaw:
			raw = v
		case unknownType:
			return fields(v, func(number protowire.Number, v []byte, _ uint64) error {
				switch number {
				case typeVersion:
					version = string(v)
				case typeKind:
					kind = string(v)
				}
				return nil
			})
		}
		return nil
	})
	return version, kind, raw, err
}

func skimMeta(m *metav1.ObjectMeta, data []byte) error {
	return fields(data, func(number protowire.Number, v []byte, n uint64) error {
		switch number {
		case metaName:
			m.Name = string(v)
		case metaNamespace:
			m.Namespace = string(v)
		case metaUID:
			m.UID = types.UID(v)
		case metaVersion:
			m.ResourceVersion = string(v)
		case metaGeneration:
			m.Generation = int64(n)
		case metaGrace:
			seconds := int64(n)
			m.DeletionGracePeriodSeconds = &seconds
		case metaCreated:
			return m.CreationTimestamp.Unmarshal(v)
		case metaDeleted:
			m.DeletionTimestamp = &metav1.Time{}
			return m.DeletionTimestamp.Unmarshal(v)
		}
		return nil
	})
}

// fields tells of each field of a message: its bytes, or its number.
func fields(data []byte, tell func(number protowire.Number, bytes []byte, n uint64) error) error {
	for len(data) > 0 {
		number, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		var v []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(data)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(data)
		default:
			size = protowire.ConsumeFieldValue(number, kind, data)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		if err := tell(number, v, n); err != nil {
			return err
		}
	}
	return nil
}
