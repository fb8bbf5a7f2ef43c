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

// TestDockerfile: what the lab runs is what deploy/agent/Dockerfile makes.
func TestDockerfile(t *testing.T) {
	stages := stagesOf(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, expected one that builds and one that is the image", len(stages))
	}
	want := agentImage(nil)
	entry, err := json.Marshal(want.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	file := want.Files[0].Path
	final := []string{"FROM scratch", "COPY --from=build " + file + " " + file, "USER " + want.User, `ENTRYPOINT ` + string(entry)}
	if !slices.Equal(stages[1], final) {
		t.Errorf("the image is made by %q, the lab's would be by %q", stages[1], final)
	}
	for _, dir := range agentSources {
		if line := "COPY " + dir + " " + dir; !slices.Contains(stages[0], line) {
			t.Errorf("the stage that builds has no %q", line)
		}
	}
	flags := strings.ReplaceAll(strings.Join(agentBuild, " "), "-s -w", "'-s -w'")
	if line := "RUN CGO_ENABLED=0 go " + flags + " -o " + file + " ./cmd/inquest-agent"; !slices.Contains(stages[0], line) {
		t.Errorf("the stage that builds has no %q", line)
	}
	mod := read(t, "go.mod")
	version, _, _ := strings.Cut(mod[strings.Index(mod, "\ngo ")+4:], "\n")
	version = strings.Join(strings.Split(version, ".")[:2], ".")
	if stages[0][0] != "FROM golang:"+version+" AS build" {
		t.Errorf("it builds by %q, go.mod asks for Go %s", stages[0][0], version)
	}
}

// TestAgentManifest: the pod leaves the entry point to the image, says as whom it runs, and writes to nothing of the image's.
func TestAgentManifest(t *testing.T) {
	manifest := read(t, "deploy/agent/agent.yaml")
	for _, line := range []string{"runAsUser: 0 ", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "image: inquest-agent:latest"} {
		if !strings.Contains(manifest, line) {
			t.Errorf("deploy/agent/agent.yaml has no %q", line)
		}
	}
	if strings.Contains(manifest, "command:") {
		t.Error("deploy/agent/agent.yaml has a command of its own beside the image's entry point")
	}
}

// TestAgentSources: all that the agent is made of makes its image a new one, and is in the Dockerfile.
func TestAgentSources(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./cmd/inquest-agent")
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS=linux")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		dir := strings.TrimPrefix(path, "github.com/kubeinquest/inquest/")
		in := func(source string) bool { return dir == source || strings.HasPrefix(dir, source+"/") }
		if !slices.ContainsFunc(agentSources, in) {
			t.Errorf("the agent is made of %s as well", dir)
		}
	}
}

// stagesOf returns the instructions of each stage.
func stagesOf(t *testing.T) (stages [][]string) {
	for line := range strings.Lines(read(t, "deploy/agent/Dockerfile")) {
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
