// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// TestStopped: a program that waits for its standard input ends when it is stopped.
func TestStopped(t *testing.T) {
	for _, line := range []string{"scan -", "why -", "fix --from -", "tune probes --from -", "rbac --from -"} {
		synctest.Test(t, func(t *testing.T) {
			in, hands := io.Pipe()
			defer hands.Close()
			ctx, stop := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				stop()
			}()
			var out, notes strings.Builder
			if status := Main(ctx, strings.Fields(line), in, &out, &notes); status != statusInterrupted {
				t.Errorf("%s: exit status %d: %s", line, status, &notes)
			}
		})
	}
}

// TestStoppable: nothing is lost of what comes before, however it comes.
func TestStoppable(t *testing.T) {
	text := strings.Repeat("0123456789", 300_000)
	for name, in := range map[string]io.Reader{"at once": strings.NewReader(text), "by halves": iotest.HalfReader(strings.NewReader(text)), "with its end": iotest.DataErrReader(strings.NewReader(text))} {
		if got, err := io.ReadAll(newStoppable(t.Context(), in)); err != nil || string(got) != text {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(text), err)
		}
	}
}
