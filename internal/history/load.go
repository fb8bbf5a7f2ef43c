// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// load reads incidents in the order of their places, each as far as the asker may see it.
func (s *Store) load(ctx context.Context, places []place, allowed []string, named bool) ([]Incident, error) {
	if len(places) == 0 || allowed != nil && len(allowed) == 0 {
		return nil, nil
	}
	shares, err := s.sharesOf(ctx, places, allowed)
	if err != nil {
		return nil, err
	}
	rows := map[int64]*Incident{}
	var q query
	q.incidents("i.id", places)
	err = s.query(ctx, s.reads, func(scan func(...any) error) error {
		var in Incident
		var id, first, last int64
		err := scan(&id, &in.ID, &in.Cluster, &in.Rule, &in.Thing.Kind, &in.Thing.Namespace, &in.Thing.Name, &in.Thing.Container,
			&in.State, &in.Reopened, &first, &last, &in.Deaths, &in.Pods, &in.Title)
		in.First, in.Last = fromMicros(first), fromMicros(last)
		rows[id] = &in
		return err
	}, `SELECT i.id, i.ref, c.uid, i.rule, i.thing_kind, i.thing_namespace, i.thing_name, i.thing_container, i.state, i.round,
		i.first, i.last, i.deaths, i.pods, i.title FROM incidents i JOIN clusters c ON c.id = i.cluster`+q.text(), q.args...)
	if err != nil {
		return nil, err
	}
	var all []Incident
	for _, p := range places {
		in := rows[p.incident]
		if in == nil || allowed != nil && len(shares[p.incident]) == 0 {
			continue
		}
		in.assemble(shares[p.incident], allowed, named)
		all = append(all, *in)
	}
	return all, nil
}

// incidents restricts a column to some incidents.
func (q *query) incidents(column string, places []place) {
	var list []string
	for _, p := range places {
		list = append(list, q.arg(p.incident))
	}
	q.conditions = append(q.conditions, column+" IN ("+strings.Join(list, ", ")+")")
}

// mostShares bounds what is read of incidents that touch thousands of namespaces.
const mostShares = 20_000

func (s *Store) sharesOf(ctx context.Context, places []place, allowed []string) (map[int64][]*share, error) {
	all := map[int64][]*share{}
	for _, some := range inParts(allowed) {
		var q query
		q.incidents("incident", places)
		q.among("namespace", some)
		n := 0
		err := s.query(ctx, s.reads, func(scan func(...any) error) error {
			if n++; n > mostShares {
				return nil
			}
			sh, incident, err := scanShare(scan)
			all[incident] = append(all[incident], sh)
			return err
		}, `SELECT `+shareColumns+` FROM shares`+q.text()+` ORDER BY first, id`, q.args...)
		if err != nil {
			return nil, err
		}
	}
	return all, s.nameShares(ctx, all)
}

// nameShares reads the names that shares list.
func (s *Store) nameShares(ctx context.Context, shares map[int64][]*share) error {
	names := map[string]string{}
	var numbers []string
	for _, some := range shares {
		for _, sh := range some {
			for _, n := range sh.numbered() {
				if _, ok := names[n]; !ok {
					names[n], numbers = "", append(numbers, n)
				}
			}
		}
	}
	for some := range slices.Chunk(numbers, mostLimit) {
		var q query
		for i, n := range some {
			some[i] = "CAST(" + q.arg(n) + " AS BIGINT)"
		}
		err := s.query(ctx, s.reads, func(scan func(...any) error) error {
			var number int64
			var name string
			err := scan(&number, &name)
			names[strconv.FormatInt(number, 10)] = name
			return err
		}, `SELECT id, name FROM names WHERE id IN (`+strings.Join(some, ", ")+`)`, q.args...)
		if err != nil {
			return err
		}
	}
	for _, some := range shares {
		for _, sh := range some {
			sh.name(names)
		}
	}
	return nil
}

// inParts returns lists of what is allowed that fit into a statement; nil, which is all, is one of them.
func inParts(allowed []string) [][]string {
	if allowed == nil {
		return [][]string{nil}
	}
	return slices.Collect(slices.Chunk(allowed, mostLimit))
}

// assemble puts an incident together from its shares. For whoever may not see all, its counts and times are those of
// what he may see, and a thing in another namespace has no name, unless he named the namespaces
// and may see all.
func (in *Incident) assemble(shares []*share, allowed []string, named bool) {
	if in.Thing.Kind != "" {
		in.Thing.Attempt = evidence.NoAttempt
	}
	if allowed != nil {
		in.Deaths, in.Pods, in.Title = 0, 0, ""
	}
	foreign := !named && conceal(&in.Thing, allowed)
	least, lead := 0, (*share)(nil)
	for i, sh := range shares {
		if allowed != nil {
			in.add(sh, i == 0)
		}
		if lead == nil || sh.leadSettled && !lead.leadSettled {
			lead = sh
		}
		least = max(least, sh.leastSure())
		in.Namespaces = append(in.Namespaces, sh.namespace)
		in.Nodes, in.Images, in.Workloads = merge(in.Nodes, sh.nodes), merge(in.Images, sh.images), merge(in.Workloads, sh.owners)
	}
	slices.Sort(in.Namespaces)
	if lead != nil {
		in.Title, in.Names, in.Confidence = lead.title, lead.names, sure[least]
	}
	if allowed != nil && !named {
		in.Title, in.Names = Hide(in.Title, in.Names, allowed), nil
	}
	if foreign {
		in.Title = elsewhere
	}
}

// add counts a share.
func (in *Incident) add(sh *share, first bool) {
	in.Deaths, in.Pods = in.Deaths+int(sh.deaths), in.Pods+int(sh.pods)
	if first || micros(in.Last) < sh.last {
		in.Last = fromMicros(sh.last)
	}
	if first || micros(in.First) > sh.first {
		in.First = fromMicros(sh.first)
	}
}

func (sh *share) leastSure() int {
	least := 0
	for k, n := range sh.sure {
		if n > 0 {
			least = k
		}
	}
	return least
}

// elsewhere stands for what is told of a thing in a namespace that the asker may not see.
const elsewhere = "its cause lies in another namespace"

// conceal takes the name from a thing that the asker may not see, and tells whether it is one.
func conceal(thing *evidence.Ref, allowed []string) bool {
	if allowed == nil || thing.Namespace == "" || slices.Contains(allowed, thing.Namespace) {
		return false
	}
	*thing = evidence.RefTo(thing.Kind, "", "")
	return true
}

// merge returns both lists in order, without duplicates.
func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
