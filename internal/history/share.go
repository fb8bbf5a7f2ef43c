// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// mostListed is how many nodes, images and workloads of an incident are listed in each namespace.
const mostListed = 64

// A share is a row of shares: what of an incident lies in one namespace. What its asker may see is made of these.
type share struct {
	id, lead, trimmed     int64
	in                    *incident
	namespace, title      string
	names                 []evidence.Ref // that the title names
	first, last           int64
	deaths, pods          int64
	sure                  [3]int64 // deaths by sureness
	leadSettled           bool
	nodes, images, owners []string
	listed                [3]string       // the same, as the numbers of their names
	evidence              string          // of the lead, where it came in this transaction
	foreign               map[string]bool // names in that of what lies in other namespaces
	dirty, shrunk, words  bool            // words: what it is found by has changed
}

var sure = []string{"certain", "likely", "possible"}

// sureness orders confidence, the least sure last. What is none of the three is possible.
func sureness(confidence string) int {
	if i := slices.Index(sure, confidence); i >= 0 {
		return i
	}
	return len(sure) - 1
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// list notes where the death was.
func (sh *share) list(d *incoming) {
	owner := ""
	if d.Workload.Kind != "" {
		owner = d.Workload.Kind + "/" + d.Workload.Name
	}
	for _, l := range []struct {
		to   *[]string
		word string
	}{{&sh.nodes, d.Node}, {&sh.images, d.Image}, {&sh.owners, owner}} {
		word := strings.ReplaceAll(l.word, "\n", " ")
		if word != "" && len(*l.to) < mostListed && !slices.Contains(*l.to, word) {
			*l.to, sh.words = append(*l.to, word), true
		}
	}
}

// follow lets a death give the title, where there is none or only a provisional one.
func (sh *share) follow(now *known, d *incoming) {
	if sh.lead != 0 && (sh.leadSettled || !d.Verdict.Settled) {
		return
	}
	sh.lead, sh.leadSettled = now.id, d.Verdict.Settled
	sh.title, sh.names, sh.words = d.Verdict.Message, d.Verdict.Names, true
	sh.evidence, sh.foreign = evidenceIn(d.Verdict.Report, sh.namespace)
}

const shareColumns = `id, incident, namespace, first, last, deaths, pods, trimmed, certain, likely, possible, lead, lead_settled,
	COALESCE(title, (SELECT m.text FROM deaths d JOIN messages m ON m.id = d.message WHERE d.id = shares.lead), ''),
	CASE WHEN title IS NULL THEN (SELECT m.names FROM deaths d JOIN messages m ON m.id = d.message WHERE d.id = shares.lead) ELSE names END, nodes, images, workloads`

// scanShare reads a row; the incident is an id, because what it is told about it may have to be read first.
func scanShare(scan func(...any) error) (*share, int64, error) {
	var sh share
	var incident, led int64
	err := scan(&sh.id, &incident, &sh.namespace, &sh.first, &sh.last, &sh.deaths, &sh.pods, &sh.trimmed,
		&sh.sure[0], &sh.sure[1], &sh.sure[2], &sh.lead, &led, &sh.title, (*namesColumn)(&sh.names), &sh.listed[0], &sh.listed[1], &sh.listed[2])
	sh.leadSettled = led != 0
	return &sh, incident, err
}

// numbered are the numbers of the names that the share lists.
func (sh *share) numbered() []string {
	return strings.Fields(strings.Join(sh.listed[:], " "))
}

// name puts the names in place of their numbers.
func (sh *share) name(names map[string]string) {
	for i, to := range []*[]string{&sh.nodes, &sh.images, &sh.owners} {
		*to = nil
		for number := range strings.FieldsSeq(sh.listed[i]) {
			*to = append(*to, names[number])
		}
	}
}

// number is the inverse of name.
func (t *txn) number(sh *share) error {
	for i, list := range [][]string{sh.nodes, sh.images, sh.owners} {
		var numbers []string
		for _, name := range list {
			id, err := t.nameID(name)
			if err != nil {
				return err
			}
			numbers = append(numbers, strconv.FormatInt(id, 10))
		}
		sh.listed[i] = strings.Join(numbers, " ")
	}
	return nil
}

func (t *txn) share(id int64) (*share, error) {
	if sh := t.grouped.shares[id]; sh != nil {
		return sh, nil
	}
	return t.findShare(`id = $1`, id)
}

// findShare reads a share; nil where there is none.
func (t *txn) findShare(where string, args ...any) (*share, error) {
	var found *share
	var incident int64
	err := t.each(func(scan func(...any) error) (err error) {
		found, incident, err = scanShare(scan)
		return err
	}, `SELECT `+shareColumns+` FROM shares WHERE `+where, args...)
	if err != nil || found == nil {
		return nil, err
	}
	if found.in, err = t.incident(incident); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, number := range found.numbered() {
		var name string
		if _, err := t.row([]any{&name}, `SELECT name FROM names WHERE id = CAST($1 AS BIGINT)`, number); err != nil {
			return nil, err
		}
		names[number] = name
	}
	found.name(names)
	t.knowShare(found)
	return found, nil
}

func (t *txn) knowShare(sh *share) {
	if t.grouped.shares == nil {
		t.grouped.shares, t.grouped.found = map[int64]*share{}, map[shareName]*share{}
	}
	t.grouped.shares[sh.id] = sh
	t.grouped.found[shareName{sh.in.id, sh.namespace}] = sh
}

// shareOf finds or makes the share of an incident in a namespace.
func (t *txn) shareOf(in *incident, namespace string) (*share, error) {
	if sh := t.grouped.found[shareName{in.id, namespace}]; sh != nil {
		return sh, nil
	}
	if !in.fresh {
		sh, err := t.findShare(`incident = $1 AND namespace = $2`, in.id, namespace)
		if sh != nil || err != nil {
			return sh, err
		}
	}
	sh := &share{in: in, namespace: namespace, first: math.MaxInt64}
	_, err := t.row([]any{&sh.id}, `INSERT INTO shares (incident, namespace, state, first, last, deaths, pods, trimmed, certain, likely,
		possible, lead, lead_settled, title, nodes, images, workloads)
		VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', '', '') RETURNING id`, in.id, namespace, in.state)
	t.knowShare(sh)
	return sh, err
}

// recount makes good what cannot be counted down: the ends of the span, the lists, the names of pods, the title.
func (t *txn) recount(sh *share) error {
	var first, last int64
	if _, err := t.row([]any{&first, &last}, `SELECT COALESCE(MIN(at), 0), COALESCE(MAX(at), 0) FROM deaths WHERE share = $1`, sh.id); err != nil {
		return err
	}
	if sh.trimmed == 0 {
		sh.first = first
	}
	sh.last, sh.words = max(last, sh.first), true
	if err := t.leave(sh); err != nil {
		return err
	}
	for _, l := range []struct {
		to   *[]string
		what string
	}{{&sh.nodes, "node"}, {&sh.images, "image"}} {
		var all []string
		err := t.each(func(scan func(...any) error) error {
			var word string
			err := scan(&word)
			all = append(all, strings.ReplaceAll(word, "\n", " "))
			return err
		}, fmt.Sprintf(`SELECT name FROM names WHERE name <> '' AND id IN (SELECT %s FROM deaths WHERE share = $1) LIMIT %d`, l.what, mostListed), sh.id)
		if err != nil {
			return err
		}
		if sh.trimmed == 0 {
			*l.to = all
		}
	}
	if sh.lead != 0 {
		return nil
	}
	sh.evidence, sh.foreign = "", nil
	_, err := t.row([]any{&sh.lead, &sh.leadSettled, &sh.title, (*namesColumn)(&sh.names)},
		`SELECT d.id, d.rank = 3, `+messageOf+`, `+namesOf+` FROM deaths d WHERE d.share = $1 ORDER BY d.at, d.id LIMIT 1`, sh.id)
	return err
}
