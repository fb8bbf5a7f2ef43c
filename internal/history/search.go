// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Both databases are given words that are made here, so that both find the same. A word is a run of letters and digits,
// and what joins such runs by . - _ / : @ is one word more, which begins with a mark: "web-0" is found by web-0 and by web. Of
// names that are joined there are as many as pods, and none of them is in the way of whoever looks for the beginning of a word.
const (
	mark        = "=" // before a word that is joined
	mostNames   = 480 // words of the names of one share,
	mostWords   = 320 // and of its evidence
	longestWord = 253 // as names of Kubernetes may be
	mostAsked   = 8
	mostText    = 8 << 10 // bytes of evidence
	mostEnds    = 200     // in which pods, containers and reasons of a share are looked for
)

// terms returns the words of a text once each, in their order, so many at most.
func terms(most int, text ...string) []string {
	seen := map[string]bool{}
	var all []string
	add := func(word string) {
		if isTerm(word) && !seen[word] && len(all) < most {
			seen[word] = true
			all = append(all, word)
		}
	}
	for _, t := range text {
		for joined := range joinedIn(t) {
			add(marked(joined))
			for part := range strings.FieldsFuncSeq(joined, isJoin) {
				add(part)
			}
		}
	}
	return all
}

// joinedIn are the words of a text, those that are joined as one.
func joinedIn(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for joined := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !isWord(r) && !isJoin(r) }) {
			if !yield(strings.TrimFunc(joined, isJoin)) {
				return
			}
		}
	}
}

// marked puts the mark before a word that is joined.
func marked(word string) string {
	if strings.ContainsFunc(word, isJoin) {
		return mark + word
	}
	return word
}

func isTerm(word string) bool {
	return len(word) >= 2 && len(word) <= longestWord && !isTime(strings.TrimPrefix(word, mark))
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isJoin(r rune) bool { return strings.ContainsRune("-_./:@", r) }

// isTime recognises time stamps, which nobody looks for by their letters.
func isTime(word string) bool {
	return len(word) >= 19 && word[4] == '-' && word[7] == '-' && word[10] == 't'
}

// tag is a word that stands for a whole value, such as a node. No text yields it.
func tag(kind, value string) string { return "@" + letters.EncodeToString(hashOf(kind, value))[:12] }

const live = "@live" // in shares of incidents that are not closed

// index writes what a share is found by.
func (t *txn) index(sh *share) error {
	if sh.evidence == "" && sh.lead != 0 {
		report, err := t.report(sh.lead)
		if err != nil {
			return err
		}
		sh.evidence, sh.foreign = evidenceIn(report, sh.namespace)
	}
	tags := []string{tag("rule", sh.in.rule), tag("namespace", sh.namespace)}
	for kind, list := range map[string][]string{"node": sh.nodes, "image": sh.images, "workload": sh.owners} {
		for _, value := range list {
			tags = append(tags, tag(kind, value))
		}
	}
	slices.Sort(tags)
	if sh.in.state != StateClosed {
		tags = append(tags, live)
	}
	ends, err := t.endsOf(sh)
	if err != nil {
		return err
	}
	words := terms(mostNames, slices.Concat([]string{sh.in.rule, sh.namespace}, ends, sh.owners, sh.nodes, sh.images)...)
	if sh.in.where == "" || sh.in.where == sh.namespace { // else it is not for everybody who may see this share
		words = append(words, terms(mostWords, sh.in.thing, sh.telling(), sh.evidence)...)
	}
	slices.Sort(words)
	return t.exec(t.store.dialect.index, sh.id, t.store.dialect.list(append(tags, inEra(sh.id>>t.store.eraBits, slices.Compact(words))...)))
}

// endsOf returns the names of the first pods of a share, and of its containers, and the reasons that they ended for.
func (t *txn) endsOf(sh *share) ([]string, error) {
	pods, others := map[string]bool{}, map[string]bool{}
	err := t.each(func(scan func(...any) error) error {
		var pod, container, reason string
		err := scan(&pod, &container, &reason)
		if len(pods) < mostIndexed {
			pods[pod] = true
		}
		others[container], others[reason] = true, true
		return err
	}, `SELECT DISTINCT p.name, d.container, d.reason FROM deaths d JOIN pods p ON p.id = d.pod WHERE d.share = $1 LIMIT $2`, sh.id, mostEnds)
	return append(slices.Sorted(maps.Keys(pods)), slices.Sorted(maps.Keys(others))...), err
}

// The words of a share have its era before them: so many shares, in the order in which they opened. To find all that begins
// with some letters, a database reads every word that does, and all places of each. That is done for the last era, and for those
// before it only until a page is full.
const eraBits = 16 // of the id of a share are not of its era

func inEra(era int64, words []string) []string {
	of := strconv.FormatInt(era, 36) + mark
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = of + w
	}
	return all
}

// report reads the report of a death within the transaction; nil where there is none.
func (t *txn) report(death int64) ([]byte, error) {
	var blob int64
	found, err := t.row([]any{&blob}, `SELECT pack FROM deaths WHERE id = $1 AND pack IS NOT NULL`, death)
	if err != nil || !found {
		return nil, err
	}
	raw, err := content(t.context(), t.conn, blob)
	if err != nil {
		return nil, err
	}
	files, err := unpack(raw)
	return files[""].data, err
}

type toldThing struct{ Kind, Namespace, Name string }

type toldFact struct {
	Text  string
	About toldThing
}

type toldCause struct {
	Message        string
	About          toldThing
	Facts, Against []toldFact
	Leads          []toldCause
}

// A reading takes from a report the words that whoever may see one namespace may find.
type reading struct {
	namespace string
	text      strings.Builder
	foreign   map[string]bool // names of other namespaces, and of things in them
}

// evidenceIn returns what a report tells in words, but of things in other namespaces, and the names that it has of these.
func evidenceIn(report []byte, namespace string) (text string, foreign map[string]bool) {
	var told struct {
		Causes       []toldCause
		Undetermined []toldCause
	}
	if json.Unmarshal(report, &told) != nil {
		return "", nil
	}
	r := reading{namespace: namespace, foreign: map[string]bool{}}
	r.read(told.Causes)
	r.read(told.Undetermined)
	delete(r.foreign, "")
	return clean(without(r.text.String(), r.foreign), mostText), r.foreign
}

func (r *reading) read(causes []toldCause) {
	for _, c := range causes {
		r.add(c.Message, c.About)
		for _, f := range c.Facts {
			r.add(f.Text, f.About)
		}
		for _, f := range c.Against {
			r.add(f.Text, f.About)
		}
		r.read(c.Leads)
	}
}

func (r *reading) add(text string, about toldThing) {
	if about.Kind == "Namespace" {
		about.Namespace = about.Name
	}
	switch {
	case about.Namespace != "" && about.Namespace != r.namespace:
		r.foreign[strings.ToLower(about.Namespace)], r.foreign[strings.ToLower(about.Name)] = true, true
	case r.text.Len() <= mostText:
		r.text.WriteString(text + "\n")
	}
}

// without leaves out of a text what has one of the names in it, by itself or joined to others: bank/db, db.bank.svc.
func without(text string, names map[string]bool) string {
	if len(names) == 0 {
		return text
	}
	var kept []string
	for joined := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isWord(r) && !isJoin(r) }) {
		parts := strings.FieldsFunc(strings.ToLower(joined), func(r rune) bool { return isJoin(r) && r != '-' })
		if !slices.ContainsFunc(parts, func(part string) bool { return names[part] }) && !names[strings.Trim(strings.ToLower(joined), ".")] {
			kept = append(kept, joined)
		}
	}
	return strings.Join(kept, " ")
}

// asked returns the words that a text asks for: all of them are to be there, the last one as a beginning.
func asked(text string) []word {
	var words []word
	for joined := range joinedIn(clean(text, maxTitle)) {
		if w := marked(joined); isTerm(w) && len(words) < mostAsked {
			words = append(words, word{any: []string{w}, text: true})
		}
	}
	if n := len(words); n > 0 && len(words[n-1].any[0]) > 2 {
		words[n-1].prefix = true
	}
	return words
}

// refill makes the index of what it lacks, as after a migration, or after one at which the program ended: shares are indexed in their order.
func (s *Store) refill(ctx context.Context) error {
	var after int64
	err := s.db.QueryRowContext(ctx, s.dialect.indexed).Scan(&after)
	for done := false; err == nil && !done; {
		err = s.commit([]*job{{run: func(t *txn) (err error) {
			after, done, err = t.refill(after)
			return err
		}}})
	}
	return err
}

func (t *txn) refill(after int64) (last int64, done bool, err error) {
	ids, err := t.numbers(`SELECT id FROM shares WHERE id > $1 ORDER BY id LIMIT 1000`, after)
	if err != nil || len(ids) == 0 {
		return after, true, err
	}
	for _, id := range ids {
		sh, err := t.share(id)
		if err == nil {
			err = t.index(sh)
		}
		if err != nil {
			return after, false, err
		}
	}
	return ids[len(ids)-1], false, nil
}
