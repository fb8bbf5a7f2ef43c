// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The sizes up to which a file lies in the pack of its death, and a pack takes in files. What is larger is a part by
// itself, once however many deaths have it: the Events of a node that forty pods were on.
const (
	mostPacked = 32 << 10
	fullPack   = 96 << 10
)

// A pack is the first part of what is kept of a death: its report, its files, and the names of those that are parts by
// themselves. For each file it has the length of its path, the path, the number of its part, and for part 0, which is
// the pack itself, the length of the content and the content. The report has no path, and comes last: it tells of what
// is in the files.
func pack(d *Death) []part {
	v := d.Verdict
	var raw []byte
	add := func(name string, number int, data []byte) {
		raw = append(binary.AppendUvarint(raw, uint64(len(name))), name...)
		raw = binary.AppendUvarint(raw, uint64(number))
		if number == 0 {
			raw = append(binary.AppendUvarint(raw, uint64(len(data))), data...)
		}
	}
	parts := []part{{}} // the pack itself
	for _, name := range bounded(v.Bundle) {
		data := v.Bundle[name]
		if len(data) <= mostPacked && len(raw)+len(data) <= fullPack {
			add(name, 0, data)
			continue
		}
		add(name, len(parts), nil)
		parts = append(parts, part{raw: data, shared: true, names: d.own(), like: d.likenessOf(name)})
	}
	if len(v.Report) > 0 && len(v.Report) <= maxReport {
		add("", 0, v.Report)
	}
	if len(raw) == 0 {
		return nil
	}
	owner := cmp.Or(d.Workload, d.Of.Object())
	settled := strconv.FormatBool(v.Settled)
	parts[0] = part{
		raw: raw, names: d.own(), like: keyOf("pack", d.Cluster, owner.Kind, owner.Namespace, owner.Name, d.Of.Container, v.Rule, settled),
		of: d, own: keyOf("pod", d.Cluster, d.PodUID, d.Of.Container, fmt.Sprint(d.Kind), settled),
	}
	return parts
}

// own returns the names that a death does not share with others of its workload.
func (d Death) own() []string {
	return slices.DeleteFunc([]string{d.Of.Name, d.Node}, func(name string) bool { return len(name) < 2 })
}

// likenessOf names what a file of a bundle resembles: what had its path before it, and a log that of the last run.
func (d Death) likenessOf(name string) int64 {
	if strings.HasPrefix(name, "logs/") {
		return keyOf("log", d.Cluster, d.Of.Namespace, d.Workload.Kind, d.Workload.Name, path.Base(path.Dir(name)))
	}
	return keyOf("file", d.Cluster, name)
}

// A packed file lies in the pack, or is another part.
type packed struct {
	data []byte
	part int64
}

var errPack = errors.New("a list of files that cannot be read")

// unpack is the inverse of pack.
func unpack(raw []byte) (map[string]packed, error) {
	files := map[string]packed{}
	next := func() (uint64, bool) {
		n, size := binary.Uvarint(raw)
		if size <= 0 {
			return 0, false
		}
		raw = raw[size:]
		return n, true
	}
	text := func() ([]byte, bool) {
		n, ok := next()
		if !ok || n > uint64(len(raw)) {
			return nil, false
		}
		s := raw[:n]
		raw = raw[n:]
		return s, true
	}
	for len(raw) > 0 {
		name, ok := text()
		number, numbered := next()
		f := packed{part: int64(number)}
		if ok = ok && numbered && number <= maxParts; ok && number == 0 {
			f.data, ok = text()
			f.data = slices.Clone(f.data)
		}
		if !ok {
			return nil, errPack
		}
		files[string(name)] = f
	}
	return files, nil
}
