// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// helpers are what templates may call.
func (c *Console) helpers() template.FuncMap {
	return template.FuncMap{
		"ago":    func(t time.Time) string { return ago(c.Now(), t) },
		"clock":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") },
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"join":   func(list []string, by string) string { return strings.Join(list, by) },
		"plural": plural,
		"fixCommand": func(f report.Fix) string {
			return f.Line(nil)
		},
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// ago tells a time by how long it is over.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "unknown"
	case d < 0:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// told reads what was told of a death, as far as the caller may see it.
func (c *Console) told(ctx context.Context, id int64, may Rights) (*report.Report, error) {
	data, err := c.Store.Report(ctx, id, may.allowed())
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read the report of death %d: %w", id, err)
	}
	all, err := c.evidence(ctx, id, may)
	if err != nil {
		return nil, err
	}
	return may.narrow(&r, all)
}

// evidence is all that a death was judged by, for whoever may not see all of it: what is to be hidden from him stands there.
func (c *Console) evidence(ctx context.Context, id int64, may Rights) (map[string][]byte, error) {
	if may.All {
		return nil, nil
	}
	all, err := c.Store.Bundle(ctx, id, nil)
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	return all, err
}

// A logText is the log of one run.
type logText struct {
	Name  string    `json:"name"`
	Lines []logLine `json:"lines"`
}

type logLine struct {
	Text   string `json:"text"`
	Marked bool   `json:"marked,omitempty"` // it is cited
}

// mostLines is how many lines of a log a page shows, from its end. The bundle has all that was captured.
const mostLines = 400

// logsOf returns the logs of a death's container, that of the run that ended first, with the lines that are cited.
func logsOf(d *history.Death, bundle map[string][]byte, told *report.Report) []logText {
	cited := map[string]bool{}
	if told != nil {
		cite(cited, told.Causes)
	}
	var logs []logText
	prefix := path.Join("logs", d.Of.Namespace, d.Of.Name, d.Of.Container) + "/"
	for name, data := range bundle {
		number, isLog := strings.CutSuffix(strings.TrimPrefix(name, prefix), ".log")
		if !isLog || !strings.HasPrefix(name, prefix) {
			continue
		}
		lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
		lines = lines[max(len(lines)-mostLines, 0):]
		logs = append(logs, logText{
			Name:  d.Of.Container + " run " + number,
			Lines: each(lines, func(l string) logLine { return logLine{l, isCited(cited, l)} }),
		})
	}
	own := d.Of.Container + " run " + strconv.Itoa(d.Of.Attempt)
	slices.SortFunc(logs, func(a, b logText) int {
		if (a.Name == own) != (b.Name == own) {
			return map[bool]int{true: -1, false: 1}[a.Name == own]
		}
		return strings.Compare(b.Name, a.Name)
	})
	return logs
}

// cite notes the lines of logs that causes, and what follows from them, quote.
func cite(cited map[string]bool, causes []report.Cause) {
	for _, c := range causes {
		for _, f := range c.Facts {
			if f.Source != evidence.FromLog.String() {
				continue
			}
			for line := range strings.SplitSeq(f.Text, "\n") {
				cited[strings.TrimSpace(line)] = true
			}
		}
		cite(cited, c.Leads)
	}
	delete(cited, "")
}

func isCited(cited map[string]bool, line string) bool {
	for text := range cited {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// bundle serves the evidence of a death as inquest why --from reads it.
func (c *Console) bundle(w http.ResponseWriter, r *http.Request) {
	may, err := c.Access.Rights(r.Context(), r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		c.refuse(w, r, errNotFound)
		return
	}
	var files map[string][]byte
	if _, err = c.Store.Death(r.Context(), id, may.allowed()); err == nil {
		files, err = c.Store.Bundle(r.Context(), id, nil)
	}
	if errors.Is(err, history.ErrNotFound) {
		err = errNotFound
	}
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	files = may.files(files)
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="death-%d.zip"`, id))
	if err := collect.WriteZip(w, files); err != nil {
		c.Log.Warn("a bundle was not sent whole", "death", id, "err", err)
	}
}
