// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// errMessage is what a message that cannot be read gives.
var errMessage = errors.New("a message of the runtime cannot be read")

// A field is one field of a message: bytes or a number, by its wire type. The bytes are those of the message.
type field struct {
	number protowire.Number
	bytes  []byte
	value  uint64
}

// text copies the bytes.
func (f field) text() string { return cut(string(f.bytes), maxInfo) }

// fields calls see for each field of a message that is bytes or a varint, which is all that those of CRI read here have.
func fields(data []byte, see func(field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMessage
		}
		data = data[n:]
		f := field{number: number}
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
			f.number = 0
		}
		if n < 0 {
			return errMessage
		}
		data = data[n:]
		if f.number > 0 {
			if err := see(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// each calls see for the elements of a list: field 1 of the answers to ListContainers and ListPodSandbox.
func each(data []byte, see func(item []byte) error) error {
	return fields(data, func(f field) error {
		if f.number != 1 || f.bytes == nil {
			return nil
		}
		return see(f.bytes)
	})
}

// head reads no more than the id and the state of a container or sandbox: that is how a list of hundreds of which nothing
// has changed is read.
func head(item []byte, stateField protowire.Number) (id []byte, state uint64, err error) {
	err = fields(item, func(f field) error {
		switch f.number {
		case 1:
			id = f.bytes
		case stateField:
			state = f.value
		}
		return nil
	})
	return id, state, err
}

// Fields of the state in the messages Container and PodSandbox.
const (
	sandboxState   = 3
	containerState = 6
)

// pairs reads an entry of a map into one that has a place for its key.
func pairs(entry []byte, into map[string]string) error {
	var key, value []byte
	err := fields(entry, func(f field) error {
		switch f.number {
		case 1:
			key = f.bytes
		case 2:
			value = f.bytes
		}
		return nil
	})
	if _, wanted := into[string(key)]; wanted {
		into[string(key)] = string(value)
	}
	return err
}

// labelled is what is read of the labels and annotations of a container or sandbox.
func labelled() map[string]string {
	return map[string]string{labelPod: "", labelNamespace: "", labelUID: "", labelContainer: "", noteRestarts: ""}
}

// A container is an element of a list of containers (message Container).
type container struct {
	id, sandbox, image, ref string
	state                   uint64
	attempt                 uint32
	created                 int64
	labels                  map[string]string // and annotations: those above
}

func readContainer(data []byte) (container, error) {
	c := container{labels: labelled()}
	var imageID string
	err := fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			c.id = f.text()
		case 2:
			c.sandbox = f.text()
		case 3:
			c.attempt, err = attemptIn(f.bytes, 2)
		case 4:
			c.image, err = readImage(f.bytes)
		case 5:
			c.ref = f.text()
		case containerState:
			c.state = f.value
		case 7:
			c.created = int64(f.value)
		case 8, 9:
			err = pairs(f.bytes, c.labels)
		case 10:
			imageID = f.text()
		}
		return err
	})
	if c.ref == "" {
		c.ref = imageID
	}
	return c, err
}

// attemptIn reads the attempt of the metadata of a container or sandbox.
func attemptIn(data []byte, number protowire.Number) (uint32, error) {
	f, err := one(data, number)
	return uint32(f.value), err
}

// one reads one field of a message.
func one(data []byte, number protowire.Number) (found field, err error) {
	err = fields(data, func(f field) error {
		if f.number == number {
			found = f
		}
		return nil
	})
	return found, err
}

// readImage is what was asked for: the kubelet asks the runtime for an id, and says besides what the pod's spec says.
func readImage(data []byte) (image string, err error) {
	var asked string
	err = fields(data, func(f field) error {
		switch f.number {
		case 1:
			image = f.text()
		case 18:
			asked = f.text()
		}
		return nil
	})
	if asked != "" {
		image = asked
	}
	return image, err
}

// A sandbox is an element of a list of sandboxes (message PodSandbox).
type sandbox struct {
	id      string
	attempt uint32
	created int64
	labels  map[string]string
}

func readSandbox(data []byte) (sandbox, error) {
	s := sandbox{labels: labelled()}
	err := fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			s.id = f.text()
		case 2:
			s.attempt, err = attemptIn(f.bytes, 4)
		case 4:
			s.created = int64(f.value)
		case 5:
			err = pairs(f.bytes, s.labels)
		}
		return err
	})
	return s, err
}

// A condition is the status of a container (message ContainerStatus).
type condition struct {
	id, image, ref, reason, message string
	state                           uint64
	created, started, finished      int64
	exitCode                        int32
	mounts                          []string
}

func readCondition(data []byte) (condition, error) {
	var c condition
	var imageID string
	err := fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			c.id = f.text()
		case 3:
			c.state = f.value
		case 4:
			c.created = int64(f.value)
		case 5:
			c.started = int64(f.value)
		case 6:
			c.finished = int64(f.value)
		case 7:
			c.exitCode = int32(f.value)
		case 8:
			c.image, err = readImage(f.bytes)
		case 9:
			c.ref = f.text()
		case 10:
			c.reason = f.text()
		case 11:
			c.message = f.text()
		case 14:
			if len(c.mounts) < maxMounts {
				c.mounts, err = appendMount(c.mounts, f.bytes)
			}
		case 17:
			imageID = f.text()
		}
		return err
	})
	if c.ref == "" {
		c.ref = imageID
	}
	return c, err
}

func appendMount(list []string, data []byte) ([]string, error) {
	var from, to string
	readonly := false
	err := fields(data, func(f field) error {
		switch f.number {
		case 1:
			to = f.text()
		case 2:
			from = f.text()
		case 3:
			readonly = f.value != 0
		}
		return nil
	})
	return append(list, mount(from, to, readonly)), err
}

// readStatus reads the answer to ContainerStatus, with the verbose information if there is any.
func readStatus(data []byte) (c condition, info string, err error) {
	verbose := map[string]string{"info": ""}
	err = fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			c, err = readCondition(f.bytes)
		case 2:
			err = pairs(f.bytes, verbose)
		}
		return err
	})
	return c, verbose["info"], err
}

// readVersion reads the name and the version of the runtime.
func readVersion(data []byte) (name, version string, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case 2:
			name = f.text()
		case 3:
			version = f.text()
		}
		return nil
	})
	return name, version, err
}

// An event says that something happened to a container of a pod (message ContainerEventResponse).
type event struct {
	uid   string
	ended []condition
}

func readEvent(data []byte) (event, error) {
	var e event
	err := fields(data, func(f field) error {
		switch f.number {
		case 4:
			metadata, err := one(f.bytes, 2)
			if err != nil {
				return err
			}
			uid, err := one(metadata.bytes, 2)
			e.uid = uid.text()
			return err
		case 5:
			c, err := readCondition(f.bytes)
			if c.state == exited && len(e.ended) < mostHints {
				e.ended = append(e.ended, c)
			}
			return err
		}
		return nil
	})
	return e, err
}
