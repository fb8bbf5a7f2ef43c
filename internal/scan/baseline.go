// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/collect"
)

// A Baseline is what was found before and is not to fail again: a file that is kept beside the manifests.
type Baseline struct {
	Version  int     `json:"version"`
	Findings []Known `json:"findings"`
}

// A Known is one finding of a baseline. Only the fingerprint counts; the rest is for who reads a change of the file.
type Known struct {
	Fingerprint string `json:"fingerprint"`
	Tool        string `json:"tool"`
	Rule        string `json:"rule"`
	File        string `json:"file"`
	Message     string `json:"message"`
}

// ReadBaseline reads a baseline, strictly.
func ReadBaseline(data []byte) (Baseline, error) {
	var b Baseline
	if err := collect.DecodeStrict(data, &b); err != nil {
		return b, err
	}
	if b.Version != 1 {
		return b, fmt.Errorf("version %d of a baseline is not known, expected 1; write it anew with --write-baseline", b.Version)
	}
	return b, nil
}

// Apply marks the findings that the baseline has, and returns how many of its own are found no more.
func (b Baseline) Apply(r *Result) (gone int) {
	known := map[string]bool{}
	for _, k := range b.Findings {
		known[k.Fingerprint] = true
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Known = known[f.Fingerprint] && f.Waived == ""
		delete(known, f.Fingerprint)
	}
	return len(known)
}

// BaselineOf returns the baseline that knows all findings that count, or are known already.
func BaselineOf(r *Result) ([]byte, error) {
	b := Baseline{Version: 1, Findings: []Known{}}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Waived == "" {
			b.Findings = append(b.Findings, Known{f.Fingerprint, f.Tool, f.Rule, f.File, f.Message})
		}
	}
	return indented(b)
}
