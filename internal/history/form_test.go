// SPDX-License-Identifier: Apache-2.0

package history

import (
	"testing"

	"pgregory.net/rapid"
)

// pieces are what texts of a cluster are made of, and what looks like marks or like values and is none.
var pieces = []string{
	"uid: ", "\n", " ", "-", ".", `"`, "web-0", "n1", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.123456789Z", "2026-03-01T12:00:00.120Z", "2026-03-01T12:00:00.123000Z",
	"2026-02-30T12:00:00Z", "6f0a1c9e-2c59-4b8a-9d0f-1d2f8f6f7a11", "6f0a1c9e-2c59-4b8a-9d0f", "18eb67f2cfee6a6a", "10.244.1.37", "10.244.01.37", "256.1.1.1",
	"12345", "012345", "99999999999999999999", "ffffffffffffffff", "x12345", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"\x00", "\x10", "\x19\x18", "\x0e", "\x0f", "\x0f\x11", "\x1b[31m", "é", "\xff", "0", "a",
}

func drawText(t *rapid.T, label string) []byte {
	var raw []byte
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(pieces)-1), 0, 60).Draw(t, label) {
		raw = append(raw, pieces[i]...)
	}
	return raw
}

// TestForms: whatever a text is, it comes back from its form and its values, next to those of any other text.
func TestForms(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		base, raw := tell(drawText(r, "base"), []string{"web-0", "n1"}), drawText(r, "text")
		told := tell(raw, []string{"web-0"})
		values, err := readValues(appendValues(nil, told.values, base.values), classes(told.form), base.values)
		if err != nil {
			r.Fatal(err)
		}
		back, err := told.text(1 << 20)
		if err != nil || string(back) != string(raw) {
			r.Fatalf("got %q, %v, want %q", back, err, raw)
		}
		told.values = values
		if back, err = told.text(1 << 20); err != nil || string(back) != string(raw) {
			r.Fatalf("next to a base: got %q, %v, want %q", back, err, raw)
		}
	})
}

// FuzzForms: what is damaged is an error and no crash.
func FuzzForms(f *testing.F) {
	t := tell([]byte("pod web-0 of 10.1.2.3 at 2026-03-01T12:00:00Z, 2026-03-01T12:00:00Z"), []string{"web-0"})
	f.Add(t.form, appendValues(nil, t.values, nil))
	f.Fuzz(func(t *testing.T, form, data []byte) {
		values, err := readValues(data, classes(form), []value{{aName, "web-1"}, {aNumber, "12345"}})
		if err != nil {
			return
		}
		if raw, err := (&told{form, values}).text(1 << 16); err == nil && len(raw) > 1<<16 {
			t.Errorf("%d bytes", len(raw))
		}
	})
}
