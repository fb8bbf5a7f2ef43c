// SPDX-License-Identifier: Apache-2.0

package journal

import "encoding/binary"

// unpackLZ4 undoes what systemd does with LZ4: the size of the text in eight bytes, and one block (lz4's lz4_Block_format.md):
// sequences of a length, so many bytes as they are, and how far back how many are to be repeated.
func unpackLZ4(packed []byte) ([]byte, error) {
	if len(packed) < 8 {
		return nil, errDamaged
	}
	size := binary.LittleEndian.Uint64(packed)
	if size > maxCompressed {
		return nil, errUnread
	}
	in, out := packed[8:], make([]byte, 0, size)
	for len(in) > 0 {
		token := in[0]
		literals, rest, ok := lengthLZ4(token>>4, in[1:])
		if !ok || literals > len(rest) || literals > int(size)-len(out) {
			return nil, errDamaged
		}
		out, in = append(out, rest[:literals]...), rest[literals:]
		if len(in) == 0 {
			break
		}
		if len(in) < 2 {
			return nil, errDamaged
		}
		back := int(binary.LittleEndian.Uint16(in))
		again, rest, ok := lengthLZ4(token&15, in[2:])
		again += 4
		if !ok || back == 0 || back > len(out) || again > int(size)-len(out) {
			return nil, errDamaged
		}
		for range again { // they may overlap
			out = append(out, out[len(out)-back])
		}
		in = rest
	}
	if len(out) != int(size) {
		return nil, errDamaged
	}
	return out, nil
}

// lengthLZ4 is a length of four bits, or more where these are all set: bytes are added up to the first that is not 255.
func lengthLZ4(four byte, in []byte) (n int, rest []byte, ok bool) {
	n = int(four)
	if four < 15 {
		return n, in, true
	}
	for i, b := range in {
		if n += int(b); b < 255 {
			return n, in[i+1:], true
		}
	}
	return 0, nil, false
}
