// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

const (
	// clearance is how often what is too old or too much is removed, for the first time when the recorder has run for a minute.
	clearance = time.Hour
	// tidying is how many clearances there are for each time that the index for searches is put in order, which writes all of it anew.
	tidying = 24
)

// clears removes what is not to be kept, and puts the rest in order.
func (r *Recorder) clears(ctx context.Context) error {
	pause := time.NewTimer(time.Minute)
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
		pause.Reset(clearance)
		removed, err := r.Store.Retain(ctx, r.Now(), r.Keep)
		if removed != (history.Removed{}) {
			r.Log.Info("what was too old or too much was removed", "deaths", removed.Deaths, "incidents", removed.Incidents, "events", removed.Events, "gaps", removed.Gaps)
		}
		if err == nil && n%tidying == 0 {
			err = r.Store.Tidy(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, history.ErrClosed), errors.Is(err, history.ErrDeposed):
			return fmt.Errorf("clear the history: %w", err)
		case err != nil:
			r.Log.Error("the history was not cleared: trying again", "pause", clearance, "err", err)
		}
	}
}
