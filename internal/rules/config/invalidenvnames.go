// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// InvalidEnvNames recognises keys of envFrom that the kubelet skipped.
var InvalidEnvNames = &diagnosis.Rule{
	ID:    "CFG009",
	Title: "Keys that are no variable names were left out",
	Doc: `
envFrom makes a variable of every key of a ConfigMap or Secret, and the kubelet leaves out keys that cannot be the name
of one: by older rules those with a dot at the beginning or a digit, a dash in some versions; since Kubernetes 1.30 and
1.34 nearly all are allowed. The container starts without them.

**How it is told from its look-alikes.** By the Event InvalidEnvironmentVariableNames. A key that a single variable
refers to and that is not there holds the container up. That variables are missing is no trouble by itself, so it is
told only where the container then fails; the finding is likely where its log speaks of one of the names, and possible
otherwise.

**What to do.** Rename the keys, or refer to each by an env entry of its own with a name that is allowed.

The Event was written in kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables) up to Kubernetes 1.33.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Events,
	Also:     evidence.Logs,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		events := p.Events("InvalidEnvironmentVariableNames")
		if len(events) == 0 {
			return
		}
		e := events[len(events)-1]
		m := skippedWords.FindStringSubmatch(e.Message)
		if m == nil {
			return
		}
		f := diagnosis.Finding{At: e.First, Confidence: diagnosis.Possible, Facts: []evidence.Fact{e.Fact()}}
		for key := range strings.SplitSeq(m[1], ", ") {
			if log := p.Log(); strings.Contains(log.Text, key) {
				f.Confidence = diagnosis.Likely
				f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Logs, Source: evidence.FromLog, About: log.Of, Where: "log", Text: lineWith(log.Text, key)})
				break
			}
		}
		f.Message = fmt.Sprintf("container %s lacks variables: keys %s of %s %s cannot be names of variables and were left out", p.About().Container, m[1], m[2], m[3])
		f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Rename keys %s, or refer to each by an env entry with a name that is allowed", m[1])}}
		p.Report(f)
	},
}

var skippedWords = regex.New(`Keys \[([^\]]+)\] from the EnvFrom (\w+) \S+?/(\S+) were skipped`)

// untimed returns the line without the time that the runtime put before it.
func untimed(line string) string {
	_, text := signature.Parse(line)
	return text
}

func lineWith(text, part string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			return untimed(line)
		}
	}
	return ""
}
