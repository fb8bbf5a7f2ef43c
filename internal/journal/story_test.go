// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A story is a journal that is written, rotated, cut off and read at random.
type story struct {
	host
	rand   *rand.Rand
	w      *written
	r      *Reader
	o      Options
	id     int // of the numbering
	n      int // entries
	files  int // that are not written any more
	now    uint64
	behind bool // the clock is, after a power cut

	want, got []string
}

const activeFile = "var/" + machine + "/system.journal"

func (s *story) begin(last uint64) {
	s.w = write(fmt.Sprintf("%032x", 100+s.id), last, s.rand.IntN(2) == 0)
	s.put(activeFile, s.w.b)
}

func (s *story) log() {
	for range s.rand.IntN(4) {
		s.n++
		s.now += 10
		kind := s.rand.IntN(3)
		if kind > 0 {
			s.want = append(s.want, fmt.Sprint(s.n))
		}
		s.w.entry(fmt.Sprintf("%032x", 1000+s.id), uint64(10*s.n), s.now, fmt.Sprint("MESSAGE=", s.n), fmt.Sprint("A=", kind), fmt.Sprint("B=", s.n%5))
	}
	s.put(activeFile, s.w.b)
}

// away gives the active file another name.
func (s *story) away(ending string) {
	s.files++
	s.put(activeFile, s.w.b)
	if err := os.Rename(filepath.Join(s.dir, activeFile), filepath.Join(s.dir, "var", machine, fmt.Sprint("system@", s.files, ending))); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) read(looks int) {
	for range looks {
		if _, err := s.r.Read(func(e Entry) { s.got = append(s.got, e.Message) }); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *story) step() {
	switch s.rand.IntN(12) {
	default:
		s.log()
	case 0:
		s.w.b[16] = 2
		s.away(".journal")
		s.begin(s.w.seq)
	case 1:
		s.away(".journal~")
		s.id++
		if s.begin(0); s.behind {
			s.now -= 5000
		}
	case 2: // the reader begins anew
		if s.o.From = s.r.Cursor(); s.o.From == (Cursor{}) {
			s.got = nil
		}
		s.r.Close()
		s.r = s.reader(s.o)
	case 3:
		s.w.b[16] = byte(s.rand.IntN(2))
		s.put(activeFile, s.w.b)
	case 4, 5, 6:
		s.read(1 + s.rand.IntN(70))
	}
}

// TestStories: what was entered is told once, in order. Where a clock goes back and the numbering changes, nothing is told twice.
func TestStories(t *testing.T) {
	for seed := range uint64(100) {
		s := &story{host: newHost(t), rand: rand.New(rand.NewPCG(seed, 7)), now: 1e6, behind: seed%2 == 1, o: Options{Match: []string{"A=1", "A=2"}}}
		s.begin(0)
		s.r = s.reader(s.o)
		for range 60 {
			s.step()
		}
		s.read(int(3 * allEach))
		twice := map[string]bool{}
		for _, m := range s.got {
			if twice[m] {
				t.Errorf("seed %d: %s is told twice", seed, m)
			}
			twice[m] = true
		}
		if diff := cmp.Diff(s.want, s.got); diff != "" && !s.behind {
			t.Errorf("seed %d: (-want +got):\n%s", seed, diff)
		}
		s.r.Close()
	}
}
