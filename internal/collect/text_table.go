// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A table is the heading of a table that kubectl get or kubectl top printed: what its rows are, and where its columns
// begin.
type table struct {
	kind    string // of the rows: "Pod", "Event", "top pod"
	columns []column
}

type column struct {
	name string
	from int // in characters
}

// A row is the cells of one line by the names of their columns.
type row map[string]string

// multiWord are the headings of more than one word, over all kinds and versions (kubernetes pkg/printers).
var multiWord = []string{
	"NOMINATED NODE", "READINESS GATES", "LAST SEEN", "FIRST SEEN", "NODE SELECTOR", "LAST SCHEDULE", "ACCESS MODES",
	"RECLAIM POLICY", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS",
}

// heading matches a word of a heading: "NAME", "UP-TO-DATE", "CPU(cores)", "PORT(S)", "CPU%".
var heading = regex.New(`^[A-Z][A-Z0-9_-]*(?:\((?:[a-z]+|S)\)|%)?$`)

// readHeading reads the heading of a table. It is one only where its columns are those of something that is known.
func readHeading(line string) (*table, bool) {
	if len(line) > 4096 || !strings.Contains(line, "NAME") && !strings.Contains(line, "LAST SEEN") && !strings.Contains(line, "REASON") {
		return nil, false
	}
	t := &table{}
	words := strings.Fields(line)
	at := 0
	for i := 0; i < len(words); i++ {
		if !heading.MatchString(words[i]) {
			return nil, false
		}
		at += strings.Index(line[at:], words[i])
		c := column{words[i], utf8.RuneCountInString(line[:at])}
		at += len(words[i])
		if i+1 < len(words) && slices.Contains(multiWord, words[i]+" "+words[i+1]) {
			c.name += " " + words[i+1]
			at += strings.Index(line[at:], words[i+1]) + len(words[i+1])
			i++
		}
		t.columns = append(t.columns, c)
	}
	t.kind = t.rowKind()
	return t, t.kind != ""
}

func (t *table) has(names ...string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name }) {
			return false
		}
	}
	return true
}

// rowKind tells what the rows are by the columns that only these have.
func (t *table) rowKind() string {
	switch {
	case t.has("REASON", "MESSAGE"), t.has("REASON", "OBJECT"):
		return "Event"
	case t.has("POD", "CPU(cores)"), t.has("NAME", "CPU(cores)") && !t.has("CPU%") && !t.has("CPU(%)"):
		return "top pod"
	case t.has("NAME", "CPU(cores)"):
		return "top node"
	case !t.has("NAME"):
		return ""
	case t.has("READY", "STATUS", "RESTARTS"):
		return "Pod"
	case t.has("ROLES", "VERSION"), t.has("STATUS", "VERSION"):
		return "Node"
	case t.has("UP-TO-DATE", "NODE SELECTOR"), t.has("DESIRED", "READY", "UP-TO-DATE"), t.has("DESIRED", "NODE-SELECTOR"):
		return "DaemonSet"
	case t.has("UP-TO-DATE", "AVAILABLE"):
		return "Deployment"
	case t.has("DESIRED", "CURRENT", "READY"):
		return "ReplicaSet"
	}
	return t.smallKind()
}

func (t *table) smallKind() string {
	switch {
	case t.has("COMPLETIONS"), t.has("DESIRED", "SUCCESSFUL"):
		return "Job"
	case t.has("SCHEDULE", "SUSPEND"):
		return "CronJob"
	case t.has("RECLAIM POLICY"), t.has("CAPACITY", "CLAIM"):
		return "PersistentVolume"
	case t.has("STATUS", "VOLUME"):
		return "PersistentVolumeClaim"
	case t.has("PROVISIONER"):
		return "StorageClass"
	case t.has("CLUSTER-IP"):
		return "Service"
	case t.has("ENDPOINTS"):
		return "Endpoints"
	case t.has("READY", "AGE") && !t.has("STATUS"):
		return "StatefulSet"
	case t.has("STATUS", "AGE") && len(t.columns) <= 4:
		return "Namespace"
	case t.has("REQUEST", "AGE"):
		return "ResourceQuota"
	}
	return "other"
}

// cells parts a line by where the columns begin. Where it does not fit, as in text whose blanks were joined, it is
// parted by its blanks.
func (t *table) cells(line string) row {
	line = strings.TrimRight(line, " \r\n")
	at := offsets(line)
	r := row{}
	for i, c := range t.columns {
		end := len(line)
		if i+1 < len(t.columns) {
			end = at(t.columns[i+1].from)
		}
		from := at(c.from)
		if from > 0 && from < len(line) && !isBlank(line[from-1]) {
			return t.cellsByBlanks(line)
		}
		r[c.name] = strings.TrimSpace(line[min(from, end):end])
	}
	return r
}

// offsets returns where a character is in bytes; beyond the end, the length.
func offsets(line string) func(int) int {
	if len(line) == utf8.RuneCountInString(line) {
		return func(n int) int { return min(n, len(line)) }
	}
	var starts []int
	for i := range line {
		starts = append(starts, i)
	}
	return func(n int) int {
		if n >= len(starts) {
			return len(line)
		}
		return starts[n]
	}
}

// restartsAgo is the cell of a pod's restarts with when the last one was: it holds blanks.
var restartsAgo = regex.New(`(\d+) \((\S+) ago\)`)

// cellsByBlanks parts a line at its blanks; the last column takes what remains.
func (t *table) cellsByBlanks(line string) row {
	line = restartsAgo.ReplaceAllString(line, "$1\u00a0($2\u00a0ago)")
	cells := gap.Split(strings.TrimSpace(line), len(t.columns))
	if len(cells) < len(t.columns) {
		cells = strings.Fields(line)
	}
	r := row{}
	for i, c := range t.columns {
		switch {
		case i >= len(cells):
		case i+1 == len(t.columns):
			r[c.name] = strings.ReplaceAll(strings.Join(cells[i:], " "), "\u00a0", " ")
		default:
			r[c.name] = strings.ReplaceAll(cells[i], "\u00a0", " ")
		}
	}
	return r
}

// bareRows are rows without a heading (--no-headers, or cut out of a table), by what only they look like. Each may
// begin with a namespace.
var bareRows = []struct {
	kind    string
	pattern *regex.Expr
}{
	{"Pod", regex.New(`^(?:(?P<NAMESPACE>[a-z0-9-]+)\s+)?(?P<NAME>\S+)\s+(?P<READY>\d+/\d+)\s+(?P<STATUS>[A-Z]\S*)\s+(?P<RESTARTS>\d+(?: \(\S+ ago\))?)\s+(?P<AGE>\d[0-9smhdy]+|<unknown>|<invalid>)(?:\s+(?P<IP>[0-9a-f.:]+|<none>)\s+(?P<NODE>\S+)(?:\s+(?P<NOMINATED_NODE>\S+)\s+(?P<GATES>\S+))?(?:\s+(?P<LABELS>\S+))?)?$`)},
	{"Node", regex.New(`^(?P<NAME>\S+)\s+(?P<STATUS>(?:Not)?Ready(?:,SchedulingDisabled)?)\s+(?P<ROLES>\S+)\s+(?P<AGE>\d[0-9smhdy]+)\s+(?P<VERSION>v\d\S+)(?:\s+(?P<INTERNAL_IP>[0-9.]+)\s.*)?$`)},
	{"Deployment", regex.New(`^(?:(?P<NAMESPACE>[a-z0-9-]+)\s+)?(?P<NAME>\S+)\s+(?P<READY>\d+/\d+)\s+(?P<UP_TO_DATE>\d+)\s+(?P<AVAILABLE>\d+)\s+(?P<AGE>\d[0-9smhdy]+)(?:\s.*)?$`)},
	{"Event", regex.New(`^(?:(?P<NAMESPACE>[a-z0-9-]+)\s+)?(?P<LAST_SEEN>\d[0-9smhdy]+(?: \(x\d+ over \S+\))?|<unknown>)\s+(?P<TYPE>Normal|Warning)\s+(?P<REASON>[A-Z]\w+)\s+(?P<OBJECT>[a-z]\S*/\S+)\s+(?P<MESSAGE>.*)$`)},
	{"PersistentVolumeClaim", regex.New(`^(?:(?P<NAMESPACE>[a-z0-9-]+)\s+)?(?P<NAME>\S+)\s+(?P<STATUS>Pending|Bound|Lost)\s{2,}(?:(?P<VOLUME>\S+)\s+(?P<CAPACITY>\d\S*)\s+(?P<ACCESS_MODES>\S+)\s+)?(?:(?P<STORAGECLASS>[a-z]\S*)\s+)?(?:<unset>\s+)?(?P<AGE>\d[0-9smhdy]+)$`)},
}

// readBare reads a row without a heading.
func readBare(line string) (kind string, r row) {
	line = strings.TrimRight(line, " \r")
	if len(line) > 8192 {
		return "", nil
	}
	for _, b := range bareRows {
		m := b.pattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		r = row{}
		for i, name := range b.pattern.SubexpNames() {
			if name != "" && m[i] != "" {
				r[strings.NewReplacer("UP_TO_DATE", "UP-TO-DATE", "INTERNAL_IP", "INTERNAL-IP", "_", " ").Replace(name)] = m[i]
			}
		}
		return b.kind, r
	}
	return "", nil
}
