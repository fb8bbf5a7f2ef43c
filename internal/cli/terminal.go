// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"github.com/kubeinquest/inquest/internal/report"
)

// maxColumns is as wide as lines are read with ease.
const maxColumns = 120

// columns returns the width of the terminal that w is; 80 when it is none.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 80
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return min(width, maxColumns)
}

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// colored tells whether to use colours: on a terminal that can, unless somebody said no (no-color.org).
func colored(w io.Writer, no bool) bool {
	return !no && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// A progress line says on a terminal what is being done, and is gone afterwards.
type progress struct {
	mu sync.Mutex
	w  io.Writer // nil: nobody looks, or it is over
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w}
}

// eraseLine goes to the beginning of the line and deletes it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

// say replaces the line. It may be called from many goroutines.
func (p *progress) say(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		fmt.Fprintf(p.w, "%s%.*s", eraseLine, columns(p.w)-1, report.Escape(doing))
	}
}

// clear removes the line for good.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		fmt.Fprint(p.w, eraseLine)
	}
	p.w = nil
}
