// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/binary"
	"errors"
	"path"
	"slices"
)

// mostPacked is the size up to which a file lies in the pack of its death. Small files differ from death to death, and
// the row of a blob costs more than they do.
const mostPacked = 1 << 10

// A pack is the first part of what is kept of a death: its report, its small files, and the names of the others, which
// are parts by themselves. For each file it has the length of its path, the path, the number of its part, and for part 0,
// which is the pack itself, the length of the content and the content. The report has no path.
func pack(v *Verdict) []part {
	var raw []byte
	add := func(name string, number int, data []byte) {
		raw = append(binary.AppendUvarint(raw, uint64(len(name))), name...)
		raw = binary.AppendUvarint(raw, uint64(number))
		if number == 0 {
			raw = append(binary.AppendUvarint(raw, uint64(len(data))), data...)
		}
	}
	parts := []part{{}} // the pack itself
	if len(v.Report) > 0 && len(v.Report) <= maxReport {
		add("", 0, v.Report)
	}
	for _, name := range bounded(v.Bundle) {
		data := v.Bundle[name]
		if len(data) <= mostPacked {
			add(name, 0, data)
			continue
		}
		add(name, len(parts), nil)
		parts = append(parts, part{raw: data, like: path.Ext(name) + " " + kindOf(name)})
	}
	if len(raw) == 0 {
		return nil
	}
	parts[0] = part{raw: raw, like: "pack " + v.Rule}
	return parts
}

// kindOf names what files resemble each other, by the folders of a bundle: the manifests of all pods, all logs.
func kindOf(name string) string {
	folder := path.Dir(name)
	if path.Dir(folder) == "." {
		return folder
	}
	return path.Base(folder)
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
