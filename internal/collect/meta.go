// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// formatVersion is the version of the bundle layout. A reader takes every version up to its own.
const formatVersion = 1

// meta is meta.yaml: what a bundle holds that is not an object, an Event, a log or a fact.
type meta struct {
	Format  int          `json:"format"`
	Taken   time.Time    `json:"taken"`
	Subject *record.Ref  `json:"subject,omitempty"`
	Asked   []record.Ref `json:"asked,omitempty"`
	Context []record.Ref `json:"context,omitempty"`
	Has     []string     `json:"has"`
	Gaps    []metaGap    `json:"gaps,omitempty"`
	Absent  []record.Ref `json:"absent,omitempty"`
	Logs    []metaLog    `json:"logs,omitempty"`
}

type metaGap struct {
	Kinds []string    `json:"kinds"`
	About *record.Ref `json:"about,omitempty"`
	Why   string      `json:"why"`
}

// metaLog says what is not in a log's file. A log that is whole and unmasked has none.
type metaLog struct {
	Of      record.Ref `json:"of"`
	Missing string     `json:"missing,omitempty"`
	Masked  int        `json:"masked,omitempty"`
}

func metaRefsOf(refs []evidence.Ref) []record.Ref {
	var list []record.Ref
	for _, r := range refs {
		list = append(list, record.RefOf(r))
	}
	return list
}

func refsOf(list []record.Ref) []evidence.Ref {
	var refs []evidence.Ref
	for _, m := range list {
		refs = append(refs, m.Ref())
	}
	return refs
}

func metaOf(s *evidence.Snapshot) meta {
	m := meta{Format: formatVersion, Taken: s.Taken, Has: kindNames(s.Has), Asked: metaRefsOf(s.Asked), Absent: metaRefsOf(s.Absent), Context: metaRefsOf(s.Context)}
	if s.Subject != evidence.Cluster {
		subject := record.RefOf(s.Subject)
		m.Subject = &subject
	}
	for _, g := range s.Gaps {
		mg := metaGap{Kinds: kindNames(g.Kind), Why: g.Why}
		if g.About != evidence.Cluster {
			about := record.RefOf(g.About)
			mg.About = &about
		}
		m.Gaps = append(m.Gaps, mg)
	}
	for _, l := range s.Logs {
		if l.Missing != "" || l.Masked > 0 {
			m.Logs = append(m.Logs, metaLog{record.RefOf(l.Of), l.Missing, l.Masked})
		}
	}
	return m
}

// into fills the snapshot with what the meta file says.
func (m meta) into(s *evidence.Snapshot) error {
	if m.Format < 1 || m.Format > formatVersion {
		return fmt.Errorf("format %d is not known, expected 1 to %d: a newer inquest wrote this bundle", m.Format, formatVersion)
	}
	if m.Taken.IsZero() {
		return fmt.Errorf("there is no time in taken")
	}
	s.Taken, s.Asked, s.Context, s.Absent = m.Taken, refsOf(m.Asked), refsOf(m.Context), refsOf(m.Absent)
	if m.Subject != nil {
		s.Subject = m.Subject.Ref()
	}
	for _, name := range m.Has {
		s.Has |= evidence.ParseKind(name)
	}
	for _, g := range m.Gaps {
		gap := evidence.Gap{Why: g.Why}
		for _, name := range g.Kinds {
			gap.Kind |= evidence.ParseKind(name)
		}
		if g.About != nil {
			gap.About = g.About.Ref()
		}
		s.Gaps = append(s.Gaps, gap)
	}
	return nil
}

func kindNames(k evidence.Kind) []string {
	var names []string
	for _, single := range k.Kinds() {
		names = append(names, single.String())
	}
	return names
}
