// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tiny is a small file with chains of several arrays.
func tiny(isCompact bool) *written {
	w := write(idA, 0, isCompact)
	for n := range uint64(12) {
		w.entry(bootA, 10+n, 1000+n, fmt.Sprint("MESSAGE=", n), "A=1", fmt.Sprint("B=", n%2), "PRIORITY=6")
	}
	return w
}

// readBytes reads a file to its end, in a bounded number of looks.
func readBytes(t *testing.T, data []byte) (entries []Entry, r *Reader) {
	t.Helper()
	f, err := open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil
	}
	r = &Reader{o: Options{Match: []string{"A=1", "B=0"}}}
	c := &opened{file: *f, bytes: func() (int64, error) { return int64(len(data)), nil }}
	for _, of := range r.o.Match {
		chain := chain{f: &c.file, of: of}
		if chain.seek(func(s stamp) bool { return s.seq > 2 }) != nil {
			chain.fails(c, r)
		}
		c.chains = append(c.chains, chain)
	}
	r.cur = c
	for range len(data)/4 + 2*patience {
		n, all := r.added(func(e Entry) { entries = append(entries, e) })
		if n > mostBatch {
			t.Fatalf("%d at once", n)
		}
		if n == 0 && all && (c.state != online || c.fails == 0) {
			break
		}
	}
	if r.zstd != nil {
		r.zstd.Close()
	}
	return entries, r
}

// TestCutOff: of a file that ends anywhere, what was entered is read or counted, and nothing else.
func TestCutOff(t *testing.T) {
	for _, isCompact := range []bool{true, false} {
		whole := tiny(isCompact).b
		for n := range whole {
			data := bytes.Clone(whole[:n])
			if n > 16 {
				data[16] = 0 // as it is found after a power cut, but that nobody waits for it
			}
			got, r := readBytes(t, data)
			for _, e := range got {
				if r.damaged == 0 && r.unread == 0 && e.Message == "" {
					t.Errorf("cut at %d: %+v", n, e)
				}
			}
			if r != nil && r.damaged+r.unread == 0 && n < len(whole)-8 {
				t.Errorf("cut at %d of %d nothing is missing of %d", n, len(whole), len(got))
			}
		}
		if got, _ := readBytes(t, whole); messages(got) != "2 3 4 5 6 7 8 9 10 11" {
			t.Errorf("got %q", messages(got))
		}
	}
}

// TestWaits: what is incomplete while a file is written is read when it is complete.
func TestWaits(t *testing.T) {
	h := newHost(t)
	const active = "var/" + machine + "/system.journal"
	w := tiny(true)
	end := len(w.b)
	w.entry(bootA, 100, 2000, "MESSAGE=new", "A=1")
	h.put(active, w.b[:end+24])
	r := h.reader(Options{Match: []string{"A=1"}})
	got := all(t, r)
	for range 2 {
		got = append(got, all(t, r)...)
	}
	if len(got) != 12 || r.Damaged() > 0 {
		t.Errorf("%d entries, damaged %d", len(got), r.Damaged())
	}
	h.put(active, w.b)
	if got := messages(all(t, r)); got != "new" {
		t.Errorf("got %q", got)
	}
}

// TestFailsInARow: only what is incomplete at one look after another is damaged.
func TestFailsInARow(t *testing.T) {
	data := tiny(true).b
	f, err := open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := &opened{file: *f, bytes: func() (int64, error) { return int64(len(data)), nil }}
	c.state = online
	for n := range 3 * patience {
		if c.again(); !c.waits() {
			t.Fatalf("not waited for after %d looks that failed, with others between them", n)
		}
		c.state = online
		c.again()
		c.state = online
	}
}

// TestEmptyDirectory: that there is none is all that is said.
func TestEmptyDirectory(t *testing.T) {
	h := newHost(t)
	if err := os.Mkdir(filepath.Join(h.dir, "var"), 0o750); err != nil {
		t.Fatal(err)
	}
	err := h.reader(Options{Match: []string{"A=1"}}).Open()
	if want := "no journal of systemd is to be read in var, run"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHostileFiles(t *testing.T) {
	h := newHost(t)
	dir := filepath.Join(h.dir, "var", machine)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "system.journal")
	if err := os.WriteFile(outside, tiny(true).b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "system.journal")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "system@fifo.journal"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.put("var/"+machine+"/system@text.journal", []byte(strings.Repeat("no journal ", 100)))
	h.put("var/"+machine+"/system@empty.journal~", nil)
	h.put("var/"+machine+"/user-1000.journal", tiny(true).b)
	future := tiny(true)
	future.u32(12, 1<<9)
	h.put("var/"+machine+"/system@future.journal", future.b)
	h.put("var/elsewhere/system.journal", tiny(true).b)
	r := h.reader(Options{Match: []string{"A=1"}})
	n, err := r.Read(func(Entry) { t.Error("read something") })
	if n != 0 || err == nil || !strings.Contains(err.Error(), "no journal of systemd is to be read in var, run") {
		t.Errorf("%d, %v", n, err)
	}
}

// TestLoops: chains that lead back end.
func TestLoops(t *testing.T) {
	for name, spoil := range map[string]func(w *written){
		"an array that names itself":    func(w *written) { a := int(w.get(w.data["A=1"] + 48)); w.u64(a+objectHead, uint64(a)) },
		"an array that names another":   func(w *written) { w.u64(w.data["A=1"]+48, w.get(w.data["B=0"]+32)) },
		"a value behind itself":         func(w *written) { w.u64(w.data["A=1"]+32, uint64(w.data["A=1"])) },
		"a field behind itself":         func(w *written) { w.u64(w.field["A"]+24, uint64(w.field["A"])) },
		"an array without an end":       func(w *written) { w.u64(int(w.get(w.data["A=1"]+48))+8, 1<<62) },
		"an entry without an end":       func(w *written) { w.u64(int(w.get(w.data["A=1"]+40))+8, 1<<63) },
		"an entry that is a value":      func(w *written) { w.u64(w.data["A=1"]+40, uint64(w.data["A=1"])) },
		"a table of fields of all":      func(w *written) { w.u64(128, maxTable) },
		"a table of fields at the end":  func(w *written) { w.u64(120, ^uint64(0)-7) },
		"a place that is not at eighth": func(w *written) { w.u64(w.data["A=1"]+40, uint64(w.data["A=1"])+4) },
	} {
		for _, state := range []byte{0, online, 2} {
			w := tiny(false)
			w.b[16] = state
			spoil(w)
			if got, _ := readBytes(t, w.b); len(got) > 12 {
				t.Errorf("%s: %d entries", name, len(got))
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, isCompact := range []bool{true, false} {
		w := tiny(isCompact)
		f.Add(w.b, uint16(0), uint64(0), uint16(0), uint64(0))
		w.b[16] = 2
		f.Add(w.b, uint16(w.data["A=1"]+40), uint64(w.data["A=1"]), uint16(w.data["B=0"]+48), uint64(w.data["B=0"]))
		w.link(bootA, 50, 5000, []int{w.value("MESSAGE=", 1<<1, "\x68\x09\x00\x00\x00\x00\x00\x00"+packedLZ4), w.data["A=1"]})
		w.link(bootA, 51, 5001, []int{w.value("MESSAGE=z", 1<<2, "(\xb5/\xfd\x04\x00A\x00\x00MESSAGE=\x00\x00\x00\x00"), w.data["A=1"]})
		f.Add(w.b, uint16(12), uint64(31), uint16(16), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, at1 uint16, v1 uint64, at2 uint16, v2 uint64) {
		w := &written{b: bytes.Clone(data)}
		for at, v := range map[uint16]uint64{at1: v1, at2: v2} {
			if at > 0 && int(at)+8 <= len(w.b) {
				w.u64(int(at), v)
			}
		}
		entries, _ := readBytes(t, w.b)
		if len(entries) > len(w.b)/4 {
			t.Errorf("%d entries of %d bytes", len(entries), len(w.b))
		}
		for _, e := range entries {
			if len(e.Message) > maxValue || len(e.Boot) != 32 {
				t.Errorf("%+v", e)
			}
		}
	})
}

func FuzzLZ4(f *testing.F) {
	f.Add([]byte("\x68\x09\x00\x00\x00\x00\x00\x00" + packedLZ4))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if out, err := unpackLZ4(packed); err == nil && len(out) > maxCompressed {
			t.Errorf("%d bytes", len(out))
		}
	})
}
