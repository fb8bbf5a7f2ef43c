// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// margin is how long before the first death of an incident, and after its last, what happened belongs to its evidence.
const margin = 10 * time.Minute

// Around is the time in which a gap bears on an incident: from shortly before its first death until shortly after its last, and until now
// as long as it may go on: where nothing is seen it may be quiet for that reason alone.
func (in *Incident) Around(now time.Time) (from, to time.Time) {
	from, to = in.First.Add(-margin), in.Last.Add(margin)
	if in.State != StateClosed && now.After(to) {
		to = now
	}
	return from, to
}

// Beyond begins the words of a gap that is as long as a watch which was told to watch some namespaces alone. It bears on nothing that is in them.
const Beyond = "nothing is watched beyond "

// Elsewhere tells whether a gap is beyond what was to be watched.
func (g Gap) Elsewhere() bool { return strings.HasPrefix(g.What, Beyond) }

// Gaps keeps what could not be seen. The same cluster, namespace, start and words are the same gap.
func (s *Store) Gaps(ctx context.Context, gaps ...Gap) error {
	return s.do(ctx, func(t *txn) error {
		for _, g := range gaps {
			cluster, err := t.clusterID(clean(g.Cluster, maxName))
			if err != nil {
				return err
			}
			err = t.exec(`INSERT INTO gaps (cluster, namespace, what, began, ended) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (cluster, namespace, what, began) DO UPDATE SET ended = excluded.ended`,
				cluster, clean(g.Namespace, maxName), clean(g.What, maxTitle), micros(g.From), micros(g.To))
			if err != nil {
				return err
			}
		}
		t.gaps = true
		return nil
	})
}

// GapsIn returns the gaps that touch a span of time, the latest first; those of all namespaces, and those of the ones
// that are allowed.
func (s *Store) GapsIn(ctx context.Context, cluster string, from, to time.Time, allowed []string, limit int) ([]Gap, error) {
	var q query
	q.optional("c.uid = %s", clean(cluster, maxName))
	if allowed != nil {
		allowed = append([]string{""}, allowed...)
	}
	q.among("g.namespace", allowed)
	if !from.IsZero() {
		q.where("(g.ended = 0 OR g.ended >= %s)", micros(from))
	}
	if !to.IsZero() {
		q.where("g.began < %s", micros(to))
	}
	var all []Gap
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var g Gap
		var began, ended int64
		err := scan(&g.Cluster, &g.Namespace, &g.What, &began, &ended)
		g.From, g.To = fromMicros(began), fromMicros(ended)
		all = append(all, g)
		return err
	}, `SELECT c.uid, g.namespace, g.what, g.began, g.ended FROM gaps g JOIN clusters c ON c.id = g.cluster`+q.text()+
		` ORDER BY g.began DESC, g.id DESC`+q.limit(limit), q.args...)
	return all, s.explain("read", err)
}

// mostUnseen is how many gaps of the watch are told of an incident.
const mostUnseen = 1000

// Unseen returns the gaps that bear on an incident: that of now, where nobody watches, and those that were kept.
func (s *Store) Unseen(ctx context.Context, in *Incident, now time.Time, allowed []string) ([]Gap, error) {
	from, to := in.Around(now)
	silent, err := s.Silent(ctx, in.Cluster, now, to)
	if err != nil {
		return nil, err
	}
	kept, err := s.GapsIn(ctx, in.Cluster, from, to, allowed, mostUnseen)
	return append(silent, slices.DeleteFunc(kept, Gap.Elsewhere)...), err
}

// Silence is how long there may be no sign of life of a recorder until its cluster counts as not watched.
const Silence = 90 * time.Second

// SilenceTold is for how long that is told among several clusters.
const SilenceTold = 7 * 24 * time.Hour

// Silent returns since when a cluster, or each of all with "", is not watched as of now, as a gap: one that nobody has kept yet, as whoever died could not, and who
// comes next will. There is none where it is watched or never was, nor one that began at another time or later; zero for any.
func (s *Store) Silent(ctx context.Context, cluster string, now, before time.Time) ([]Gap, error) {
	var q query
	q.optional("uid = %s", clean(cluster, maxName))
	q.where("beat > 0 AND beat < %s", micros(now.Add(-Silence)))
	q.within("beat", time.Time{}, before)
	if cluster == "" { // else it would be told for ever of one that is no more
		q.where("(beat > %s OR (SELECT COUNT(*) FROM clusters WHERE beat > 0) = 1)", micros(now.Add(-SilenceTold)))
	}
	var all []Gap
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		g := Gap{What: "no recorder gave a sign of life"}
		var beat, watched int64
		err := scan(&g.Cluster, &beat, &watched)
		if g.From = fromMicros(beat); cluster == "" && watched > 1 {
			g.What = fmt.Sprintf("no recorder of cluster %s gave a sign of life", g.Cluster)
		}
		all = append(all, g)
		return err
	}, `SELECT uid, beat, (SELECT COUNT(*) FROM clusters WHERE beat > 0) FROM clusters`+q.text()+` ORDER BY beat DESC, uid LIMIT 100`, q.args...)
	return all, s.explain("read", err)
}
