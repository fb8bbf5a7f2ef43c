// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
	"github.com/kubeinquest/inquest/internal/report"
)

// newest keeps of each container its newest run, and all that is no run.
func newest(entries []record.Entry) []record.Entry {
	latest := map[evidence.Ref]int{}
	var list []record.Entry
	for i, e := range entries {
		if e.Run == nil {
			list = append(list, e)
			continue
		}
		of := e.Run.Of.InAttempt(evidence.NoAttempt)
		if at, ok := latest[of]; !ok || entries[at].Run.Of.Attempt <= e.Run.Of.Attempt {
			latest[of] = i
		}
	}
	for _, i := range slices.Sorted(maps.Values(latest)) {
		list = append(list, entries[i])
	}
	return list
}

// runsOf returns the runs among entries in order of their pods. Of several entries about one run the last counts.
func runsOf(entries []record.Entry) []*record.Run {
	last := map[string]*record.Run{}
	for _, e := range entries {
		if e.Run != nil {
			last[e.Run.ID+e.Run.Of.String()] = e.Run
		}
	}
	return slices.SortedFunc(maps.Values(last), func(a, b *record.Run) int { return cmp.Or(a.Of.Compare(b.Of), a.Created.Compare(b.Created)) })
}

// containersTable prints the containers that there are, and what they use.
func containersTable(w io.Writer, entries []record.Entry, now time.Time) {
	used := map[evidence.Ref]map[string]float64{}
	for _, e := range entries {
		if f := e.Fact; f != nil {
			if used[f.About] == nil {
				used[f.About] = map[string]float64{}
			}
			used[f.About][f.Name] = f.Value
		}
	}
	tableOf(w, runsOf(newest(entries)), "CPU\tMEMORY\tPEAK", now, func(r *record.Run) []string {
		u := used[r.Of]
		return []string{processors(u, "usage.cpu"), bytesIn(u, "usage.memory"), bytesIn(u, "memory.peak")}
	})
}

// attemptsTable prints every run that is kept.
func attemptsTable(w io.Writer, entries []record.Entry, now time.Time) {
	tableOf(w, runsOf(entries), "RAN\tLOG", now, func(r *record.Run) []string {
		ran, log := "", ""
		if !r.Started.IsZero() && !r.Finished.IsZero() {
			ran = duration.HumanDuration(r.Finished.Sub(r.Started))
		}
		if r.Log {
			log = "kept"
		}
		return []string{ran, log}
	})
}

// tableOf prints runs below the names of their pods, which are long: so the rest has room beside each other.
func tableOf(w io.Writer, runs []*record.Run, head string, now time.Time, more func(*record.Run) []string) {
	if len(runs) == 0 {
		fmt.Fprintln(w, "none that you may see")
		return
	}
	var rows []string
	for _, r := range runs {
		rows = append(rows, row(append([]string{"  " + r.Of.Container, strconv.Itoa(r.Of.Attempt), stateOf(r), ago(r.Started, now)}, more(r)...)))
	}
	table := strings.Split(aligned(append([]string{"  CONTAINER\tATTEMPT\tSTATE\tSTARTED\t" + head}, rows...)), "\n")
	fmt.Fprintln(w, table[0])
	var pod evidence.Ref
	for i, r := range runs {
		if of := r.Of.Object(); of != pod {
			pod = of
			fmt.Fprintln(w, report.Escape(of.Namespace+"/"+of.Name))
		}
		fmt.Fprintln(w, table[i+1])
	}
}

// stateOf is the state of a run with how it ended, unless that says nothing more.
func stateOf(r *record.Run) string {
	if r.State != record.Exited {
		return r.State
	}
	state := r.State + " " + strconv.Itoa(r.ExitCode)
	if r.Reason != "" && r.Reason != "Error" && r.Reason != "Completed" {
		state += " " + r.Reason
	}
	return state
}

func processors(used map[string]float64, name string) string {
	if n, ok := used[name]; ok {
		return strconv.FormatFloat(n, 'f', 2, 64)
	}
	return ""
}

func bytesIn(used map[string]float64, name string) string {
	if n, ok := used[name]; ok {
		return amount(int64(n))
	}
	return ""
}

// amount is a number of bytes for people, in three digits or so.
func amount(n int64) string {
	unit := int64(1)
	for n/unit >= 10<<10 {
		unit <<= 10
	}
	return resource.NewQuantity(n/unit*unit, resource.BinarySI).String()
}

// ago tells how long ago something was.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(at)) + " ago"
}

// manyBytes are numbers of bytes in the words of a source, which are too long to be read.
var manyBytes = regexp.MustCompile(`\b\d{6,18}\b`)

// saturationTable prints how much of each resource is in use.
func saturationTable(w io.Writer, entries []record.Entry, _ time.Time) {
	rows := []string{"RESOURCE\tNOW"}
	for _, e := range entries {
		if e.Fact == nil || e.Fact.About.Kind != "Node" {
			continue
		}
		text := e.Fact.Text
		if e.Fact.Name == "usage.memory" || e.Fact.Name == "disk.space" {
			text = manyBytes.ReplaceAllStringFunc(text, func(digits string) string {
				n, err := strconv.ParseInt(digits, 10, 64)
				if err != nil {
					return digits // cannot happen: there are at most 18
				}
				return amount(n)
			})
		}
		rows = append(rows, row([]string{e.Fact.Name, text}))
	}
	fmt.Fprintln(w, aligned(rows))
}

// row is one of a table: "-" where there is nothing.
func row(cells []string) string {
	for i := range cells {
		cells[i] = report.Escape(cmp.Or(cells[i], "-"))
	}
	return strings.Join(cells, "\t")
}

// aligned makes columns of rows.
func aligned(rows []string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(rows, "\n"))
	_ = w.Flush() // a Builder takes everything
	return strings.TrimSuffix(b.String(), "\n")
}
