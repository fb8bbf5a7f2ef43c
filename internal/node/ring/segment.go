// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/record"
)

// recordGap is what gaps of the record itself are named.
const recordGap = "record"

// suffix is that of a segment's file; the name before it is the number of its first entry.
const suffix = ".segment"

// A segment is one file of lines. In a line a checksum (CRC-32C, eight hexadecimal digits) and a blank stand before the
// entry's JSON.
type segment struct {
	first, last uint64 // last is first-1 while it is empty
	size        int64  // of its whole lines
	marks       []mark // only appended to, so that readers may have a copy
}

// A mark is where an entry begins, so that who reads the end of a segment need not read it all.
type mark struct {
	seq    uint64
	offset int64
}

const markEvery = 64 << 10

// noted makes a mark of an entry, if the last one is far enough away.
func noted(marks []mark, seq uint64, offset int64) []mark {
	last := int64(0)
	if n := len(marks); n > 0 {
		last = marks[n-1].offset
	}
	if offset-last < markEvery {
		return marks
	}
	return append(marks, mark{seq, offset})
}

// before returns where to begin in order to read from an entry on.
func (s segment) before(seq uint64) int64 {
	for _, m := range slices.Backward(s.marks) {
		if m.seq <= seq {
			return m.offset
		}
	}
	return 0
}

func (s segment) name() string  { return fmt.Sprintf("%020d%s", s.first, suffix) }
func (s segment) entries() bool { return s.last+1 > s.first }

// parseName is the inverse of segment.name.
func parseName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.ParseUint(digits, 10, 63)
	return n, ok && err == nil && n > 0 && len(digits) == 20
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumLength = 8 + 1 // digits and a blank

// seal makes the line of an entry. Of a run that is too long, as its pod may make it, it leaves out what makes it so: that it
// was is what counts.
func seal(e record.Entry) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(data) > maxEntry && e.Run != nil && len(e.Run.Command)+len(e.Run.Mounts) > 0 {
		run := *e.Run
		run.Command, run.Mounts = nil, nil
		e.Run = &run
		return seal(e)
	}
	if len(data) > maxEntry {
		return nil, fmt.Errorf("an entry has %d bytes, at most %d", len(data), maxEntry)
	}
	line := make([]byte, 0, sumLength+len(data)+1)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(data, castagnoli))
	return append(append(line, data...), '\n'), nil
}

var seqField = []byte(`{"seq":`)

// unseal returns the JSON of a line without its end, and the number of its entry; ok is false for what was not written so.
func unseal(line []byte) (data []byte, seq uint64, ok bool) {
	if len(line) < sumLength || line[sumLength-1] != ' ' {
		return nil, 0, false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:sumLength-1]); err != nil {
		return nil, 0, false
	}
	data = line[sumLength:]
	if want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3]); crc32.Checksum(data, castagnoli) != want {
		return nil, 0, false
	}
	rest, ok := bytes.CutPrefix(data, seqField)
	end := bytes.IndexByte(rest, ',')
	if !ok || end < 0 {
		return nil, 0, false
	}
	seq, err := strconv.ParseUint(string(rest[:end]), 10, 63)
	return data, seq, err == nil && seq > 0
}

// A lines reads lines of bounded length. What is longer than an entry can be comes as several lines, none of which holds.
type lines struct {
	in *bufio.Reader
}

func newLines(in io.Reader) lines {
	return lines{bufio.NewReaderSize(in, sumLength+maxEntry+1)}
}

// next returns the next line without its end, and whether it has one. The line is valid until the next call.
func (l lines) next() (line []byte, whole bool, err error) {
	line, err = l.in.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], true, nil
	case errors.Is(err, bufio.ErrBufferFull), errors.Is(err, io.EOF) && len(line) > 0:
		return line, false, nil
	}
	return nil, false, err
}

// damaged is why entries are missing that were taken. A gap that says so stands for as many numbers as it counts.
const damaged = "the record was damaged on disk"

// covers returns the last number that an entry stands for, which is its own but for such a gap.
func covers(data []byte, seq uint64) uint64 {
	if bytes.Contains(data, []byte(damaged)) {
		if e, ok := parse(data); ok {
			return coveredBy(e)
		}
	}
	return seq
}

// parse reads an entry; one of another version may not be readable to this one.
func parse(data []byte) (record.Entry, bool) {
	var e record.Entry
	err := json.Unmarshal(data, &e)
	return e, err == nil
}

func coveredBy(e record.Entry) uint64 {
	if e.Gap == nil || e.Gap.What != recordGap || e.Gap.Why != damaged || e.Gap.Count < 1 {
		return e.Seq
	}
	return e.Seq + uint64(e.Gap.Count) - 1
}
