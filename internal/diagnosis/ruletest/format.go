// SPDX-License-Identifier: Apache-2.0

package ruletest

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// Format writes findings as fixtures hold them: one paragraph each, in the order they were reported.
func Format(findings []diagnosis.Finding) string {
	var b strings.Builder
	for i := range findings {
		f := &findings[i]
		fmt.Fprintf(&b, "%s %s %s %s\n  %s\n", f.Rule.ID, f.Confidence, name(f.About), stamp(f.At), f.Message)
		for _, fact := range f.Facts {
			fmt.Fprintf(&b, "  for     %s\n", formatFact(fact))
		}
		for _, fact := range f.Against {
			fmt.Fprintf(&b, "  against %s\n", formatFact(fact))
		}
		for _, fix := range f.Fixes {
			fmt.Fprintf(&b, "  fix     %s: %s\n", fix.Risk, fix.Title)
			if fix.Command != "" {
				fmt.Fprintf(&b, "          $ %s\n", fix.Command)
			}
			if fix.Patch != nil {
				fmt.Fprintf(&b, "          %s %s %s\n", fix.Patch.Type, name(fix.Patch.Target), fix.Patch.Data)
			}
		}
	}
	return b.String()
}

func formatFact(f evidence.Fact) string {
	return fmt.Sprintf("%s %s %s %s: %s", f.Source, name(f.About), stamp(f.At), f.Where, f.Text)
}

func name(ref evidence.Ref) string {
	if ref.Namespace == "" {
		return ref.String()
	}
	return ref.Namespace + "/" + ref.String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// applyFixes applies each finding's patches to the objects in the snapshot and returns these as files fixed/<path>.
// Fixes are alternatives, so the first patch for an object is the one that is kept.
func applyFixes(t *testing.T, s *evidence.Snapshot, findings []diagnosis.Finding) map[string][]byte {
	t.Helper()
	fixed := map[string][]byte{}
	for i := range findings {
		for _, fix := range findings[i].Fixes {
			if fix.Patch == nil {
				continue
			}
			object := s.Object(fix.Patch.Target)
			if object == nil {
				t.Errorf("fix %q patches %s, which is not in the fixture", fix.Title, name(fix.Patch.Target))
				continue
			}
			patched, err := apply(object, fix.Patch)
			if err != nil {
				t.Errorf("fix %q: %v", fix.Title, err)
				continue
			}
			ref := fix.Patch.Target
			file := path.Join("fixed", ref.Namespace, strings.ToLower(ref.Kind), ref.Name+".yaml")
			if fixed[file] == nil {
				fixed[file] = patched
			}
		}
	}
	return fixed
}

// apply returns the object as YAML after the patch; a patch that changes nothing is an error.
func apply(object evidence.Object, patch *diagnosis.Patch) ([]byte, error) {
	after, err := (&report.Patch{Type: string(patch.Type), Data: patch.Data}).Apply(object)
	if err != nil {
		return nil, err
	}
	if equality.Semantic.DeepEqual(object, after) {
		return nil, fmt.Errorf("the patch changes nothing: %s", patch.Data)
	}
	return yaml.Marshal(after)
}
