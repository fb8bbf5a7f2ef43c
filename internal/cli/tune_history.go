// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// mostRecalled is how many deaths of a workload are looked up in a history, the latest: each is a bundle to read.
const mostRecalled = 200

// recall returns what a history has of the workloads that are asked about: the evidence of each death, the latest first.
func (o *tuneOptions) recall(ctx context.Context, asked []evidence.Ref) (seen []*evidence.Snapshot, err error) {
	s, err := history.Open(ctx, o.history, history.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("--history: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, workload := range asked {
		f := history.Filter{Workload: workload.Object(), Limit: mostRecalled}
		page, err := s.Deaths(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("read the deaths of %s in %s: %w", workload, o.history, err)
		}
		for _, d := range page.Items {
			if !d.HasBundle {
				continue
			}
			files, err := s.Bundle(ctx, d.ID, nil)
			if errors.Is(err, history.ErrNotFound) { // it was removed meanwhile
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read the evidence of %s in %s: %w", d.Of, o.history, err)
			}
			snapshot, err := collect.Bundle{FS: collect.Memory(files)}.Snapshot(ctx, evidence.Selection{})
			if err != nil {
				return nil, fmt.Errorf("read the evidence of %s in %s: %w", d.Of, o.history, err)
			}
			seen = append(seen, snapshot)
		}
	}
	return seen, nil
}
