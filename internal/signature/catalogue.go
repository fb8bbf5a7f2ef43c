// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"
)

// A Sig is one known way in which a program says what is wrong: an entry of data/*.yaml, where docs/signatures.md says
// what the fields are for.
type Sig struct {
	ID       string   `json:"id"`
	Products []string `json:"products"`          // which products, libraries or languages print it
	Problem  string   `json:"problem"`           // one of Problems
	General  bool     `json:"general,omitempty"` // many print it: one that is not says more
	Literals []string `json:"literals"`          // one of them is in the line, in any case of letters
	Pattern  string   `json:"pattern,omitempty"` // what else the line must match; "" when a literal is enough
	Meaning  string   `json:"meaning"`           // what it says, one sentence
	Look     string   `json:"look"`              // where to look next
	Fix      string   `json:"fix"`               // what ends it
	Source   string   `json:"source,omitempty"`  // where the texts were checked: product, then file of its source; "" when from memory
	Match    []string `json:"match"`             // lines on which it hits
	Miss     []string `json:"miss"`              // the closest lines on which it does not
}

//go:generate go test -run ^TestPageIsCurrent$ -update .

//go:embed data/*.yaml
var data embed.FS

// All are the signatures that the program knows, in the order of the files they are in. They are not to be changed.
func All() []*Sig { return catalogue().sigs }

// catalogue is the Matcher of all signatures, made when it is needed first.
var catalogue = sync.OnceValue(func() *Matcher {
	sigs, err := load(data)
	if err != nil {
		panic(err) // cannot happen: the tests load it
	}
	return NewMatcher(sigs)
})

// load reads the signatures of all files.
func load(files fs.FS) ([]*Sig, error) {
	names, err := fs.Glob(files, "data/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*Sig
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sigs, err := parse(string(raw))
		if err != nil {
			return nil, fmt.Errorf("read signatures %s: %w", name, err)
		}
		all = append(all, sigs...)
	}
	return all, nil
}
