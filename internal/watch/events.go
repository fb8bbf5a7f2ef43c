// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

// Events are what a watch sends, in protobuf or JSON. They are read where they are used: client-go copies each object three times and
// hands it from goroutine to goroutine on the way, which takes longer than to decode it.
type events struct {
	body io.Reader
	json *json.Decoder // where that is what comes
	buf  []byte
}

// Numbers of fields, from generated.proto of k8s.io/apimachinery/pkg/apis/meta/v1 and k8s.io/apimachinery/pkg/runtime.
const (
	eventType, eventObject = 1, 2
	extensionRaw           = 1
)

// largest is how many bytes an event may have, as for client-go; spared is what of the memory for one is kept for the next.
const largest, spared = 16 << 20, 256 << 10

// decoder decodes what is no pod, and pods in JSON, as clients with types do.
var decoder = scheme.Codecs.WithoutConversion().DecoderToVersion(scheme.Codecs.UniversalDeserializer(), nil)

// next returns the next event. Its object, if it is a pod, is good until the next one is read.
func (e *events) next() (apiwatch.Event, error) {
	if e.json != nil {
		return e.nextJSON()
	}
	var size [4]byte
	if _, err := io.ReadFull(e.body, size[:]); err != nil {
		return apiwatch.Event{}, err
	}
	if size[0] == '{' { // more than a gigabyte in protobuf
		e.json = json.NewDecoder(io.MultiReader(bytes.NewReader(size[:]), e.body))
		return e.nextJSON()
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > largest {
		return apiwatch.Event{}, fmt.Errorf("the API server sent an event of %d bytes, which is more than %d", length, largest)
	}
	n := int(length)
	if cap(e.buf) < n || cap(e.buf) > max(spared, 2*n) {
		e.buf = make([]byte, n, n+n/4)
	}
	e.buf = e.buf[:n]
	if _, err := io.ReadFull(e.body, e.buf); err != nil {
		return apiwatch.Event{}, err
	}
	return eventIn(e.buf)
}

// eventIn decodes an event in protobuf. What it returns may share its memory.
func eventIn(data []byte) (event apiwatch.Event, err error) {
	var raw []byte
	err = fields(data, func(number protowire.Number, v []byte, _ uint64) error {
		switch number {
		case eventType:
			event.Type = apiwatch.EventType(v)
		case eventObject:
			return fields(v, func(number protowire.Number, v []byte, _ uint64) error {
				if number == extensionRaw {
					raw = v
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return event, fmt.Errorf("read an event: %w", err)
	}
	event.Object, err = objectIn(raw)
	return event, err
}

// objectIn decodes an object; in protobuf, of some kinds what is needed.
func objectIn(raw []byte) (runtime.Object, error) {
	if o, err := skim(raw); err == nil {
		return o, nil
	}
	o, err := runtime.Decode(decoder, raw)
	if err != nil {
		return nil, fmt.Errorf("read what an event is about: %w", err)
	}
	return o, nil
}

func (e *events) nextJSON() (event apiwatch.Event, err error) {
	var v metav1.WatchEvent
	if err := e.json.Decode(&v); err != nil {
		return event, err
	}
	event.Type = apiwatch.EventType(v.Type)
	event.Object, err = objectIn(v.Object.Raw)
	return event, err
}

// A lazy reader waits for as long as it is told to after each read that had to wait: what came meanwhile is read at once. It does not
// wait for what has ended.
type lazy struct {
	io.Reader
	pause  time.Duration
	ended  <-chan struct{}
	waited bool
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.waited {
		select {
		case <-time.After(l.pause):
		case <-l.ended:
		}
	}
	began := time.Now()
	n, err := l.Reader.Read(p)
	l.waited = l.pause > 0 && time.Since(began) > prompt
	return n, err
}

// prompt is what reading takes at most where there is something to read.
const prompt = time.Millisecond
