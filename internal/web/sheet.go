// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// longSheet is how many incidents are in one: as many as the history gives at a time.
const longSheet = 1000

// IncidentRows are incidents as the rows of a sheet, the first of which names the columns. Times are in UTC (RFC 3339).
func IncidentRows(all []history.Incident) [][]string { return incidentRows(each(all, incidentOf)) }

// DeathRows are deaths as the rows of a sheet.
func DeathRows(all []history.Death) [][]string { return deathRows(each(all, deathOf)) }

func incidentRows(all []Incident) [][]string {
	rows := [][]string{{"incident", "state", "first", "last", "deaths", "pods", "rule", "confidence", "about", "namespace", "what", "namespaces", "nodes"}}
	for i := range all {
		in := &all[i]
		rows = append(rows, []string{
			in.ID, in.State, utc(in.First), utc(in.Last), strconv.Itoa(in.Times), strconv.Itoa(in.Pods), in.Rule, in.Confidence,
			in.Thing.String(), in.Thing.Namespace, in.Title, strings.Join(in.Namespaces, " "), strings.Join(in.Nodes, " "),
		})
	}
	return rows
}

func deathRows(all []Death) [][]string {
	rows := [][]string{{"incident", "at", "kind", "namespace", "of", "workload", "node", "image", "exit", "signal", "reason", "rule", "confidence", "why"}}
	for i := range all {
		d := &all[i]
		rows = append(rows, []string{
			d.Incident, utc(d.At), d.Kind, d.Of.Namespace, d.What(), d.Workload.String(), d.Node, d.Image, strconv.Itoa(d.ExitCode), strconv.Itoa(d.Signal),
			d.Reason, d.Rule, d.Confidence, d.Why,
		})
	}
	return rows
}

func utc(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// sheet serves what a page shows as a file for spreadsheets.
func (c *Console) sheet(name string, build view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		may, err := c.Access.Rights(r.Context(), r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		data, err := build(r.Context(), r, may)
		if err != nil {
			c.refuse(w, r, may.missing(err))
			return
		}
		var rows [][]string
		switch data := may.veilOf(nil).cover(data).(type) {
		case List:
			rows = incidentRows(data.Items)
		case IncidentPage:
			rows = deathRows(data.Deaths)
		default:
			c.refuse(w, r, errors.New("write a sheet: there is none of this page"))
			return
		}
		file := name
		if may.Limit > 0 { // a line that says so would be a row
			file = fmt.Sprintf("%s-of-%d-namespaces", name, may.Limit)
		}
		var b bytes.Buffer
		if err := report.CSV(&b, rows); err != nil {
			c.refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		w.Header().Set("Content-Disposition", `attachment; filename="`+file+`.csv"`)
		send(w, r, http.StatusOK, b.Bytes())
	}
}

// many is the list of incidents with as many as a sheet has.
func (c *Console) many(ctx context.Context, r *http.Request, may Rights) (any, error) {
	return c.list(ctx, r, may, longSheet)
}
