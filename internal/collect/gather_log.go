// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A pendingLog is a log of which it is not settled yet which run of which container it is of.
type pendingLog struct {
	name     string       // of the file
	of       evidence.Ref // as far as the text itself says; zero: by the name
	previous bool
	doubtful bool // nothing but its name can tell that it is a log at all
	text     string
	missing  string
}

// dumpedLog is how kubectl cluster-info dump begins the log of a container.
const dumpedLog = "==== START logs for container "

var (
	dumpedLine = regex.New(`^==== START logs for container (\S+) of pod (?:([^/\s]+)/)?(\S+) ====`)
	// prefixed is how kubectl logs --prefix begins each line.
	prefixed = regex.New(`^\[pod/([^/\]]+)/([^/\]]+)\] `)
	// runtimeLine is how the kubelet keeps a line of a container: time, stream and a mark of partial lines.
	runtimeLine = regex.New(`^(\d{4}-\d\d-\d\dT\S+) (?:stdout|stderr) [FP] `)
	// previousName finds in the name of a file that the log is that of the run before.
	previousName = regex.New(`(?i)(?:^|[^a-z])(?:previous|prev|crash(?:ed)?|terminated|before)(?:[^a-z]|$)|-p\.(?:log|txt)$`)
)

// A logSplitter parts a file into the logs that it holds and keeps the end of each.
type logSplitter struct {
	g     *gathering
	name  string
	tails map[evidence.Ref]*tail
	order []evidence.Ref
	now   evidence.Ref
}

// readLog reads a file of logs.
func (g *gathering) readLog(name string, br *bufio.Reader) error {
	if g.logSize > logBudget {
		g.skipped[name] = true
		return nil
	}
	kept, err := g.tails(name, br)
	for _, l := range kept {
		g.logSize += len(l.text)
	}
	g.logs = append(g.logs, kept...)
	return err
}

func (g *gathering) tails(name string, br *bufio.Reader) ([]pendingLog, error) {
	r := &logSplitter{g: g, name: name, tails: map[evidence.Ref]*tail{}}
	err := lines(br, r.add)
	var list []pendingLog
	for _, of := range r.order {
		text, cut := r.tails[of].text()
		if strings.TrimSpace(text) == "" {
			continue
		}
		l := pendingLog{name: name, of: of, previous: previousName.MatchString(name), text: text}
		if cut {
			l.missing = fmt.Sprintf("everything before the last %s", size(len(text), g.logBytes))
		}
		list = append(list, l)
	}
	return list, err
}

func (r *logSplitter) add(line string) {
	if m := dumpedLine.FindStringSubmatch(line); m != nil {
		r.now = evidence.RefTo("Pod", m[2], m[3]).InContainer(m[1])
		return
	}
	if strings.HasPrefix(line, "==== END logs for container ") {
		return
	}
	of := r.now
	if m := prefixed.FindStringSubmatch(line); m != nil {
		of = evidence.RefTo("Pod", "", m[1]).InContainer(m[2])
		line = line[len(m[0]):]
	}
	t := r.tails[of]
	if t == nil {
		if len(r.order) > 500 {
			return
		}
		t = &tail{max: int(r.g.logBytes)}
		r.tails[of] = t
		r.order = append(r.order, of)
	}
	_, _ = t.Write([]byte(plainLine(line))) // it cannot fail
}

// plainLine takes away what the kubelet or Docker put around a line.
func plainLine(line string) string {
	if m := runtimeLine.FindStringSubmatch(line); m != nil {
		return m[1] + " " + line[len(m[0]):]
	}
	if strings.HasPrefix(line, `{"log":"`) {
		var docker struct {
			Log  string    `json:"log"`
			Time time.Time `json:"time"`
		}
		if json.Unmarshal([]byte(line), &docker) == nil && !docker.Time.IsZero() {
			return docker.Time.UTC().Format(time.RFC3339Nano) + " " + strings.TrimRight(docker.Log, "\n") + "\n"
		}
	}
	return line
}

// readHost keeps the beginning and the end of the log of a node.
func (g *gathering) readHost(name string, br *bufio.Reader) error {
	var front strings.Builder
	end := &tail{max: hostTail}
	err := lines(br, func(line string) {
		if end.received == 0 && front.Len()+len(line) <= hostHead {
			front.WriteString(line)
			return
		}
		_, _ = end.Write([]byte(line)) // it cannot fail
	})
	back, cut := end.text()
	if cut {
		g.notice("%s: of this long log only the beginning and the last %d MiB are read", name, hostTail>>20)
	}
	g.bound++
	g.hosts = append(g.hosts, hostText{name, front.String() + back})
	return err
}

// summaryLog returns how logs in a summary are kept: the lines of one container together.
func (g *gathering) summaryLog(name string) func(evidence.Ref, string, time.Time) {
	index := map[evidence.Ref]int{}
	return func(of evidence.Ref, text string, at time.Time) {
		if !at.IsZero() {
			text = at.UTC().Format(time.RFC3339Nano) + " " + text
		}
		i, ok := index[of]
		if !ok {
			i = len(g.logs)
			index[of] = i
			g.logs = append(g.logs, pendingLog{name: name, of: of, previous: previousName.MatchString(name)})
		}
		if l := &g.logs[i]; len(l.text)+len(text) < int(g.logBytes) {
			l.text += strings.TrimRight(text, "\n") + "\n"
		} else {
			l.missing = "everything after the first " + size(len(l.text), g.logBytes)
		}
	}
}
