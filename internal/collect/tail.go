// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"fmt"
	"strings"
)

// A tail keeps the last max bytes that are written to it, in at most twice that memory.
type tail struct {
	max      int
	data     []byte
	received int64
	lines    int64
}

// Write takes everything and forgets all but the end.
func (t *tail) Write(p []byte) (int, error) {
	t.received += int64(len(p))
	t.lines += int64(bytes.Count(p, []byte{'\n'}))
	t.data = append(t.data, p[max(0, len(p)-t.max):]...)
	if len(t.data) > 2*t.max {
		t.data = append(t.data[:0], t.data[len(t.data)-t.max:]...)
	}
	return len(p), nil
}

// text returns the end in whole lines where there are any, and whether something before it is left out.
func (t *tail) text() (string, bool) {
	data := t.data[max(0, len(t.data)-t.max):]
	cut := t.received > int64(len(data))
	if i := bytes.IndexByte(data, '\n'); cut && i >= 0 && i+1 < len(data) {
		data = data[i+1:]
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), cut
}

// size returns how much text was kept, in the words of the question where that is what it asked for.
func size(n int, asked int64) string {
	if int64(n) > asked-asked/8 {
		n = int(asked)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
