// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

const (
	machine = "0123456789abcdef0123456789abcdef"
	idA     = "000000000000000000000000000000aa"
	idB     = "000000000000000000000000000000bb"
)

// A host is a directory with journals.
type host struct {
	t    *testing.T
	root *os.Root
	dir  string
}

func newHost(t *testing.T) host {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return host{t, root, dir}
}

func (h host) put(name string, data []byte) {
	h.t.Helper()
	name = filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		h.t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		h.t.Fatal(err)
	}
}

func (h host) reader(o Options) *Reader {
	h.t.Helper()
	o.Root, o.Dirs = h.root, []string{"var", "run"}
	r, err := New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(r.Close)
	return r
}

// all reads until there is nothing more.
func all(t *testing.T, r *Reader) (entries []Entry) {
	t.Helper()
	for {
		n, err := r.Read(func(e Entry) { entries = append(entries, e) })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return entries
		}
	}
}

func messages(entries []Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Message)
	}
	return strings.Join(list, " ")
}

func unzip(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A shown is an entry as journalctl -o json shows it. What is no text is a list of bytes there.
type shown map[string]any

func (s shown) text(name string) string {
	switch v := s[name].(type) {
	case string:
		return v
	case []any:
		var b []byte
		for _, n := range v {
			b = append(b, byte(n.(float64)))
		}
		return string(b)
	}
	return ""
}

func (s shown) number(name string) uint64 {
	n, _ := strconv.ParseUint(s.text(name), 10, 64)
	return n
}

func (s shown) entry() Entry {
	seq, _ := strconv.ParseUint(strings.TrimPrefix(strings.Split(s.text("__CURSOR"), ";")[1], "i="), 16, 64)
	e := Entry{
		Seq: seq, At: micro(s.number("__REALTIME_TIMESTAMP")), Boot: s.text("_BOOT_ID"), Monotonic: since(s.number("__MONOTONIC_TIMESTAMP")),
		Source: since(s.number("_SOURCE_MONOTONIC_TIMESTAMP")), Transport: s.text("_TRANSPORT"), SystemdUnit: s.text("_SYSTEMD_UNIT"),
		Identifier: s.text("SYSLOG_IDENTIFIER"), Facility: -1, Priority: int(s.number("PRIORITY")), Message: s.text("MESSAGE"),
	}
	return e
}

func fromJournalctl(t *testing.T, lines []byte, fits func(Entry) bool) (list []Entry) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		var s shown
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if e := s.entry(); fits(e) {
			list = append(list, e)
		}
	}
	return list
}

var ofUnits = []string{"_SYSTEMD_UNIT=kubelet.service", "_SYSTEMD_UNIT=containerd.service", "_SYSTEMD_UNIT=crio.service"}

func isOfUnits(e Entry) bool { return slices.Contains(ofUnits, "_SYSTEMD_UNIT="+e.SystemdUnit) }

// TestFilesOfSystemd: files that systemd-journal-remote wrote, in each of its forms, say what journalctl says.
func TestFilesOfSystemd(t *testing.T) {
	golden := unzip(t, "journalctl.json.gz")
	for _, form := range []string{"compact", "regular", "plain"} {
		h := newHost(t)
		h.put("var/"+machine+"/system.journal", unzip(t, form+".journal.gz"))
		for name, of := range map[string]struct {
			match []string
			fits  func(Entry) bool
		}{
			"units":   {ofUnits, isOfUnits},
			"kernel":  {[]string{"_TRANSPORT=kernel"}, func(e Entry) bool { return e.Transport == "kernel" }},
			"nothing": {[]string{"_SYSTEMD_UNIT=kubelet", "NO=x"}, func(Entry) bool { return false }},
			"all":     {[]string{"PRIORITY=6"}, func(Entry) bool { return true }},
		} {
			r := h.reader(Options{Match: of.match})
			want := fromJournalctl(t, golden, of.fits)
			if len(want) == 0 != (name == "nothing") {
				t.Fatalf("%s: journalctl has %d", name, len(want))
			}
			if diff := cmp.Diff(want, all(t, r)); diff != "" || r.Damaged()+r.Unread() > 0 {
				t.Errorf("%s %s: damaged %d, unread %d (-want +got):\n%s", form, name, r.Damaged(), r.Unread(), diff)
			}
		}
	}
}

// TestRestart: a reader that begins at any place goes on there, in another numbering too.
func TestRestart(t *testing.T) {
	want := fromJournalctl(t, unzip(t, "journalctl.json.gz"), isOfUnits)
	for _, form := range []string{"compact", "plain"} {
		h := newHost(t)
		h.put("var/"+machine+"/system.journal", unzip(t, form+".journal.gz"))
		for _, n := range []int{0, 1, 17, 88, 89, 90} { // a restart at any place goes on there
			from := Cursor{}
			if n > 0 {
				r := h.reader(Options{Match: ofUnits, Since: want[0].At.Add(-time.Second)})
				from = cursorAt(t, r, want[n-1].Seq)
			}
			got := all(t, h.reader(Options{Match: ofUnits, From: from}))
			if diff := cmp.Diff(want[n:], append([]Entry{}, got...)); diff != "" {
				t.Errorf("%s from %d (-want +got):\n%s", form, n, diff)
			}
			got = all(t, h.reader(Options{Match: ofUnits, From: Cursor{ID: idB, Seq: 1 << 40, Real: from.Real}}))
			if len(got) != len(want)-n {
				t.Errorf("%s from another numbering at %d: %d entries", form, n, len(got))
			}
		}
	}
}

// cursorAt reads up to the entry with the number given.
func cursorAt(t *testing.T, r *Reader, seq uint64) (c Cursor) {
	t.Helper()
	for c.Seq < seq {
		n, err := r.Read(func(e Entry) {
			if e.Seq == seq {
				c = r.Cursor()
			}
		})
		if n == 0 || err != nil {
			t.Fatal("not there", seq, err)
		}
	}
	return c
}

func TestFollow(t *testing.T) {
	for _, isCompact := range []bool{true, false} {
		h := newHost(t)
		const active = "var/" + machine + "/system.journal"
		w := write(idA, 0, isCompact)
		h.put(active, w.b)
		r := h.reader(Options{Match: []string{"A=1", "B=1"}})
		expect := func(want string) {
			t.Helper()
			if got := messages(all(t, r)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		add := func(n int, also ...string) {
			now := uint64(time.Second/time.Microsecond) * (1000 + w.seq)
			w.entry(bootA, now, now, append([]string{fmt.Sprint("MESSAGE=", n), "C=1"}, also...)...)
			h.put(active, w.b)
		}
		expect("")
		add(1)
		expect("")
		add(2, "A=1")
		add(3, "A=1", "B=1")
		expect("2 3")
		for n := range 40 {
			add(n+10, "B=1", "A=0", "D="+strconv.Itoa(n))
			expect(strconv.Itoa(n + 10))
		}
		add(4, "A=1")
		// rotated twice between two looks
		for _, last := range []string{"x", "y"} {
			w.b[16] = 2
			h.put(active, w.b)
			if err := os.Rename(filepath.Join(h.dir, active), filepath.Join(h.dir, "var", machine, "system@"+last+".journal")); err != nil {
				t.Fatal(err)
			}
			w = write(idA, w.seq+5, isCompact) // numbers that a user's journal got
			add(5, "A=1")
		}
		expect("4 5 5")
		add(6, "A=1")
		expect("6")
		if _, missed := r.Missed(); missed || r.Damaged() > 0 {
			t.Errorf("missed, or damaged %d", r.Damaged())
		}
		again := h.reader(Options{Match: []string{"A=1", "B=1"}, From: r.Cursor()})
		add(7, "B=1")
		if got := messages(all(t, again)); got != "7" {
			t.Errorf("after a restart: %q", got)
		}
	}
}

// TestMoved: a journal that was in memory moves to the disk, and its entries get other numbers.
func TestMoved(t *testing.T) {
	h := newHost(t)
	w := write(idA, 0, true)
	for n := range uint64(5) {
		w.entry(bootA, 100+n, 1000+n, fmt.Sprint("MESSAGE=", n), "A=1")
	}
	h.put("run/"+machine+"/system.journal", w.b)
	r := h.reader(Options{Match: []string{"A=1"}})
	if got := messages(all(t, r)); got != "0 1 2 3 4" {
		t.Errorf("got %q", got)
	}
	if err := os.RemoveAll(filepath.Join(h.dir, "run")); err != nil {
		t.Fatal(err)
	}
	w = write(idA, 5, true)
	for n := range uint64(7) {
		w.entry(bootA, 100+n, 1000+n, fmt.Sprint("MESSAGE=", n), "A=1")
	}
	w.entry(bootB, 3, 2000, "MESSAGE=boot", "A=1")
	h.put("var/"+machine+"/system.journal", w.b)
	if got := messages(all(t, r)); got != "4 5 6 boot" { // 4 may be another one of the same microsecond
		t.Errorf("got %q", got)
	}
}

// TestClockBehind: after a power cut the journal is numbered anew, and the clock may be behind: what was told is told no more.
func TestClockBehind(t *testing.T) {
	for _, match := range []string{"A=1", "B=1"} {
		h := newHost(t)
		before := write(idB, 0, true)
		before.entry(bootB, 100, 2000, "MESSAGE=before", "A=1")
		now := write(idA, 0, true)
		now.entry(bootA, 100, 1000, "MESSAGE=now", "A=1")
		before.b[16], now.b[16] = 0, 0
		h.put("var/"+machine+"/system@1.journal~", before.b)
		h.put("var/"+machine+"/system.journal", now.b)
		r := h.reader(Options{Match: []string{match}})
		var got []Entry
		for range 3 * allEach {
			if _, err := r.Read(func(e Entry) { got = append(got, e) }); err != nil {
				t.Fatal(err)
			}
		}
		if said := messages(got); match == "A=1" && said != "now before" {
			t.Errorf("got %q", said)
		}
	}
}

// TestRemoved: what was removed before it was read is told.
func TestRemoved(t *testing.T) {
	h := newHost(t)
	w := write(idA, 50, true)
	w.entry(bootA, 5e6, 5e6, "MESSAGE=a", "A=1")
	h.put("var/"+machine+"/system.journal", w.b)
	h.put("var/ffffffffffffffffffffffffffffffff/system.journal", write(idB, 7, true).b) // of an image
	for from, want := range map[Cursor]bool{
		{}: false, {ID: idA, Seq: 50, Real: 1e6}: false, {ID: idA, Seq: 40, Real: 1e6}: true, {ID: idB, Seq: 1, Real: 1e6}: true, {ID: idA, Seq: 51, Real: 5e6}: false,
	} {
		r := h.reader(Options{Match: []string{"A=1"}, From: from})
		all(t, r)
		gap, missed := r.Missed()
		if missed != want || missed && !cmp.Equal(gap, Gap{From: micro(1e6), To: micro(5e6)}) {
			t.Errorf("from %+v: missed %v %v", from, gap, missed)
		}
		if _, twice := r.Missed(); twice {
			t.Error("told twice")
		}
	}
}

// TestTimes: what the kernel wrote before journald began is told with the kernel's time.
func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		mono   uint64
		fields []string
		want   uint64
	}{
		"at once":     {10e6, []string{"_SOURCE_MONOTONIC_TIMESTAMP=9999000"}, 1000e6},
		"before":      {10e6, []string{"_SOURCE_MONOTONIC_TIMESTAMP=1000000"}, 991e6},
		"drifted":     {10000e6, []string{"_SOURCE_MONOTONIC_TIMESTAMP=9990000000"}, 1000e6},
		"of a sender": {10e6, []string{"_SOURCE_REALTIME_TIMESTAMP=999000000"}, 999e6},
		"absurd":      {10e6, []string{"_SOURCE_REALTIME_TIMESTAMP=18446744073709551615"}, maxMicro},
	} {
		h := newHost(t)
		w := write(idA, 0, false)
		w.entry(bootA, c.mono, 1000e6, append(c.fields, "A=1")...)
		h.put("var/"+machine+"/system.journal", w.b)
		if got := all(t, h.reader(Options{Match: []string{"A=1"}})); len(got) != 1 || !got[0].At.Equal(micro(c.want)) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDropped(t *testing.T) {
	for message, want := range map[string]string{
		"Suppressed 12 messages from kubelet.service":               "12 kubelet.service",
		"Suppressed 12 messages from /system.slice/kubelet.service": "12 kubelet.service",
		"Missed 7 kernel messages":                                  "7 kernel",
		"Suppressed x messages from kubelet.service":                "0 ",
		"Missed -7 kernel messages":                                 "0 ",
		"Journal started":                                           "0 ",
	} {
		for transport, want := range map[string]string{"driver": want, "stdout": "0 "} {
			e := Entry{Transport: transport, Message: message}
			if n, from := e.Dropped(); fmt.Sprint(n, " ", from) != want {
				t.Errorf("%s by %s: %d of %q", message, transport, n, from)
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	text := "MESSAGE=" + strings.Repeat("abcdefgh", 300)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := z.EncodeAll(append([]byte("MESSAGE="), make([]byte, 2*maxCompressed)...), nil)
	for name, c := range map[string]struct {
		flags   byte
		payload string
		message string
		unread  int64
	}{
		"zstd":        {1 << 2, string(z.EncodeAll([]byte(text), nil)), text[8:], 0},
		"lz4":         {1 << 1, "\x68\x09\x00\x00\x00\x00\x00\x00" + packedLZ4, text[8:], 0},
		"xz":          {1 << 0, "\xfd7zXZ", "", 1},
		"two at once": {3, "x", "", 1},
		"a bomb":      {1 << 2, string(bomb), "", 1},
		"no zstd":     {1 << 2, text, "", 1},
		"no lz4":      {1 << 1, text, "", 1},
		"a short lz4": {1 << 1, "\x68\x09\x00\x00\x00\x00\x00\x00" + packedLZ4[:30], "", 1},
		"none":        {0, "MESSAGE=" + strings.Repeat("x", maxValue+1), strings.Repeat("x", maxValue-8), 0},
	} {
		h := newHost(t)
		w := write(idA, 0, false)
		w.link(bootA, 1, 1, []int{w.value("MESSAGE=", c.flags, c.payload), w.value("A=1", 0, "A=1")})
		h.put("var/"+machine+"/system.journal", w.b)
		r := h.reader(Options{Match: []string{"A=1"}})
		if got := all(t, r); len(got) != 1 || got[0].Message != c.message || r.Unread() != c.unread {
			t.Errorf("%s: unread %d of %d entries", name, r.Unread(), len(got))
		}
	}
}

// packedLZ4 is the text of TestCompressed as lz4(1) packs it, one block.
const packedLZ4 = "\xff\x01MESSAGE=abcdefgh\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff\xffIPdefgh"
