// SPDX-License-Identifier: Apache-2.0

package history

import (
	"io/fs"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// The bounds of what is taken in, in bytes. Names of Kubernetes have at most 253.
const (
	maxName    = 256
	maxWord    = 512
	maxText    = 4 << 10
	maxTitle   = 1 << 10
	maxReport  = 4 << 20
	maxPart    = 8 << 20
	maxBundle  = 32 << 20
	maxParts   = 2048
	maxPath    = 1 << 10
	maxRecords = 10_000 // deaths in one call
)

// clean makes text fit for both databases: PostgreSQL takes neither NUL nor invalid UTF-8. What is longer than most
// bytes is cut between two characters.
func clean(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

func cleanRef(r evidence.Ref) evidence.Ref {
	return evidence.Ref{
		Kind: clean(r.Kind, maxName), Namespace: clean(r.Namespace, maxName), Name: clean(r.Name, maxName),
		Container: clean(r.Container, maxName), Attempt: min(max(r.Attempt, evidence.NoAttempt), math.MaxInt32),
	}
}

// cleaned returns the death as it is kept.
func (d Death) cleaned() Death {
	d.Cluster, d.PodUID = clean(d.Cluster, maxName), clean(d.PodUID, maxName)
	d.Of, d.Workload = cleanRef(d.Of), cleanRef(d.Workload)
	d.Node, d.Image = clean(d.Node, maxName), clean(d.Image, maxWord)
	d.Reason, d.Missing = clean(d.Reason, maxWord), clean(d.Missing, maxWord)
	if d.Kind == Stuck {
		d.Of.Attempt = evidence.NoAttempt
	}
	if d.Verdict != nil {
		v := *d.Verdict
		v.Rule, v.Confidence, v.Version = clean(v.Rule, maxName), clean(v.Confidence, maxName), clean(v.Version, maxName)
		v.Message, v.Thing = clean(v.Message, maxTitle), cleanRef(v.Thing)
		v.Thing.Attempt = evidence.NoAttempt
		d.Verdict, d.Missing = &v, ""
	}
	return d
}

// bounded returns the paths of the files that are kept of a bundle, in their order. What is too large or has a path
// that leads out of it is left out.
func bounded(files map[string][]byte) []string {
	var paths []string
	for p, data := range files {
		if fs.ValidPath(p) && p != "." && len(p) <= maxPath && clean(p, maxPath) == p && len(data) <= maxPart {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	total := 0
	for i, p := range paths {
		if total += len(files[p]); total > maxBundle || i >= maxParts {
			return paths[:i]
		}
	}
	return paths
}
