// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/record"
)

// A harm is done to the files of a ring that nobody has open.
type harm func(random *rand.Rand, files []string) error

// change writes a file again as a function changes it.
func change(file string, do func([]byte) []byte) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, do(data), 0o600)
}

var harms = map[string]harm{
	"flip": func(random *rand.Rand, files []string) error {
		return change(files[random.IntN(len(files))], func(data []byte) []byte {
			for range min(1+random.IntN(4), len(data)) {
				data[random.IntN(len(data))] ^= 1 << random.IntN(8)
			}
			return data
		})
	},
	"flip at the end": func(_ *rand.Rand, files []string) error {
		return change(files[len(files)-1], func(data []byte) []byte { data[len(data)-20] ^= 1; return data })
	},
	"no last line break": func(_ *rand.Rand, files []string) error {
		return change(files[len(files)-1], func(data []byte) []byte { data[len(data)-1] = 'x'; return data })
	},
	"cut": func(random *rand.Rand, files []string) error {
		return change(files[random.IntN(len(files))], func(data []byte) []byte { return data[:random.IntN(len(data))] })
	},
	"cut between lines": func(random *rand.Rand, files []string) error {
		return change(files[len(files)-1], func(data []byte) []byte {
			end := random.IntN(len(data))
			return data[:bytes.LastIndexByte(data[:end], '\n')+1]
		})
	},
	"zeros": func(random *rand.Rand, files []string) error {
		return change(files[random.IntN(len(files))], func(data []byte) []byte {
			from := random.IntN(len(data))
			clear(data[from : from+random.IntN(len(data)-from)])
			return data
		})
	},
	"junk behind": func(random *rand.Rand, files []string) error {
		return change(files[random.IntN(len(files))], func(data []byte) []byte { return append(data, "00000000 {\"seq\":9,\n\n\x00"...) })
	},
	"lines twice": func(random *rand.Rand, files []string) error {
		return change(files[random.IntN(len(files))], func(data []byte) []byte { return append(data, data...) })
	},
	"removed":      func(random *rand.Rand, files []string) error { return os.Remove(files[random.IntN(len(files))]) },
	"last removed": func(_ *rand.Rand, files []string) error { return os.Remove(files[len(files)-1]) },
	"all removed": func(_ *rand.Rand, files []string) error {
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
		return nil
	},
	"all zeros": func(_ *rand.Rand, files []string) error {
		for _, file := range files {
			if err := change(file, func(data []byte) []byte { clear(data); return data }); err != nil {
				return err
			}
		}
		return nil
	},
	"exchanged": func(random *rand.Rand, files []string) error {
		a, b := files[random.IntN(len(files))], files[random.IntN(len(files))]
		return errors.Join(os.Rename(a, a+".x"), rename(b, a), os.Rename(a+".x", b))
	},
	"a copy of another": func(random *rand.Rand, files []string) error {
		data, err := os.ReadFile(files[random.IntN(len(files))])
		return errors.Join(err, os.WriteFile(files[random.IntN(len(files))], data, 0o600))
	},
}

func rename(from, to string) error {
	if err := os.Rename(from, to); !errors.Is(err, fs.ErrNotExist) { // one with itself
		return err
	}
	return nil
}

// TestHarm does every harm at many places, to a ring that was closed, one whose power was cut and one whose agent was killed. Whatever it was, the ring
// opens, gives no entry but those that were taken and each under its own number, and gives no number again.
func TestHarm(t *testing.T) {
	const most, seeds = 60, 9
	tried := 0
	for name, do := range harms {
		for seed := range uint64(seeds) {
			dir := t.TempDir()
			r := open(t, Options{Dir: dir, Segment: 2 << 10})
			was := map[uint64]record.Entry{}
			for n := range most {
				r.Tell(fact(n))
			}
			for _, e := range all(t, r, 1) {
				was[e.Seq] = e
			}
			closed(t, r)
			files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
			if err = errors.Join(err, ended(dir, name, int(seed%3)), do(rand.New(rand.NewPCG(seed, 1)), files)); err != nil {
				t.Fatal(err)
			}
			tried++
			harmed(t, fmt.Sprintf("%s, seed %d", name, seed), dir, r.Stats().ID, was)
		}
	}
	t.Logf("%d rings were harmed", tried)
}

// traceless are harms that leave no trace: while the machine runs nothing does them.
var traceless = []string{"cut between lines", "removed", "last removed", "exchanged", "a copy of another"}

// ended has a ring end otherwise than by being closed: 1: the power was cut, 2: the agent was killed.
func ended(dir, name string, how int) error {
	boot := "b"
	switch {
	case how == 0:
		return nil
	case how == 1 || slices.Contains(traceless, name):
		boot = "before"
	}
	return os.WriteFile(filepath.Join(dir, alive), []byte(`{"boot":"`+boot+`"}`), 0o600)
}

// harmed opens a ring twice that had these entries.
func harmed(t *testing.T, name, dir, id string, was map[uint64]record.Entry) {
	t.Helper()
	var before []string
	for range 2 {
		r := open(t, Options{Dir: dir, Segment: 2 << 10})
		if r.Stats().ID != id { // then its numbers say nothing
			id, was = r.Stats().ID, nil
		}
		seq, err := r.Append(fact(999))
		if err != nil || was[seq].Fact != nil {
			t.Errorf("%s: number %d is given again: %v", name, seq, err)
		}
		last := uint64(0)
		list := all(t, r, 0)
		for _, e := range list {
			if e.Seq <= last {
				t.Errorf("%s: after %d comes %d", name, last, e.Seq)
			}
			last = coveredBy(e)
			if of, had := was[e.Seq]; e.Fact != nil && e.Fact.Value != 999 && (!had || !cmp.Equal(of, e)) {
				t.Errorf("%s: number %d is %+v", name, e.Seq, e.Fact)
			}
		}
		if why := gaps(list); len(why) < len(before) || !slices.Equal(before, why[:len(before)]) {
			t.Errorf("%s: opened again, gaps %q, before %q", name, why, before)
		} else {
			before = why
		}
		closed(t, r)
	}
}

// TestClockPutBack: a record whose times are yet to come is taken as it is, and what cannot be known of times is not told.
func TestClockPutBack(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	r := open(t, Options{Dir: dir, Now: clock})
	r.Tell(fact(1))
	now = now.Add(-time.Hour)
	r.Tell(fact(2))
	closed(t, r)
	if err := os.Chtimes(filepath.Join(dir, alive), now.Add(time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	list := all(t, open(t, Options{Dir: dir, Now: clock}), 1)
	contiguous(t, list)
	if gap := list[len(list)-1].Gap; len(list) != 3 || gap == nil || !gap.From.IsZero() || !gap.To.Equal(now) {
		t.Errorf("%d entries, the last is %+v", len(list), gap)
	}
}
