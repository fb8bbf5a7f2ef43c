// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

func (p *program) historyExport() *cobra.Command {
	o := &historyOptions{output: "text"}
	file := ""
	cmd := &cobra.Command{
		Use:   "export INCIDENT -o FILE",
		Short: "Save the evidence of an incident's deaths as one bundle",
		Long: `Save the evidence of an incident's deaths as one bundle, the latest first and as
much as a bundle may hold. "why", "serve" and "history rerun" read it by --from.`,
		Example: p.examples(`  %[1]s history export 5k3v -o case.zip
  %[1]s why --from case.zip
  %[1]s why --from case.zip web-0
  %[1]s why --from case.zip/death-17
  %[1]s history rerun --from case.zip`),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return errors.New("say where the evidence goes: -o case.zip")
			}
			return o.with(cmd.Context(), func(s *history.Store) error {
				in, err := o.find(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				return o.export(cmd.Context(), p, s, in, file)
			})
		},
	}
	o.bind(cmd.Flags())
	cmd.Flags().StringVarP(&file, "output", "o", "", "the bundle to write: a .zip, .tar.gz, .txtar, or a folder")
	return cmd
}

func (o *historyOptions) export(ctx context.Context, p *program, s *history.Store, in history.Incident, file string) error {
	all, files, err := s.Export(ctx, in.ID, history.Narrowing{Namespaces: o.filter().Namespaces})
	if err != nil {
		return err
	}
	deaths, folders := 0, map[string]bool{}
	for i := range all.Deaths {
		if folder := all.Deaths[i].Folder; folder != "" {
			deaths++
			folders[folder] = true
		}
	}
	if deaths == 0 {
		return fmt.Errorf("no evidence of incident %s was kept", in.ID)
	}
	if err := collect.WriteArchive(file, files); err != nil {
		return err
	}
	text := fmt.Sprintf("wrote %s: the evidence of %s in %s", file, report.Plural(deaths, "death"), report.Plural(len(folders), "bundle"))
	if without := in.Deaths - deaths - all.LeftOut; without > 0 {
		text += fmt.Sprintf("; of %d more none was kept", without)
	}
	if all.LeftOut > 0 {
		text += fmt.Sprintf("; %s before them left out for want of room", report.Plural(all.LeftOut, "death"))
	}
	_, err = fmt.Fprintln(p.ErrOut, text)
	return err
}

// An exported is what a file that export wrote has.
type exported struct {
	index history.Export
	files fs.FS
}

func readExport(name string) (exported, error) {
	e := exported{}
	var err error
	if e.files, err = collect.OpenArchive(name); err != nil {
		return e, err
	}
	data, err := fs.ReadFile(e.files, "incident.json")
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("%s is no export of an incident: it has no incident.json, which inquest history export writes", name)
	}
	var form map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &form)
	}
	if _, older := form["incident"]; older { // as a page had it, which is what narrowed callers were given
		return e, fmt.Errorf("an older console wrote %s: judge its folders by inquest why --from %s", name, filepath.Join(name, "death-N"))
	}
	if err == nil {
		err = json.Unmarshal(data, &e.index)
	}
	if err != nil {
		return e, fmt.Errorf("read incident.json in %s: %w", name, err)
	}
	return e, nil
}

// bundle returns the files in a folder; none where there is no such.
func (e *exported) bundle(folder string) (map[string][]byte, error) {
	bundle := map[string][]byte{}
	names, err := fs.Glob(e.files, "*")
	if err != nil || !slices.Contains(names, folder) {
		return nil, err
	}
	sub, err := fs.Sub(e.files, folder)
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(sub, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == "report.json" {
			return err
		}
		bundle[name], err = fs.ReadFile(sub, name)
		return err
	})
	return bundle, err
}
