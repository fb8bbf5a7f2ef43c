// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

func (p *program) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [RULE]",
		Short: "Print what a rule recognises and how, or list the rules",
		Example: p.examples(`  %[1]s explain
  %[1]s explain MEM001`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("explain one rule at a time: %q or %q", args[0], args[1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return p.runExplain(args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			for _, r := range rules.Everything() {
				ids = append(ids, r.ID+"\t"+r.Title)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (p *program) runExplain(args []string) error {
	if len(args) == 0 {
		for _, r := range rules.Everything() {
			if _, err := fmt.Fprintf(p.Out, "%s  %s\n", r.ID, r.Title); err != nil {
				return err
			}
		}
		return nil
	}
	var ids []string
	for _, r := range rules.Everything() {
		if strings.EqualFold(r.ID, args[0]) {
			_, err := io.WriteString(p.Out, report.Explain(r, columns(p.Out)))
			return err
		}
		ids = append(ids, r.ID)
	}
	if about := p.rulesAbout(args[0]); len(about) > 0 {
		return fmt.Errorf("unknown rule %q, it is mentioned in %s", args[0], strings.Join(about, ", "))
	}
	if near, ok := nearestRule(args[0], ids); ok {
		return fmt.Errorf("unknown rule %q, did you mean %s?", args[0], near)
	}
	return fmt.Errorf("unknown rule %q, %q lists them", args[0], p.name+" explain")
}

// rulesAbout returns the rules whose title or page has a word that begins so.
func (p *program) rulesAbout(word string) []string {
	if len(word) < 3 {
		return nil
	}
	var ids []string
	for _, r := range rules.Everything() {
		words := strings.FieldsFunc(strings.ToLower(r.Title+" "+r.Doc), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, strings.ToLower(word)) }) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
