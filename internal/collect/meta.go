// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// formatVersion is the version of the bundle layout. A reader takes every version up to its own.
const formatVersion = 1

// meta is meta.yaml: what a bundle holds that is not an object, an Event, a log or a fact.
type meta struct {
	Format  int       `json:"format"`
	Taken   time.Time `json:"taken"`
	Subject *metaRef  `json:"subject,omitempty"`
	Asked   []metaRef `json:"asked,omitempty"`
	Context []metaRef `json:"context,omitempty"`
	Has     []string  `json:"has"`
	Gaps    []metaGap `json:"gaps,omitempty"`
	Absent  []metaRef `json:"absent,omitempty"`
	Logs    []metaLog `json:"logs,omitempty"`
}

type metaRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Attempt   *int   `json:"attempt,omitempty"`
}

type metaGap struct {
	Kinds []string `json:"kinds"`
	About *metaRef `json:"about,omitempty"`
	Why   string   `json:"why"`
}

// metaLog says what is not in a log's file. A log that is whole and unmasked has none.
type metaLog struct {
	Of      metaRef `json:"of"`
	Missing string  `json:"missing,omitempty"`
	Masked  int     `json:"masked,omitempty"`
}

func metaRefOf(r evidence.Ref) metaRef {
	m := metaRef{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Container: r.Container}
	if r.Attempt != evidence.NoAttempt {
		m.Attempt = &r.Attempt
	}
	return m
}

func (m metaRef) ref() evidence.Ref {
	r := evidence.RefTo(m.Kind, m.Namespace, m.Name).InContainer(m.Container)
	if m.Attempt != nil {
		r.Attempt = *m.Attempt
	}
	return r
}

func metaRefsOf(refs []evidence.Ref) []metaRef {
	var list []metaRef
	for _, r := range refs {
		list = append(list, metaRefOf(r))
	}
	return list
}

func refsOf(list []metaRef) []evidence.Ref {
	var refs []evidence.Ref
	for _, m := range list {
		refs = append(refs, m.ref())
	}
	return refs
}

func metaOf(s *evidence.Snapshot) meta {
	m := meta{Format: formatVersion, Taken: s.Taken, Has: kindNames(s.Has), Asked: metaRefsOf(s.Asked), Absent: metaRefsOf(s.Absent), Context: metaRefsOf(s.Context)}
	if s.Subject != evidence.Cluster {
		subject := metaRefOf(s.Subject)
		m.Subject = &subject
	}
	for _, g := range s.Gaps {
		mg := metaGap{Kinds: kindNames(g.Kind), Why: g.Why}
		if g.About != evidence.Cluster {
			about := metaRefOf(g.About)
			mg.About = &about
		}
		m.Gaps = append(m.Gaps, mg)
	}
	for _, l := range s.Logs {
		if l.Missing != "" || l.Masked > 0 {
			m.Logs = append(m.Logs, metaLog{metaRefOf(l.Of), l.Missing, l.Masked})
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
		s.Subject = m.Subject.ref()
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
			gap.About = g.About.ref()
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
