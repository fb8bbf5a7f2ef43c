// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Judge returns what rules say today of a death whose evidence was kept, without report and bundle.
func Judge(ctx context.Context, rules []*diagnosis.Rule, d history.Death, files map[string][]byte) (history.Verdict, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return history.Verdict{}, fmt.Errorf("read the evidence of %s: %w", d.Of, err)
		}
		if _, err := f.Write(files[name]); err != nil {
			return history.Verdict{}, fmt.Errorf("read the evidence of %s: %w", d.Of, err)
		}
	}
	if err := w.Close(); err != nil {
		return history.Verdict{}, fmt.Errorf("read the evidence of %s: %w", d.Of, err)
	}
	bundle, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return history.Verdict{}, fmt.Errorf("read the evidence of %s: %w", d.Of, err)
	}
	s, err := collect.Bundle{FS: bundle}.Snapshot(ctx, evidence.Selection{}) // as it was asked then: a pod that is on its way out is in no trouble
	if err != nil {
		return history.Verdict{}, fmt.Errorf("read the evidence of %s: %w", d.Of, err)
	}
	s.Each = []evidence.Ref{d.Of}
	told := telling{s: s, report: diagnosis.Examine(s, rules)}
	a := told.answerAlike(d.Of, cmp.Or(d.Workload, d.Of.Object()))
	if complaining[d.Of.Kind] {
		a, _ = told.unseen(d.Of)
	}
	return history.Verdict{Rule: a.rule, Confidence: a.confidence, Message: a.message, Thing: a.thing}, nil
}
