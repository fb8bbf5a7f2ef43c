// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is a file of the recording of a kernel.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "linux-6.18", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// layouts is an instance that knows how the recorded records are laid out.
func layouts(t testing.TB) *instance {
	t.Helper()
	pages, err := parsePaging(string(recorded(t, "header_page")))
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{pages: pages}
	for name, f := range map[string]*form{"signal_generate": &i.signal, "mark_victim": &i.victim, "task_rename": &i.rename, "task_newtask": &i.thread} {
		if *f, err = parseForm(string(recorded(t, name)), "pid"); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// eachPage calls f for all records of a recorded buffer, and returns how many were lost.
func eachPage(t testing.TB, p paging, name string, f func(at uint64, data []byte)) (lost uint64) {
	t.Helper()
	for page := range slices.Chunk(recorded(t, name), p.data.at+p.data.size) {
		lost += p.each(page, f)
	}
	return lost
}

// A row is a record as the kernel prints it.
type row struct {
	micros           uint64
	id, by, pid, sig int
	comm             string
}

// TestRecordedTrace reads what a kernel wrote, and compares it with what the same kernel printed, names with spaces and lines among it.
func TestRecordedTrace(t *testing.T) {
	i := layouts(t)
	var got []row
	for _, name := range []string{"cpu0.raw", "cpu1.raw"} {
		if lost := eachPage(t, i.pages, name, func(at uint64, data []byte) {
			r := row{micros: (at + 500) / 1000, id: i.signal.fields["common_type"].int(data), by: i.signal.fields["common_pid"].int(data)}
			switch r.id {
			case i.signal.id:
				r.pid, r.sig, r.comm = i.signal.fields["pid"].int(data), i.signal.fields["sig"].int(data), i.signal.fields["comm"].text(data)
			case i.victim.id:
				r.pid = i.victim.fields["pid"].int(data)
			case i.rename.id:
				r.pid, r.comm = i.rename.fields["pid"].int(data), i.rename.fields["newcomm"].text(data)
			}
			got = append(got, r)
		}); lost != 0 {
			t.Errorf("%d are lost", lost)
		}
	}
	slices.SortFunc(got, func(a, b row) int { return int(a.micros) - int(b.micros) })
	const rename, signal, victim = 204, 261, 609
	want := []row{
		{29352888741, rename, 20278, 20278, 0, "sleep"},
		{29353189611, signal, 20322, 20278, 9, "sleep"},
		{29353296820, signal, 20325, 20323, 15, "a sig=9 pid=1"},
		{29353399301, signal, 20246, 20326, 9, "b?c-1 [0] d: e"},
		{29353919420, signal, 20335, 20335, 9, "python3"},
		{29353919423, victim, 20335, 20335, 0, ""},
		{29354038840, rename, 20463, 20463, 0, "app"},
		{29354517223, signal, 20519, 20521, 15, "sleep"},
		{29354620604, signal, 20519, 20520, 9, "sleep"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRecordedOverrun reads the buffer that was too small for 600 records.
func TestRecordedOverrun(t *testing.T) {
	n := 0
	i := layouts(t)
	lost := eachPage(t, i.pages, "overrun.raw", func(uint64, []byte) { n++ })
	if n != 210 || lost != 390 {
		t.Errorf("%d are read and %d lost", n, lost)
	}
}

func TestForms(t *testing.T) {
	if _, err := parseForm("name: x\nID: 5\n", "pid"); err == nil {
		t.Error("a form without fields is taken")
	}
	for _, text := range []string{"", "\tfield: u64 timestamp;\toffset:0;\tsize:8;\n\tfield: local_t commit;\toffset:8;\tsize:8;\n\tfield: char data;\toffset:16;\tsize:999999;\n"} {
		if p, err := parsePaging(text); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
	f := field{1, 4}
	if f.int([]byte{1, 2, 3, 4}) != 0 || f.text([]byte{1}) != "" || (field{0, 3}).int([]byte{1, 2, 3}) != 0 {
		t.Error("a field is read beyond its record")
	}
	b := binary.NativeEndian.AppendUint64(nil, 1<<40)
	for size, want := range map[int]int{8: 1 << 40, 4: 0, 2: 0, 1: 0} {
		if got := (field{0, size}).int(b); got != want {
			t.Errorf("%d bytes are %d", size, got)
		}
	}
}

// page makes a page of entries.
func page(commit uint64, words ...uint32) []byte {
	b := binary.NativeEndian.AppendUint64(nil, 1000)
	b = binary.NativeEndian.AppendUint64(b, commit|uint64(4*len(words)))
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// TestEntries reads the kinds of entries that the recording has not.
func TestEntries(t *testing.T) {
	p := paging{field{8, 8}, field{16, 4080}}
	for name, c := range map[string]struct {
		page []byte
		at   uint64
		data int
		lost uint64
	}{
		"a record":             {page(0, 5<<5|1, 7), 1005, 4, 0},
		"a long one":           {page(0, 5<<5, 12, 7, 8), 1005, 8, 0},
		"behind padding":       {page(0, 3<<5|29, 4, 5<<5|1, 7), 1008, 4, 0},
		"behind a long time":   {page(0, 3<<5|30, 2, 5<<5|1, 7), 1000 + 2<<27 + 3 + 5, 4, 0},
		"behind another time":  {page(0, 3<<5|31, 2, 5<<5|1, 7), 2<<27 + 3 + 5, 4, 0},
		"behind lost ones":     {append(page(missedEvents|missedStored, 5<<5|1, 7), 9, 0, 0, 0, 0, 0, 0, 0), 1005, 4, 9},
		"behind some lost":     {page(missedEvents, 5<<5|1, 7), 1005, 4, 1},
		"the rest is empty":    {page(0, 5<<5|1, 7, 29, 0, 1, 7), 1005, 4, 0},
		"one that is cut off":  {page(0, 5<<5|1, 7, 5<<5|28, 7), 1005, 4, 0},
		"one that is too long": {page(0, 5<<5|1, 7, 0, 1<<31, 7), 1005, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			lost := p.each(c.page, func(at uint64, data []byte) {
				if n++; at != c.at || len(data) != c.data {
					t.Errorf("%d bytes at %d", len(data), at)
				}
			})
			if n != 1 || lost != c.lost {
				t.Errorf("%d records, %d lost", n, lost)
			}
		})
	}
}

// FuzzPage checks that nothing that a page may hold breaks the reader.
func FuzzPage(f *testing.F) {
	for _, name := range []string{"cpu0.raw", "overrun.raw"} {
		f.Add(recorded(f, name)[:4096], string(recorded(f, "signal_generate")), string(recorded(f, "header_page")))
	}
	f.Fuzz(func(t *testing.T, b []byte, format, header string) {
		p, err := parsePaging(header)
		if err != nil {
			p = paging{field{8, 8}, field{16, 4080}}
		}
		signal, err := parseForm(format)
		if err != nil {
			signal = layouts(t).signal
		}
		n := 0
		p.each(b, func(_ uint64, data []byte) {
			n += 1 + 0*signal.fields["pid"].int(data) + 0*len(signal.fields["comm"].text(data))
		})
		if n > len(b)/4 {
			t.Fatalf("%d records in %d bytes", n, len(b))
		}
	})
}
