// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// version is set by the linker for a release: -X github.com/kubeinquest/inquest/internal/cli.version=v1.2.3.
var version string

// A build says which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree had changes that are not in the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	b.Version = cmp.Or(b.Version, "(devel)")
	return b
}

// String returns the build on one line.
func (b build) String() string {
	s := "inquest " + b.Version
	if b.Commit != "" {
		s += " commit " + b.Commit[:min(12, len(b.Commit))]
	}
	if b.Modified {
		s += " modified"
	}
	return s + " " + b.Go + " " + b.Platform
}

func (p *program) version() *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := thisBuild().as(output)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, text)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "one of json, yaml")
	return cmd
}

func (b build) as(output string) (string, error) {
	switch output {
	case "":
		return b.String(), nil
	case "json":
		data, err := json.MarshalIndent(b, "", "  ")
		return string(data), err
	case "yaml":
		data, err := yaml.Marshal(b)
		return string(data[:max(len(data)-1, 0)]), err
	}
	return "", fmt.Errorf("unknown output %q, expected json or yaml", output)
}
