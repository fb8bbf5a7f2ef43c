// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Fields of the messages Container and PodSandbox (k8s.io/cri-api api.proto), and of the lists of them.
const (
	fieldItems          = 1
	fieldID             = 1
	fieldSandboxState   = 3
	fieldContainerState = 6
)

// raw is a message that is not decoded: a list of hundreds of containers of which nothing has changed is told by their ids
// and states alone. Its memory is used again for the next one.
type raw struct{ data []byte }

// codec is gRPC's own for protocol buffers, but for raw.
type codec struct{}

// Name is what the wire calls it.
func (codec) Name() string { return "proto" }

// Marshal encodes a message.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2("proto").Marshal(v)
}

// Unmarshal decodes a message, or keeps it as it is.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*raw)
	if !ok {
		return encoding.GetCodecV2("proto").Unmarshal(data, v)
	}
	if n := data.Len(); cap(r.data) < n || cap(r.data) > 4*n+64<<10 {
		r.data = make([]byte, n+n/4)
	}
	r.data = r.data[:data.Len()]
	data.CopyTo(r.data)
	return nil
}

// items calls see for each element of a list of containers or sandboxes, with its id and state. What it is given is only
// good until it returns.
func (r *raw) items(stateField protowire.Number, see func(id []byte, state uint64, item []byte) error) error {
	for data := r.data; len(data) > 0; {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("read a list of the runtime: %w", protowire.ParseError(n))
		}
		data = data[n:]
		if field != fieldItems || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, data); n < 0 {
				return fmt.Errorf("read a list of the runtime: %w", protowire.ParseError(n))
			}
			data = data[n:]
			continue
		}
		item, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return fmt.Errorf("read a list of the runtime: %w", protowire.ParseError(n))
		}
		data = data[n:]
		id, state, err := head(item, stateField)
		if err == nil {
			err = see(id, state, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// head reads the id and the state of one element.
func head(item []byte, stateField protowire.Number) (id []byte, state uint64, err error) {
	for len(item) > 0 {
		field, kind, n := protowire.ConsumeTag(item)
		if n < 0 {
			return nil, 0, fmt.Errorf("read an element of a list of the runtime: %w", protowire.ParseError(n))
		}
		item = item[n:]
		switch {
		case field == fieldID && kind == protowire.BytesType:
			id, n = protowire.ConsumeBytes(item)
		case field == stateField && kind == protowire.VarintType:
			state, n = protowire.ConsumeVarint(item)
		default:
			n = protowire.ConsumeFieldValue(field, kind, item)
		}
		if n < 0 {
			return nil, 0, fmt.Errorf("read an element of a list of the runtime: %w", protowire.ParseError(n))
		}
		item = item[n:]
	}
	return id, state, nil
}

// decode reads one element whole.
func decode[T any, M interface {
	*T
	proto.Message
}](item []byte) (M, error) {
	m := M(new(T))
	if err := proto.Unmarshal(item, m); err != nil {
		return nil, fmt.Errorf("read an element of a list of the runtime: %w", err)
	}
	return m, nil
}
