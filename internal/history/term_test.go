// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

// TestTerm: whoever leads writes, whoever led writes no more, also not what was asked for before.
func TestTerm(t *testing.T) {
	everywhere(t, Options{Led: true}, func(t *testing.T, s *Store) {
		write := func() error { return s.Record(t.Context(), death("web-0", 1, 0)) }
		if err := write(); !errors.Is(err, ErrDeposed) {
			t.Errorf("written without a leader: %v", err)
		}
		must(t, s.Lead(t.Context(), "c", 5))
		must(t, write())
		old := s.reign.Load()
		must(t, s.Lead(t.Context(), "c", 6)) // as another process would
		if err := s.Lead(t.Context(), "c", 4); !errors.Is(err, ErrDeposed) {
			t.Errorf("an old term begins again: %v", err)
		}
		must(t, write())
		s.reign.Store(old)
		if err := write(); !errors.Is(err, ErrDeposed) {
			t.Errorf("written by a deposed leader: %v", err)
		}
		must(t, s.Lead(t.Context(), "other", 1)) // another cluster has leaders of its own
		must(t, write())
		s.Follow()
		if err := write(); !errors.Is(err, ErrDeposed) {
			t.Errorf("written by a follower: %v", err)
		}
	})
}

// TestTermStays: a term outlives the process that began it.
func TestTermStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s, err := Open(t.Context(), file, Options{Led: true})
	must(t, err)
	must(t, s.Lead(t.Context(), "c", 7))
	must(t, s.Close())
	s = open(t, file, Options{Led: true})
	if err := s.Lead(t.Context(), "c", 6); !errors.Is(err, ErrDeposed) {
		t.Errorf("an old term begins again: %v", err)
	}
	must(t, s.Lead(t.Context(), "c", 8))
}

func TestNamespaces(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		if all, err := s.Namespaces(t.Context(), 9); err != nil || len(all) > 0 {
			t.Errorf("of an empty history: %q, %v", all, err)
		}
		for i, namespace := range []string{"shop", "", "bank", "shop", "zoo"} {
			d := death("web-0", i, i)
			d = d.in(namespace)
			must(t, s.Record(t.Context(), d))
		}
		all, err := s.Namespaces(t.Context(), 9)
		must(t, err)
		if !slices.Equal(all, []string{"bank", "shop", "zoo"}) {
			t.Errorf("%q", all)
		}
		if all, err = s.Namespaces(t.Context(), 2); err != nil || len(all) > 2 {
			t.Errorf("more than were asked for: %q, %v", all, err)
		}
	})
}
