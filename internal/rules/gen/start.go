// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A draft is a rule to begin with.
type draft struct{ ID, Family, Title string }

var (
	ruleID     = regexp.MustCompile(`^[A-Z]{3}[0-9]{3}$`)
	familyName = regexp.MustCompile(`^[a-z]+$`)
)

func (d draft) validate() error {
	switch {
	case !ruleID.MatchString(d.ID):
		return fmt.Errorf("ID %q must be three capitals and three digits, such as MEM009", d.ID)
	case !familyName.MatchString(d.Family):
		return fmt.Errorf("FAMILY %q must be one word in lower case, such as memory", d.Family)
	case d.name() == "" || strings.HasSuffix(d.Title, "."):
		return fmt.Errorf("TITLE %q must be a sentence without a full stop", d.Title)
	}
	return nil
}

// name is the rule's variable, made of its title's words.
func (d draft) name() string {
	var b strings.Builder
	words := strings.FieldsFunc(d.Title, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, word := range words {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func (d draft) folder() string { return path.Join("internal/rules", d.Family) }

// start writes the files of a new rule and adds it to its family's list. The tests of the family fail from then on,
// and say what is left to write.
func start(project *os.Root, d draft) error {
	if err := d.validate(); err != nil {
		return err
	}
	if err := d.unused(project.FS()); err != nil {
		return err
	}
	files := map[string]string{
		path.Join(d.folder(), strings.ToLower(d.name())+".go"):    d.rule(),
		path.Join(d.folder(), "testdata", d.ID+".txtar"):          d.fixture("fires"),
		path.Join(d.folder(), "testdata", d.ID+"-nearmiss.txtar"): d.fixture("stays silent: its closest look-alike"),
	}
	list, err := d.listed(project.FS())
	if errors.Is(err, fs.ErrNotExist) {
		err = d.family(project.FS(), files)
	} else {
		files[d.list()] = list
	}
	if err != nil {
		return err
	}
	return write(project, files)
}

// unused makes sure that no rule has the id.
func (d draft) unused(project fs.FS) error {
	names, err := fs.Glob(project, "internal/rules/*/*.go")
	if err != nil {
		return err
	}
	for _, name := range names {
		source, err := fs.ReadFile(project, name)
		if err != nil {
			return err
		}
		if slices.Contains(idsIn(source), d.ID) {
			return fmt.Errorf("%s is given already, in %s", d.ID, name)
		}
	}
	return nil
}

func write(project *os.Root, files map[string]string) error {
	for name, text := range files {
		data := []byte(text)
		if path.Ext(name) == ".go" {
			var err error
			if data, err = format.Source(data); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
		}
		if err := project.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := project.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d draft) list() string { return path.Join(d.folder(), d.Family+".go") }

var (
	listBegin = "var Rules = []*diagnosis.Rule{\n"
	ruleDecl  = regexp.MustCompile(`(?m)^var (\w+) = (?:&diagnosis\.Rule\{|\w+\()[^{]*?ID:\s+"([A-Z]{3}[0-9]{3})"`)
)

func idsIn(source []byte) []string {
	var ids []string
	for _, m := range ruleDecl.FindAllSubmatch(source, -1) {
		ids = append(ids, string(m[2]))
	}
	return ids
}

// listed returns the family's file with the rule in its list, in order of id.
func (d draft) listed(project fs.FS) (string, error) {
	source, err := fs.ReadFile(project, d.list())
	if err != nil {
		return "", err
	}
	head, tail, ok := bytes.Cut(source, []byte(listBegin))
	if !ok {
		return "", fmt.Errorf("%s has no %q", d.list(), strings.TrimSpace(listBegin))
	}
	ids, err := d.siblings(project)
	if err != nil {
		return "", err
	}
	var list strings.Builder
	added := false
	for line := range strings.Lines(string(tail)) {
		id, isRule := ids[strings.Trim(line, "\t,\n")]
		if !added && (isRule && id > d.ID || strings.HasPrefix(line, "}")) {
			fmt.Fprintf(&list, "\t%s,\n", d.name())
			added = true
		}
		list.WriteString(line)
	}
	return string(head) + listBegin + list.String(), nil
}

// siblings returns the ids of the family's rules by the names of their variables.
func (d draft) siblings(project fs.FS) (map[string]string, error) {
	names, err := fs.Glob(project, path.Join(d.folder(), "*.go"))
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, name := range names {
		source, err := fs.ReadFile(project, name)
		if err != nil {
			return nil, err
		}
		for _, m := range ruleDecl.FindAllSubmatch(source, -1) {
			ids[string(m[1])] = string(m[2])
		}
	}
	return ids, nil
}
