// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Deaths are a page of deaths, without reports and bundles. Next is the cursor of the page behind it, empty at the end.
type Deaths struct {
	Items []Death
	Next  string
}

// Deaths lists deaths, the latest first.
func (s *Store) Deaths(ctx context.Context, f Filter) (Deaths, error) {
	c, err := parseCursor(f.Cursor)
	if err != nil || f.none() {
		return Deaths{}, err
	}
	q := f.deaths(s.dialect)
	q.after("d.at", "d.id", c)
	var page Deaths
	var last cursor
	err = s.query(ctx, s.reads, func(scan func(...any) error) error {
		if len(page.Items) == f.limit() {
			page.Next = last.String()
			return nil
		}
		d, at, err := scanDeath(scan)
		last = cursor{at, d.ID}
		if !f.Named {
			concealIn(&d, f.Namespaces)
		}
		page.Items = append(page.Items, d)
		return err
	}, deathColumns+q.text()+` ORDER BY d.at DESC, d.id DESC`+q.limit(f.limit()+1), q.args...)
	return page, s.explain("read", err)
}

// Death returns one death; ErrNotFound where there is none in the allowed namespaces, nil for all.
func (s *Store) Death(ctx context.Context, id int64, allowed []string) (Death, error) {
	var q query
	q.where("d.id = %s", id)
	q.among("p.namespace", allowed)
	var found *Death
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		d, _, err := scanDeath(scan)
		concealIn(&d, allowed)
		found = &d
		return err
	}, deathColumns+q.text(), q.args...)
	if err == nil && found == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Death{}, s.explain("read", err)
	}
	return *found, nil
}

// A Count is how many runs ended: those on record, and those of which only the number is known.
type Count struct{ Recorded, Missing int }

// Count counts the runs that a filter means. Their sum is that of the changes of restart counts.
func (s *Store) Count(ctx context.Context, f Filter) (Count, error) {
	var n Count
	if f.none() {
		return n, nil
	}
	q := f.deaths(s.dialect)
	q.where("d.kind = %s", Died)
	err := s.query(ctx, s.reads, func(scan func(...any) error) error { return scan(&n.Recorded, &n.Missing) },
		`SELECT COALESCE(SUM(CASE WHEN d.rank > 0 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN d.rank = 0 THEN 1 ELSE 0 END), 0)`+
			deathTables+q.text(), q.args...)
	return n, s.explain("read", err)
}

// A Cell of the heat map is the deaths of one workload with one cause within one hour.
type Cell struct {
	Namespace string
	Workload  evidence.Ref // a pod without owner stands for itself
	Hour      time.Time
	Rule      string // "" where none explains them
	Deaths    int
	Missing   int
}

// mostCells bounds a heat map.
const mostCells = 50_000

// Heat counts deaths by workload, hour and cause, the latest hour first; of more than the limit, 50,000 where it is 0, the earliest are left
// out. It reads every death between From and To.
func (s *Store) Heat(ctx context.Context, f Filter) ([]Cell, error) {
	if f.none() {
		return nil, nil
	}
	q := f.deaths(s.dialect)
	most := q.arg(cmp.Or(f.Limit, mostCells))
	var cells []Cell
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		c := Cell{Workload: evidence.RefTo("", "", "")}
		var hour int64
		err := scan(&c.Namespace, &c.Workload.Kind, &c.Workload.Name, &hour, &c.Rule, &c.Deaths, &c.Missing)
		c.Workload.Namespace, c.Hour = c.Namespace, time.Unix(hour*3600, 0).UTC()
		cells = append(cells, c)
		return err
	}, `SELECT h.namespace, h.kind, h.name, h.hour, h.rule, COUNT(*), SUM(h.missing) FROM (
			SELECT p.namespace, CASE p.workload_kind WHEN '' THEN 'Pod' ELSE p.workload_kind END AS kind,
				CASE p.workload_kind WHEN '' THEN p.name ELSE p.workload_name END AS name,
				d.at / 3600000000 AS hour, d.rule, CASE d.rank WHEN 0 THEN 1 ELSE 0 END AS missing`+deathTables+q.text()+`) h
		GROUP BY h.namespace, h.kind, h.name, h.hour, h.rule ORDER BY h.hour DESC, h.namespace, h.name, h.kind, h.rule LIMIT `+most, q.args...)
	return cells, s.explain("read", err)
}

// messageOf is what was told of a death d.
const messageOf = `COALESCE((SELECT text FROM messages WHERE id = d.message), '')`

// namesOf is what that names.
const namesOf = `(SELECT names FROM messages WHERE id = d.message)`

// finishedOf is when a death d ended, 0 where that is not known. What places it in time is not written twice: 1 stands for that.
const finishedOf = `(CASE d.finished WHEN 1 THEN d.at ELSE d.finished END)`

const deathTables = ` FROM deaths d JOIN pods p ON p.id = d.pod`

const deathColumns = `SELECT d.id, d.at, (SELECT c.uid FROM clusters c WHERE c.id = p.cluster), d.kind, p.uid, p.namespace, p.name,
	d.container, d.attempt, p.workload_kind, p.workload_name,
	(SELECT name FROM names WHERE id = d.node), (SELECT name FROM names WHERE id = d.image), d.started, ` + finishedOf + `, d.seen, d.exit_code, d.signal,
	d.reason, d.missing, d.rank, d.rule, d.confidence, ` + messageOf + `, ` + namesOf + `, d.version, COALESCE(i.ref, ''), COALESCE(i.thing_kind, ''),
	COALESCE(i.thing_namespace, ''), COALESCE(i.thing_name, ''), COALESCE(i.thing_container, ''),
	d.files > 0` + deathTables + `
	LEFT JOIN shares s ON s.id = d.share LEFT JOIN incidents i ON i.id = s.incident`

func scanDeath(scan func(...any) error) (d Death, at int64, err error) {
	var v Verdict
	var rank, started, finished, seen int64
	d.Of = evidence.RefTo("Pod", "", "")
	err = scan(&d.ID, &at, &d.Cluster, &d.Kind, (*uid)(&d.PodUID), &d.Of.Namespace, &d.Of.Name, &d.Of.Container, &d.Of.Attempt,
		&d.Workload.Kind, &d.Workload.Name, &d.Node, &d.Image, &started, &finished, &seen, &d.ExitCode, &d.Signal, &d.Reason, &d.Missing,
		&rank, &v.Rule, &v.Confidence, &v.Message, (*namesColumn)(&v.Names), &v.Version, &d.Incident, &v.Thing.Kind, &v.Thing.Namespace, &v.Thing.Name,
		&v.Thing.Container, &d.HasBundle)
	d.Started, d.Finished, d.Seen = fromMicros(started), fromMicros(finished), fromMicros(seen)
	if d.Workload.Kind != "" {
		d.Workload.Namespace, d.Workload.Attempt = d.Of.Namespace, evidence.NoAttempt
	}
	if d.Kind == Stuck && d.Workload.Kind != "" && d.Workload.Name == d.Of.Name { // a node, a pod without a workload, or a workload without pods
		d.Of.Kind = d.Workload.Kind
	}
	if v.Thing.Kind != "" {
		v.Thing.Attempt = evidence.NoAttempt
	}
	if rank >= provisional {
		v.Settled = rank == settled
		d.Verdict = &v
	}
	return d, at, err
}

// concealIn leaves out what was told of things that the asker may not see.
func concealIn(d *Death, allowed []string) {
	switch v := d.Verdict; {
	case v == nil:
	case conceal(&v.Thing, allowed):
		v.Message, v.Names = elsewhere, nil
	case allowed != nil:
		v.Message, v.Names = Hide(v.Message, v.Names, allowed), nil
	}
}

// deaths are the conditions on deaths d and their pods p.
func (f *Filter) deaths(in *dialect) *query {
	var q query
	q.optional("p.cluster = (SELECT id FROM clusters WHERE uid = %s)", f.Cluster)
	q.optional("d.share IN (SELECT s.id FROM shares s JOIN incidents i ON i.id = s.incident WHERE i.ref = %s)", f.Incident)
	q.among("p.namespace", f.Namespaces)
	q.optional("d.rule = %s", f.Rule)
	q.optional("d.node = (SELECT id FROM names WHERE name = %s)", f.Node)
	q.optional("d.image = (SELECT id FROM names WHERE name = %s)", f.Image)
	q.optional("p.workload_name = %s", f.Workload.Name)
	q.optional("p.workload_kind = %s", f.Workload.Kind)
	q.optional("p.namespace = %s", f.Workload.Namespace)
	if f.Pod != "" {
		q.where("p.uid = %s", in.uid(clean(f.Pod, maxWord)))
	}
	q.within("d.at", f.From, f.To)
	if f.Unsettled {
		q.conditions = append(q.conditions, "d.rank IN (1, 2)")
	}
	message := messageOf
	if f.Namespaces != nil && !f.Named {
		message = `CASE WHEN ` + namesOf + ` IS NULL OR ` + namesOf + ` <> '' OR EXISTS (SELECT 1 FROM shares o JOIN incidents j ON j.id = o.incident
			WHERE o.id = d.share AND j.thing_namespace NOT IN ('', p.namespace)) THEN '' ELSE ` + messageOf + ` END`
	}
	for _, w := range asked(f.Text) {
		q.conditions = append(q.conditions, `LOWER(p.name || ' ' || d.container || ' ' || (SELECT name FROM names WHERE id = d.node) || ' ' ||
			(SELECT name FROM names WHERE id = d.image) || ' ' || d.reason || ' ' || `+
			message+`) LIKE `+q.arg("%"+likeEscaper.Replace(strings.TrimPrefix(w.any[0], mark))+"%")+` ESCAPE '\'`)
	}
	return &q
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
