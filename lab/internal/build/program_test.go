// SPDX-License-Identifier: Apache-2.0

package build

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is that of the repository.
const root = "../../.."

// folders has the folder below deploy of each program.
var folders = map[string]Program{"agent": Agent, "server": Server}

// TestDockerfile: what the lab runs is what the Dockerfiles of deploy make.
func TestDockerfile(t *testing.T) {
	mod := read(t, "go.mod")
	version, _, _ := strings.Cut(mod[strings.Index(mod, "\ngo ")+4:], "\n")
	version = strings.Join(strings.Split(version, ".")[:2], ".")
	for folder, p := range folders {
		stages := stagesOf(t, "deploy/"+folder+"/Dockerfile")
		if len(stages) != 2 {
			t.Fatalf("%s: %d stages, expected one that builds and one that is the image", folder, len(stages))
		}
		want := p.image(nil, nil)
		entry, err := json.Marshal(want.Entrypoint)
		if err != nil {
			t.Fatal(err)
		}
		final := []string{"FROM scratch"}
		for _, f := range want.Files {
			final = append(final, "COPY --from=build "+f.Path+" "+f.Path)
		}
		final = append(final, "USER "+want.User, `ENTRYPOINT `+string(entry))
		if !slices.Equal(stages[1], final) {
			t.Errorf("%s: the image is made by %q, the lab's would be by %q", folder, stages[1], final)
		}
		for _, dir := range p.sources {
			if line := "COPY " + dir + " " + dir; !slices.Contains(stages[0], line) {
				t.Errorf("%s: the stage that builds has no %q", folder, line)
			}
		}
		flags := strings.ReplaceAll(strings.Join(programBuild, " "), "-s -w", "'-s -w'")
		if line := "RUN CGO_ENABLED=0 go " + flags + " -o /" + p.Name + " ./cmd/" + p.Name; !slices.Contains(stages[0], line) {
			t.Errorf("%s: the stage that builds has no %q", folder, line)
		}
		if stages[0][0] != "FROM golang:"+version+" AS build" {
			t.Errorf("%s: it builds by %q, go.mod asks for Go %s", folder, stages[0][0], version)
		}
	}
}

// TestManifests: the pods leave the entry point to the image, say as whom they run, and write to nothing of the image's.
func TestManifests(t *testing.T) {
	for name, own := range map[string][]string{
		"deploy/agent/agent.yaml":        {"runAsUser: 0 ", "image: inquest-agent:latest"},
		"deploy/server/base/server.yaml": {"runAsUser: 65532\n", "image: inquest:latest"},
	} {
		manifest := read(t, name)
		for _, line := range append(own, "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false") {
			if !strings.Contains(manifest, line) {
				t.Errorf("%s has no %q", name, line)
			}
		}
		if strings.Contains(manifest, "command:") {
			t.Errorf("%s has a command of its own beside the image's entry point", name)
		}
	}
}

// TestSources: all that a program is made of makes its image a new one, and is in the Dockerfile.
func TestSources(t *testing.T) {
	for _, p := range folders {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./cmd/"+p.Name)
		list.Dir = root
		list.Env = append(os.Environ(), "GOOS=linux")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			dir := strings.TrimPrefix(path, "github.com/kubeinquest/inquest/")
			in := func(source string) bool { return dir == source || strings.HasPrefix(dir, source+"/") }
			if !slices.ContainsFunc(p.sources, in) {
				t.Errorf("%s is made of %s as well", p.Name, dir)
			}
		}
	}
}

// TestOnly: of a program the cache keeps one image, and what else it has.
func TestOnly(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	for _, name := range []string{"inquest-000000000000", "inquest-111111111111", "inquest-agent-000000000000", "images-000000000000"} {
		if err := os.Mkdir(filepath.Join(c.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.only(Server.Name, filepath.Join(c.Dir, "inquest-111111111111")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if want := []string{"images-000000000000", "inquest-111111111111", "inquest-agent-000000000000"}; !slices.Equal(left, want) {
		t.Errorf("%q is left, expected %q", left, want)
	}
}

// stagesOf returns the instructions of each stage.
func stagesOf(t *testing.T, dockerfile string) (stages [][]string) {
	for line := range strings.Lines(read(t, dockerfile)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "FROM "):
			stages = append(stages, []string{line})
		default:
			stages[len(stages)-1] = append(stages[len(stages)-1], line)
		}
	}
	return stages
}

func read(t *testing.T, name string) string {
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
