// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Mark notes up to which run the ends of a container are accounted for, without a death: what ended before the
// recorder first saw the pod.
func (s *Store) Mark(ctx context.Context, cluster string, marks ...Last) error {
	return s.do(ctx, func(t *txn) error {
		for _, m := range marks {
			of := cleanRef(m.Of)
			pod, err := t.podID(clean(cluster, maxName), clean(m.PodUID, maxName), of, cleanRef(m.Workload))
			if err != nil {
				return err
			}
			if err := t.mark(pod, of.Container, of.Attempt, m.Base); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *txn) mark(pod int64, container string, attempt, base int) error {
	return t.exec(`INSERT INTO ended (pod, container, attempt, base) VALUES ($1, $2, $3, $4)
		ON CONFLICT (pod, container) DO UPDATE SET attempt = excluded.attempt, base = excluded.base
		WHERE ended.attempt < excluded.attempt`, pod, container, attempt, base)
}

// Last returns of each container of pods that were not forgotten the last run that was seen to end, so that a recorder
// that begins anew knows what it missed.
func (s *Store) Last(ctx context.Context, cluster string) ([]Last, error) {
	var all []Last
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		l := Last{Of: evidence.RefTo("Pod", "", "")}
		var finished int64
		err := scan((*uid)(&l.PodUID), &l.Of.Namespace, &l.Of.Name, &l.Of.Container, &l.Of.Attempt, &l.Base, &l.Workload.Kind, &l.Workload.Name, &l.Unsettled, &finished)
		l.Finished = fromMicros(finished)
		if l.Workload.Kind != "" {
			l.Workload.Namespace, l.Workload.Attempt = l.Of.Namespace, evidence.NoAttempt
		}
		all = append(all, l)
		return err
	}, `SELECT p.uid, p.namespace, p.name, e.container, e.attempt, e.base, p.workload_kind, p.workload_name,
			EXISTS (SELECT 1 FROM deaths d WHERE d.pod = p.id AND d.container = e.container AND d.rank IN (1, 2)),
			COALESCE((SELECT `+finishedOf+` FROM deaths d WHERE d.pod = p.id AND d.container = e.container AND d.attempt = e.attempt AND d.kind = 0), 0)
		FROM ended e JOIN pods p ON p.id = e.pod JOIN clusters c ON c.id = p.cluster WHERE c.uid = $1`, clean(cluster, maxName))
	return all, s.explain("read", err)
}

// A Watch is what the history knows of how a cluster was watched.
type Watch struct {
	Since  time.Time // it first was
	Looked bool      // all that was there then has been seen
	Beat   time.Time // the last sign of life of whoever watched it before; zero where nobody did
}

// Begin notes that a cluster is to be watched from now on. That it is, Beat notes.
func (s *Store) Begin(ctx context.Context, cluster string, now time.Time) (w Watch, err error) {
	err = s.do(ctx, func(t *txn) error {
		id, err := t.clusterID(clean(cluster, maxName))
		if err != nil {
			return err
		}
		var begun, beat int64
		var seen int
		_, err = t.row([]any{&begun, &seen, &beat}, `SELECT begun, looked, beat FROM clusters WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if begun == 0 {
			begun = micros(now)
		}
		w = Watch{fromMicros(begun), seen != 0, fromMicros(beat)}
		return t.exec(`UPDATE clusters SET begun = $1 WHERE id = $2`, begun, id)
	})
	return w, err
}

// Beat notes that a cluster is watched still.
func (s *Store) Beat(ctx context.Context, cluster string, now time.Time) error {
	return s.do(ctx, func(t *txn) error {
		return t.exec(`UPDATE clusters SET beat = $1 WHERE uid = $2`, micros(now), clean(cluster, maxName))
	})
}

// Looked notes that all that was there when a cluster was first watched has been seen.
func (s *Store) Looked(ctx context.Context, cluster string) error {
	return s.do(ctx, func(t *txn) error {
		return t.exec(`UPDATE clusters SET looked = 1 WHERE uid = $1`, clean(cluster, maxName))
	})
}

// Forget is told that a pod is gone. Its deaths stay, and what they need of it.
func (s *Store) Forget(ctx context.Context, cluster string, uids ...string) error {
	return s.do(ctx, func(t *txn) error {
		for _, uid := range uids {
			const of = ` IN (SELECT p.id FROM pods p JOIN clusters c ON c.id = p.cluster WHERE c.uid = $1 AND p.uid = $2)`
			for _, statement := range []string{
				`DELETE FROM ended WHERE pod` + of, `DELETE FROM pods WHERE id` + of + ` AND NOT EXISTS (SELECT 1 FROM deaths d WHERE d.pod = pods.id)`,
			} {
				if err := t.exec(statement, clean(cluster, maxName), s.dialect.uid(clean(uid, maxName))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
