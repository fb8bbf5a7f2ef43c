// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// begin returns the source of evidence, with a context that ends at --request-timeout. On a terminal it says what is
// being done until done is called, which may be called more than once.
func (a *ask) begin(ctx context.Context, p *program) (context.Context, diagnosis.Source, func(), error) {
	limit, err := a.limit()
	if err != nil {
		return nil, nil, nil, err
	}
	progress := newProgress(p.ErrOut)
	source, err := a.source(p, progress.say)
	if err != nil {
		return nil, nil, nil, err
	}
	cancel := func() {}
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	return ctx, source, func() { cancel(); progress.clear() }, nil
}

// limit reads --request-timeout as kubectl does: a duration or whole seconds, and 0 for none.
func (a *ask) limit() (time.Duration, error) {
	text := *a.config.Timeout
	limit, err := time.ParseDuration(text)
	if err != nil {
		limit, err = time.ParseDuration(text + "s")
	}
	if err != nil || limit < 0 {
		return 0, fmt.Errorf("--request-timeout %q is not a time: give seconds or a duration such as 30s", text)
	}
	return limit, nil
}

// late says that --request-timeout was over, where that is why there is an error.
func (a *ask) late(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within --request-timeout %s: give it more, or ask about less", *a.config.Timeout)
	}
	return err
}
