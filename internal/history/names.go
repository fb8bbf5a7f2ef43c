// SPDX-License-Identifier: Apache-2.0

package history

import (
	"maps"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// mostNamed is how many names are kept of what a text names; of one with more it is not known whom it names.
	mostNamed = 64
	// hidden stands for a name of what the asker may not see.
	hidden = "(elsewhere)"
	// unreadable stands for a text of which it is not known whom it names.
	unreadable = "what was told of it may name others: what you may see of the evidence says more"
)

// Hide returns a text without the names of what its reader may not see, given what it names, and the namespaces that he may see, nil for all.
// What has a name of his own is shown by it. Names of namespaces, and what they alone say is in them, are not looked for.
func Hide(text string, names []evidence.Ref, allowed []string) string {
	if allowed == nil || text == "" {
		return text
	}
	own, foreign := map[string]bool{}, map[string]bool{}
	for _, of := range names {
		if of.Name == "" {
			return unreadable
		}
		which := foreign
		if slices.Contains(allowed, of.Namespace) {
			which = own
		}
		which[of.Name], which[of.Namespace+"/"+of.Name] = true, true
	}
	return ReplaceNames(text, func(name string) (string, bool) { return hidden, foreign[name] && !own[name] })
}

// nameLines is how names are kept: each in a line of its own.
func nameLines(names []evidence.Ref) string {
	if len(names) > mostNamed {
		names = []evidence.Ref{{}}
	}
	var lines []string
	for _, of := range names {
		line := strings.ReplaceAll(clean(of.Namespace, maxName)+"/"+clean(of.Name, maxName), "\n", " ")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// telling is the title less what names others; nothing where it is not known whom it names.
func (sh *share) telling() string {
	if slices.ContainsFunc(sh.names, func(of evidence.Ref) bool { return of.Name == "" }) {
		return ""
	}
	return without(sh.title, sh.others())
}

// others are names in what a share is found by that are of other namespaces, in small letters.
func (sh *share) others() map[string]bool {
	all, own := maps.Clone(sh.foreign), map[string]bool{}
	if all == nil {
		all = map[string]bool{}
	}
	for _, of := range sh.names {
		which := all
		if of.Namespace == sh.namespace {
			which = own
		}
		which[strings.ToLower(of.Name)] = true
	}
	maps.DeleteFunc(all, func(name string, _ bool) bool { return own[name] })
	return all
}

// A namesColumn reads what nameLines wrote; what has no value is from before names were noted.
type namesColumn []evidence.Ref

// Scan implements sql.Scanner.
func (n *namesColumn) Scan(value any) error {
	text := "/"
	switch value := value.(type) {
	case string:
		text = value
	case []byte:
		text = string(value)
	}
	*n = nil
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' }) {
		space, name, _ := strings.Cut(line, "/")
		*n = append(*n, evidence.RefTo("", space, name))
	}
	return nil
}

func inName(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// nameEnd is where the word ends that begins a text; dotted words may have dots within them, as names of pods may.
func nameEnd(text string, dotted bool) int {
	n := 0
	for n < len(text) && (inName(text[n]) || dotted && text[n] == '.') {
		n++
	}
	return len(strings.TrimRight(text[:n], "."))
}

// ReplaceNames puts something in the place of words of a text that may be names. Each is asked for with what is joined to it, as
// bank/vault-0 or vault-0.bank, and then by itself.
func ReplaceNames(text string, as func(name string) (string, bool)) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		word := nameEnd(text[i:], false)
		if word == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := word
		for _, n := range candidates(text[i:], word) {
			if other, is := as(text[i : i+n]); is {
				b.WriteString(other)
				word, end = 0, n
				break
			}
		}
		b.WriteString(text[i : i+word])
		i += end
	}
	return b.String()
}

// candidates are the lengths of the words that may be a name at the beginning of a text, the longest first.
func candidates(text string, word int) []int {
	all := []int{word}
	if dotted := nameEnd(text, true); dotted > word {
		all = append(all, dotted)
	}
	if rest := text[word:]; strings.HasPrefix(rest, "/") {
		for _, dotted := range []bool{false, true} {
			if n := nameEnd(rest[1:], dotted); n > 0 && word+1+n > all[len(all)-1] {
				all = append(all, word+1+n)
			}
		}
	}
	slices.Reverse(all)
	return all
}
