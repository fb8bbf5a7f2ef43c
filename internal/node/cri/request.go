// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// A request is a message that is being written, field by field. Each method returns it with one more.
type request []byte

func (r request) text(number protowire.Number, s string) request {
	return protowire.AppendString(protowire.AppendTag(r, number, protowire.BytesType), s)
}

func (r request) number(number protowire.Number, n uint64) request {
	return protowire.AppendVarint(protowire.AppendTag(r, number, protowire.VarintType), n)
}

func (r request) message(number protowire.Number, m request) request {
	return protowire.AppendBytes(protowire.AppendTag(r, number, protowire.BytesType), m)
}

func (r request) pair(number protowire.Number, key, value string) request {
	return r.message(number, request{}.text(1, key).text(2, value))
}

func (r request) texts(number protowire.Number, list []string) request {
	for s := range slices.Values(list) {
		r = r.text(number, s)
	}
	return r
}

// containersRequest asks for all containers, or for those of one pod.
func containersRequest(uid string) request {
	if uid == "" {
		return nil
	}
	return request{}.message(1, request{}.pair(4, labelUID, uid))
}

// statusRequest asks for the status of a container.
func statusRequest(id string, verbose bool) request {
	r := request{}.text(1, id)
	if verbose {
		r = r.number(2, 1)
	}
	return r
}
