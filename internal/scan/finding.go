// SPDX-License-Identifier: Apache-2.0

// Package scan judges manifests before they ship: it runs the rules about manifests, reads what other scanners say of the
// same files, and holds all of it against one policy, one baseline and one form of waiver. The same files give the same
// answer, byte for byte.
package scan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Severity says how much a finding matters. The words are those of SARIF's level (SARIF 2.1.0, 3.27.10).
type Severity uint8

// The severities. Off is a finding that the policy does not want to hear of.
const (
	Off Severity = iota
	Note
	Warning
	Error
)

var severities = []string{"off", "note", "warning", "error"}

// String returns the word.
func (s Severity) String() string { return severities[min(s, Error)] }

// ParseSeverity is the inverse of String.
func ParseSeverity(word string) (Severity, error) {
	if i := slices.Index(severities, word); i >= 0 {
		return Severity(i), nil
	}
	return Off, fmt.Errorf("unknown severity %q, expected one of %s", word, strings.Join(severities, ", "))
}

// Ours is the name of the tool whose rules are in this program.
const Ours = "inquest"

// A Finding is what one tool says of one place of a file.
type Finding struct {
	Tool        string
	Rule        string
	Title       string // of the rule
	Severity    Severity
	Message     string
	Fix         string // what to do; empty where the tool does not say
	File        string // with slashes, relative to where the scan began if it lies below
	Line        int    // from 1
	Column      int    // from 1; 0 where the tool does not say
	About       evidence.Ref
	Fingerprint string   // the same as long as the rule, the file, the object and the field are
	Also        []string // what other tools say the same: "trivy KSV-0018"
	Waived      string   // why it is accepted; empty where it is not
	Known       bool     // the baseline has it
	Cost        Cost
	paths       []string // surer ways in which another tool's report names the file, the surest first
	external    bool     // it is accepted by what stands outside of the file
	key         string   // what the fingerprint is made of beside tool, rule and file
	effect      string   // the effect of the rule, by which deaths are counted
	field       string   // the field that it is about
}

// Counts tells whether a finding is held against the manifests: it is neither waived nor known before.
func (f *Finding) Counts() bool { return f.Waived == "" && !f.Known }

// text is what is wrong and what to do, where one text tells both.
func (f *Finding) text() string {
	if f.Fix == "" {
		return f.Message
	}
	if strings.HasSuffix(f.Message, "?") {
		return f.Message + " " + f.Fix
	}
	return strings.TrimSuffix(f.Message, ".") + ". " + f.Fix
}

// order sorts findings by where they are: file, line, column, then what they say.
func order(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Tool, b.Tool), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message),
		)
	})
}

// fingerprint names the findings. Of several that are alike but for their lines, each has its number in their order, so that
// a line that moves changes none.
func fingerprint(findings []Finding) {
	seen := map[string]int{}
	for i := range findings {
		f := &findings[i]
		key := strings.Join([]string{f.Tool, f.Rule, f.File, cmp.Or(f.key, f.Message)}, "\x00")
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		f.Fingerprint = hex.EncodeToString(sum[:16])
	}
}

// tidyPath writes a path as findings have it.
func tidyPath(path string) string {
	path = strings.TrimPrefix(path, "file://")
	return filepath.ToSlash(filepath.Clean(path))
}
