// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// listItem matches the mark of a Markdown list item or heading, which wrapped lines are indented after.
var listItem = regex.New(`^ *([-*]|\d+\.) +`)

// Explain returns what a rule recognises and how, for a terminal of that many columns. Paragraphs of its doc are
// filled anew; code and tables stay as they are.
func Explain(r *diagnosis.Rule, width int) string {
	p := &printer{width: max(width, minWidth)}
	p.para("", span{r.ID + ": " + r.Title, plain})
	p.WriteByte('\n')
	var open []string // the lines of the paragraph so far
	flush := func() {
		if len(open) > 0 {
			mark := listItem.FindString(open[0])
			open[0] = open[0][len(mark):]
			p.para(mark, span{strings.Join(open, " "), plain})
			open = nil
		}
	}
	fenced := false
	for line := range strings.SplitSeq(strings.TrimSpace(r.Doc), "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		fenced = fenced != fence
		switch {
		case fence, fenced, line == "", strings.HasPrefix(line, "    "), strings.HasPrefix(line, "|"), strings.HasPrefix(line, "#"):
			flush()
			p.WriteString(line + "\n")
		case listItem.MatchString(line):
			flush()
			open = append(open, line)
		default:
			open = append(open, strings.TrimSpace(line))
		}
	}
	flush()
	return p.String()
}
