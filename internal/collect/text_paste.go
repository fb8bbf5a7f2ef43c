// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A paste is what kubectl printed for people: descriptions and tables, one after the other, perhaps with the commands
// that printed them. Lines are put into it one by one.
type paste struct {
	part  part
	line  int    // the number of the last line
	table *table // the table that is being read
	lines []string
	start int // of lines, which are a description that is being read
	size  int
	blank bool // the last line was blank
	used  bool // something could be read
	alien int  // lines that could not
}

const (
	// maxDescription bounds the description of one object. The longest are those of nodes with hundreds of pods.
	maxDescription = 4 << 20
	// mostNotices bounds how many lines are named that could not be read of one text.
	mostNotices = 5
)

var (
	// prompt is a line with a command in a terminal.
	prompt = regex.New(`^(?:\S{0,64}[\w~/:@.-]*[$#%>❯]\s+|\+ )?(?:sudo )?(?:kubectl|oc|k|crictl|microk8s|minikube)\s+[a-z-]`)
	// serverError is what kubectl prints instead of an answer.
	serverError = regex.New(`^(?:Error from server|error:|Unable to connect to the server|The connection to the server|Warning: |No resources found)`)
	nameLine    = regex.New(`^Name:\s+\S`)
)

// add takes the next line.
func (t *paste) add(line string) {
	t.line++
	line = strings.TrimRight(line, "\r\n")
	defer func() { t.blank = strings.TrimSpace(line) == "" }()
	if t.lines != nil && !(nameLine.MatchString(line) && t.blank) && !t.ends(line) {
		if t.size += len(line); t.size <= maxDescription {
			t.lines = append(t.lines, line)
		}
		return
	}
	switch {
	case nameLine.MatchString(line):
		t.flush()
		t.lines, t.start, t.size, t.table = []string{line}, t.line, len(line), nil
	case t.ends(line):
		t.flush()
		t.table, _ = readHeading(line)
	case strings.TrimSpace(line) == "":
	default:
		t.row(line)
	}
}

// ends tells whether a line ends what was being read: a command, a fence, the heading of a table.
func (t *paste) ends(line string) bool {
	if prompt.MatchString(line) || strings.HasPrefix(line, "```") {
		return true
	}
	_, ok := readHeading(line)
	return ok
}

func (t *paste) flush() {
	if t.lines == nil {
		return
	}
	had := len(t.part.objects)
	parseDescription(t.lines, t.start, &t.part)
	t.used = t.used || len(t.part.objects) > had
	t.lines = nil
}

// row reads a line of a table, with or without a heading.
func (t *paste) row(line string) {
	if m := serverError.FindString(line); m != "" {
		if m != "No resources found" {
			t.part.notice(t.line, "kubectl had no answer: "+line)
		}
		return
	}
	if t.table != nil && readRow(t.table.kind, t.table.cells(line), &t.part) {
		t.used = true
		return
	}
	if kind, r := readBare(line); kind != "" && readRow(kind, r, &t.part) {
		t.used = true
		return
	}
	if n := len(t.part.events); t.table != nil && t.table.kind == "Event" && n > 0 { // a message of several lines
		t.part.events[n-1].message += "\n" + strings.TrimSpace(line)
		return
	}
	if t.alien++; t.alien <= mostNotices {
		t.part.notice(t.line, "not understood: "+line)
	}
}

// end returns what was read.
func (t *paste) end() *part {
	t.flush()
	return &t.part
}

// looksPasted tells whether a text is what kubectl prints for people, by its first lines.
func looksPasted(head string) bool {
	rows, lines := 0, 0
	for line := range strings.Lines(head) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || prompt.MatchString(line) || strings.HasPrefix(line, "```") {
			continue
		}
		if _, ok := readHeading(line); ok && rows == lines {
			return true
		}
		if lines == 0 && nameLine.MatchString(line) {
			return describes(head)
		}
		if kind, _ := readBare(line); kind != "" {
			rows++
		}
		if lines++; lines == 10 {
			break
		}
	}
	return rows > 0 && 10*rows >= 6*lines
}

// describes tells whether a text that has a name goes on as descriptions do.
func describes(head string) bool {
	keys := 0
	for line := range strings.Lines(head) {
		if m := marginLine.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil && marginKeys[m[1]] {
			keys++
		}
	}
	return keys >= 3
}
