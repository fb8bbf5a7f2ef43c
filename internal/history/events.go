// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Events keeps Kubernetes Events, one row for each UID, with the greatest count and the latest time that was told.
func (s *Store) Events(ctx context.Context, events ...Event) error {
	return s.do(ctx, func(t *txn) error {
		for i := range events {
			if err := t.event(&events[i]); err != nil {
				return err
			}
		}
		t.events = true
		return nil
	})
}

func (t *txn) event(e *Event) error {
	cluster, err := t.clusterID(clean(e.Cluster, maxName))
	if err != nil {
		return err
	}
	about := cleanRef(e.About)
	return t.exec(`INSERT INTO events (cluster, uid, kind, namespace, name, container, object_uid, type, reason, message, reporter, host,
			first, last, count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (cluster, uid) DO UPDATE SET last = excluded.last, count = excluded.count, message = excluded.message
		WHERE excluded.last > events.last OR excluded.count > events.count`,
		cluster, clean(e.ID, maxName), about.Kind, about.Namespace, about.Name, about.Container, clean(e.UID, maxName),
		clean(e.Type, maxName), clean(e.Reason, maxName), clean(e.Message, maxText), clean(e.Reporter, maxName),
		clean(e.ReportingHost, maxName), micros(e.First), micros(e.Last), e.Count)
}

// EventsOf returns Events with one of some reasons, or with any, about an object, or about anything where about is the zero Ref, of a
// cluster, or of all with "", that happened between two times, oldest first; at most limit of them, the latest. Allowed are the namespaces
// that the asker may see, nil for all; what is in no namespace is in "".
func (s *Store) EventsOf(ctx context.Context, cluster string, about evidence.Ref, from, to time.Time, allowed []string, limit int, reasons ...string) ([]Event, error) {
	var q query
	q.optional("c.uid = %s", clean(cluster, maxName))
	q.among("e.reason", reasons)
	if about.Name != "" {
		about = cleanRef(about)
		q.where("e.name = %s", about.Name)
		q.where("e.namespace = %s", about.Namespace)
		q.where("e.kind = %s", about.Kind)
		q.optional("e.container = %s", about.Container)
	}
	q.among("e.namespace", allowed)
	q.within("e.last", from, to)
	var all []Event
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var e Event
		e.About.Attempt = evidence.NoAttempt
		var first, last int64
		err := scan(&e.Cluster, &e.ID, &e.About.Kind, &e.About.Namespace, &e.About.Name, &e.About.Container, &e.UID, &e.Type, &e.Reason, &e.Message,
			&e.Reporter, &e.ReportingHost, &first, &last, &e.Count)
		e.First, e.Last = fromMicros(first), fromMicros(last)
		all = append(all, e)
		return err
	}, `SELECT * FROM (SELECT c.uid AS home, e.uid, e.kind, e.namespace, e.name, e.container, e.object_uid, e.type, e.reason, e.message, e.reporter, e.host,
			e.first, e.last, e.count FROM events e JOIN clusters c ON c.id = e.cluster`+q.text()+
		` ORDER BY e.last DESC, e.id DESC`+q.limit(limit)+`) found ORDER BY last`, q.args...)
	return all, s.explain("read", err)
}
