// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"strings"
)

// parse reads the signatures of a file. It knows no more of YAML than they need, strings and lists of strings in one
// form each, because it runs whenever the program looks into a log, and a reader for all of YAML takes twenty times as
// long. A test reads the files with that, too.
func parse(file string) ([]*Sig, error) {
	var sigs []*Sig
	var block *[]string // the list whose lines come now
	number := 0
	for line := range strings.Lines(file) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if item, ok := strings.CutPrefix(line, "    "); ok && block != nil {
			*block = append(*block, item)
			continue
		}
		if block = nil; line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "- ") {
			sigs = append(sigs, &Sig{})
		}
		key, value, ok := strings.Cut(line[min(len(line), 2):], ":")
		if !ok || len(sigs) == 0 {
			return nil, fmt.Errorf("line %d: %q is no field of a signature", number, line)
		}
		var err error
		if block, err = sigs[len(sigs)-1].set(key, strings.TrimPrefix(value, " ")); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return sigs, nil
}

// set gives a field its value, or returns the list whose lines follow.
func (s *Sig) set(key, value string) (*[]string, error) {
	lists := map[string]*[]string{"products": &s.Products, "literals": &s.Literals, "match": &s.Match, "miss": &s.Miss}
	texts := map[string]*string{
		"id": &s.ID, "problem": &s.Problem, "pattern": &s.Pattern, "meaning": &s.Meaning, "look": &s.Look, "fix": &s.Fix,
		"source": &s.Source,
	}
	list, text := lists[key], texts[key]
	switch {
	case list != nil && value == "|":
		return list, nil
	case list != nil && strings.HasPrefix(value, "["):
		*list = strings.Split(strings.Trim(value, "[]"), ", ")
	case text != nil && strings.HasPrefix(value, "'"):
		*text = strings.ReplaceAll(value[1:max(1, len(value)-1)], "''", "'")
	case text != nil:
		*text = value
	case key == "general":
		s.General = value == "true"
	default:
		return nil, fmt.Errorf("field %q cannot be %q", key, value)
	}
	return nil, nil
}
