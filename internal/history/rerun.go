// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
	"fmt"
)

// A Rerun is the death whose verdict would be another one today.
type Rerun struct {
	Death Death
	Now   Verdict
}

// Again is what became of a rerun as a whole.
type Again struct{ Deaths, Changed, Failed int }

// A Judge says what is told of a death today, by the files of its bundle.
type Judge func(context.Context, Death, map[string][]byte) (Verdict, error)

// Rerun has the bundles that a filter means judged again, the latest death first, and tells which verdicts would change
// in rule, thing, confidence or message. It writes nothing. A bundle that cannot be judged is counted as failed.
func (s *Store) Rerun(ctx context.Context, f Filter, judge Judge, tell func(Rerun) error) (Again, error) {
	var sum Again
	for {
		page, err := s.Deaths(ctx, f)
		if err != nil {
			return sum, err
		}
		for _, d := range page.Items {
			if !d.HasBundle {
				continue
			}
			files, err := s.Bundle(ctx, d.ID, nil)
			if err == nil {
				err = sum.rerun(ctx, d, files, judge, tell)
			}
			if ignore(err, ErrNotFound) != nil { // retention was faster
				return sum, err
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return sum, nil
		}
	}
}

// Rerun has the deaths in an export judged again as those in a history are. Bundle returns the files in a folder, none where there is no such.
func (e *Export) Rerun(ctx context.Context, bundle func(folder string) (map[string][]byte, error), judge Judge, tell func(Rerun) error) (Again, error) {
	var sum Again
	for i := range e.Deaths {
		d := &e.Deaths[i]
		files, err := bundle(cmp.Or(d.Folder, fmt.Sprintf("death-%d", d.ID))) // older exports do not name it
		if err == nil && len(files) > 0 {
			err = sum.rerun(ctx, d.Death, files, judge, tell)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func (sum *Again) rerun(ctx context.Context, d Death, files map[string][]byte, judge Judge, tell func(Rerun) error) error {
	if d.Verdict == nil {
		return nil
	}
	sum.Deaths++
	now, err := judge(ctx, d, files)
	if err != nil {
		sum.Failed++
		return ctx.Err()
	}
	old := d.Verdict
	if old.Rule == now.Rule && old.Thing == now.Thing && old.Confidence == now.Confidence && old.Message == now.Message {
		return nil
	}
	sum.Changed++
	return tell(Rerun{d, now})
}
