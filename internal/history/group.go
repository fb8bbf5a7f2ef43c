// SPDX-License-Identifier: Apache-2.0

package history

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
)

// A grouping is what a transaction has read and changed of incidents. It is written when the transaction ends, however
// many deaths came in it.
type grouping struct {
	byKey  map[int64][]*incident
	byID   map[int64]*incident
	shares map[int64]*share
	found  map[shareName]*share
	left   left
}

// Left is the death that was taken out of a share last, and whether that had shrunk before.
type left struct {
	death, share, at int64
	shrunk           bool
}

type shareName struct {
	incident  int64
	namespace string
}

// An incident is a row of incidents.
type incident struct {
	id, key, round int64
	ref, rule      string
	thing, where   string // name and namespace
	cluster        int64
	state, before  State // before: as it is written
	first, last    int64
	pods           int64 // as they are written
	fresh, dirty   bool
}

// attach counts a death in its incident.
func (t *txn) attach(now *known, d *incoming, in *incident) (*share, error) {
	in.include(d.at())
	sh, err := t.shareOf(in, d.Of.Namespace)
	if err != nil {
		return nil, err
	}
	another, sameWords, err := t.another(now, sh.id, d.Of.Container, d.Reason)
	if err != nil {
		return nil, err
	}
	if !another {
		sh.pods++
		if err := t.join(sh, d.Of.Name); err != nil {
			return nil, err
		}
	}
	sh.words = sh.words || !sameWords && sh.pods <= mostIndexed
	sh.deaths++
	sh.sure[sureness(now.confidence)]++
	sh.first, sh.last = min(sh.first, now.at), max(sh.last, now.at)
	sh.list(d)
	sh.dirty, in.dirty = true, true
	if l := t.grouped.left; l.death == now.id && l.share == sh.id && l.at == now.at { // it stays, only better known: nothing is to be counted anew
		sh.shrunk = l.shrunk
	}
	return sh, nil
}

// detach takes a death out of its incident.
func (t *txn) detach(old *known) error {
	sh, err := t.share(old.share)
	if err != nil {
		return err
	}
	another, _, err := t.another(old, sh.id, "", "")
	if err != nil {
		return err
	}
	if !another {
		sh.pods--
	}
	sh.deaths--
	sh.sure[sureness(old.confidence)]--
	if sh.lead == old.id {
		sh.lead, sh.leadSettled = 0, false
	}
	t.grouped.left = left{old.id, sh.id, old.at, sh.shrunk}
	sh.dirty, sh.shrunk, sh.in.dirty = true, true, true
	return nil
}

// another tells whether the share has another death of the same pod, and one that is found by the same words. The plus keeps SQLite
// from looking through all deaths of the share, of which there are thousands in a storm, rather than through those of the pod.
func (t *txn) another(of *known, share int64, container, reason string) (another, sameWords bool, err error) {
	another, err = t.row([]any{&sameWords}, `SELECT container = $4 AND reason = $5 FROM deaths WHERE pod = $1 AND +share = $2 AND id <> $3
		ORDER BY 1 DESC LIMIT 1`, of.pod, share, of.id, container, reason)
	return another, sameWords, err
}

// incidentOf finds the incident that a death belongs to, the nearest in time where there are two, or makes one.
func (t *txn) incidentOf(pod int64, d *incoming) (*incident, error) {
	if d.isVague() {
		if in, err := t.ofContainer(pod, d); in != nil || err != nil {
			return in, err
		}
	}
	v, at := d.Verdict, d.at()
	key := keyOf(d.Cluster, v.Rule, v.Thing.Kind, v.Thing.Namespace, v.Thing.Name, v.Thing.Container)
	candidates, err := t.withKey(key)
	if err != nil {
		return nil, err
	}
	var best *incident
	for _, in := range candidates {
		if t.store.options.near(in, at) && (best == nil || in.distance(at) < best.distance(at)) {
			best = in
		}
	}
	if best != nil {
		return best, nil
	}
	return t.newIncident(key, d)
}

// near tells whether a death at that moment is within the incident, or as long after or before it as it can be reopened.
func (o *Options) near(in *incident, at int64) bool {
	return in.distance(at) <= (o.Close + o.Reopen).Microseconds()
}

func (in *incident) distance(at int64) int64 { return max(in.first-at, at-in.last, 0) }

// include stretches the incident over a moment. A death after the others wakes it up.
func (in *incident) include(at int64) {
	in.first = min(in.first, at)
	if at <= in.last {
		return
	}
	in.last = at
	if in.state == StateClosed {
		in.round++
	}
	in.state = StateOpen
}

const incidentColumns = `id, key, cluster, ref, rule, thing_name, thing_namespace, state, round, first, last, pods`

func (in *incident) fields() []any {
	return []any{&in.id, &in.key, &in.cluster, &in.ref, &in.rule, &in.thing, &in.where, &in.state, &in.round, &in.first, &in.last, &in.pods}
}

// withKey returns the incidents of one key, the latest of them first.
func (t *txn) withKey(key int64) ([]*incident, error) {
	if all, ok := t.grouped.byKey[key]; ok {
		return all, nil
	}
	var all []*incident
	err := t.each(func(scan func(...any) error) error {
		in := &incident{}
		err := scan(in.fields()...)
		all = append(all, t.known(in))
		return err
	}, `SELECT `+incidentColumns+` FROM incidents WHERE key = $1 ORDER BY last DESC LIMIT 16`, key)
	if t.grouped.byKey == nil {
		t.grouped.byKey = map[int64][]*incident{}
	}
	t.grouped.byKey[key] = all
	return all, err
}

// known returns the one record that the transaction has of an incident.
func (t *txn) known(in *incident) *incident {
	if t.grouped.byID == nil {
		t.grouped.byID = map[int64]*incident{}
	}
	if have := t.grouped.byID[in.id]; have != nil {
		return have
	}
	in.before = in.state
	t.grouped.byID[in.id] = in
	return in
}

func (t *txn) incident(id int64) (*incident, error) {
	if in := t.grouped.byID[id]; in != nil {
		return in, nil
	}
	in := &incident{}
	found, err := t.row(in.fields(), `SELECT `+incidentColumns+` FROM incidents WHERE id = $1`, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: incident %d is missing", errDamaged, id)
	}
	return t.known(in), err
}

func (t *txn) newIncident(key int64, d *incoming) (*incident, error) {
	cluster, err := t.clusterID(d.Cluster)
	if err != nil {
		return nil, err
	}
	v, at := d.Verdict, d.at()
	in := &incident{key: key, cluster: cluster, rule: v.Rule, thing: v.Thing.Name, where: v.Thing.Namespace, first: at, last: at, fresh: true, dirty: true}
	for salt := 0; ; salt++ {
		in.ref = refOf(key, d, salt)
		found, err := t.row([]any{&in.id}, `INSERT INTO incidents (ref, key, cluster, rule, thing_kind, thing_namespace, thing_name,
			thing_container, state, round, first, last, deaths, pods, title)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $10, 0, 0, '') ON CONFLICT (ref) DO NOTHING RETURNING id`,
			in.ref, key, cluster, v.Rule, v.Thing.Kind, v.Thing.Namespace, v.Thing.Name, v.Thing.Container, StateOpen, at)
		if err != nil {
			return nil, err
		}
		if found {
			break
		}
	}
	t.known(in)
	t.grouped.byKey[key] = append(t.grouped.byKey[key], in)
	return in, nil
}

// keyOf hashes what an incident is.
func keyOf(words ...string) int64 {
	return int64(binary.BigEndian.Uint64(hashOf(words...)))
}

func hashOf(words ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return sum[:]
}

var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// refOf names an incident by the death that opened it, so that every replica gives it the same name.
func refOf(key int64, d *incoming, salt int) string {
	of := d.Of
	return letters.EncodeToString(hashOf(fmt.Sprint(key), d.PodUID, of.Container, fmt.Sprint(of.Attempt, d.Kind, salt)))[:12]
}
