// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/report"
)

// helpers are what templates may call.
func (c *Console) helpers() template.FuncMap {
	return template.FuncMap{
		"asset":  c.address,
		"ago":    func(t time.Time) string { return ago(c.Now(), t) },
		"clock":  clock,
		"short":  func(t time.Time) string { return short(c.Now(), t) },
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"join":   strings.Join,
		"some":   some,
		"plural": report.Plural,
		"times":  times,
		"lasted": lasted,
		"spans":  spanWords,
		"escape": url.PathEscape,
		"series": seriesOf,
		"amount": amount,
	}
}

// amount says how much of a unit was used, bytes by the powers of 1024 that limits are written in.
func amount(unit string, value float64) string {
	switch {
	case unit == "percent":
		return strconv.FormatFloat(value, 'g', 3, 64) + "%"
	case unit != "bytes":
		return strconv.FormatFloat(value, 'g', 3, 64)
	}
	for _, u := range []struct {
		name string
		size float64
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if value >= u.size {
			return strconv.FormatFloat(math.Round(10*value/u.size)/10, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// short is the time of day of what was today, and the date as well of what was not.
func short(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "unknown"
	case t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly):
		return t.UTC().Format("15:04:05Z")
	case t.UTC().Year() == now.UTC().Year():
		return t.UTC().Format("Jan 2 15:04Z")
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// some joins the first few of a list and counts the rest.
func some(list []string, most int) string {
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// times words how often an incident was seen. What ended and what is stuck count alike.
func times(in Incident) string {
	if in.Times == in.Pods {
		return report.Plural(in.Pods, "pod")
	}
	return fmt.Sprintf("%d× in %s", in.Times, report.Plural(in.Pods, "pod"))
}

// lasted words how long something took.
func lasted(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	d := to.Sub(from)
	if d >= time.Minute {
		d = d.Round(time.Second)
	} else {
		d = d.Round(10 * time.Millisecond)
	}
	return d.String()
}

func spanWords() []string {
	var words []string
	for _, s := range spans {
		words = append(words, s.Word)
	}
	return words
}

// ago tells a time by how long it is over.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return ""
	case d < time.Second:
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
