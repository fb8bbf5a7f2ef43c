// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"testing"

	"golang.org/x/tools/txtar"
)

// seeds are the files that a real kernel wrote.
func seeds(f *testing.F) {
	a, err := txtar.ParseFile("testdata/v2.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		f.Add(file.Data)
	}
	for _, text := range []string{
		"", "max\n", "-1", "18446744073709551616", "anon 1\nfile x\n\n anon  2", "some avg10=1.00 avg60=99.999 avg300=0 total=9",
		"full avg60=.5 total=99999999999999999999", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11", "TCP: inuse 5 orphan", "1 ((\xff)) S 1",
		"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1",
	} {
		f.Add([]byte(text))
	}
}

func FuzzFiles(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		number(b)
		if n := limit(b); n != unlimited && n >= 1<<62 {
			t.Errorf("limit %d", n)
		}
		keyed(b, func(key []byte, _ uint64) {
			if len(key) == 0 {
				t.Error("a value without a key")
			}
		})
		if p := parsePressure(b); p.some > 10000 || p.full > 10000 {
			t.Errorf("more than all the time: %+v", p)
		}
		parseDisks(b, func(string, diskTimes) {})
		if busy, all, _ := processorTimes(b); busy > all && all < 1<<60 {
			t.Errorf("%d busy of %d", busy, all)
		}
		parseSockets(b)
		if name, _, _ := parseStat(b); len(name) > 256 {
			t.Errorf("name of %d bytes", len(name))
		}
		levelOf(string(b))
	})
}
