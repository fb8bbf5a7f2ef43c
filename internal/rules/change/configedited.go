// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// ConfigEdited recognises a container that fails at its next start after a ConfigMap that it reads was edited.
var ConfigEdited = &diagnosis.Rule{
	ID:    "CHG003",
	Title: "Container fails since its ConfigMap was edited",
	Doc: `
A ConfigMap that the container reads was changed, and nothing happened: a program reads its configuration when it starts.
Hours later it was started again, for whatever reason, and fails since. The change came before the start, not before the
crash, which is why nobody thinks of it.

**How it is told from its look-alikes.** The API server keeps who writes the data of a ConfigMap, and when they last wrote it.
The failed run began after that, and one of two things ties them together: pods of the same template that started before the
change still run well, and none that started after it does; or the container's last lines name a key of the ConfigMap. A
ConfigMap that is as old as the template was there from the beginning; one that was changed after the run had begun did not
end it. Secrets are never read, so a change of one is not seen.

**What to do.** Put the old data back, or mend the new. Give a ConfigMap a name that changes with its data, so that a change
is a rollout and can be undone.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Logs,
	Effect: diagnosis.ConfigChanged,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		if a.ExitCode == 0 {
			return
		}
		for _, name := range read(p) {
			cm, ok := diagnosis.Get[*corev1.ConfigMap](p, p.About().Namespace, name)
			if !ok {
				continue
			}
			by, wrote := latest(cm)
			at := wrote.At
			if at.After(a.Started) || !at.After(madeAt(p).Add(slack)) {
				continue
			}
			why, facts := tie(p, name, at)
			if why == "" {
				continue
			}
			facts = append([]evidence.Fact{wrote, a.Fact()}, facts...)
			p.Report(diagnosis.Finding{
				At: at, Confidence: diagnosis.Likely, Facts: facts,
				Message: fmt.Sprintf("configmap %s, which container %s reads at its start, was changed by %s: %s", name, a.Of.Container, by, why),
				Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Put back or mend what was changed in configmap %s, and restart the pods", name), Command: fmt.Sprintf("kubectl edit -n %s configmap %s", p.About().Namespace, name)}},
			})
			return
		}
	},
}

// slack is by how much what is deployed together is written one after the other.
const slack = 10 * time.Second

// latest returns who last wrote the data of a ConfigMap, and when.
func latest(cm *corev1.ConfigMap) (string, evidence.Fact) {
	by, fact := writer(cm, "f:data", "")
	if other, later := writer(cm, "f:binaryData", ""); later.At.After(fact.At) {
		return other, later
	}
	return by, fact
}

// madeAt is when the template of the pass's pod was made, as far as its revision or its nearest owner tells; else when the
// pod was.
func madeAt(p *diagnosis.Pass) time.Time {
	if since := revisionsSince(p); len(since) > 0 {
		return since[0].made
	}
	if owners := p.Owners(); len(owners) > 0 {
		return p.Object(owners[0]).GetCreationTimestamp().Time
	}
	return p.PodMeta().CreationTimestamp.Time
}

// tie tells what ties a failure to the change of a ConfigMap, with the facts for it; "" where nothing does.
func tie(p *diagnosis.Pass, name string, at time.Time) (string, []evidence.Fact) {
	keys, _, _ := p.Keys(name)
	if key, line := keyNamed(p, keys); key != "" {
		return fmt.Sprintf("its last lines name the key %s", key), []evidence.Fact{p.Attempt().LineFact(line, time.Time{})}
	}
	var old *corev1.Pod
	for _, other := range p.Siblings() {
		if !sameTemplate(p.PodMeta(), &other.ObjectMeta) || !ready(other) {
			continue
		}
		if began := startOf(other, p.About().Container); began.IsZero() || began.After(at) {
			return "", nil // it reads the new data, or may do so, and is well
		}
		old = other
	}
	if old == nil {
		return "", nil
	}
	return fmt.Sprintf("pod %s, which started before that, is well, and none that started since is", old.Name), citeEnd(old)
}

// keyNamed finds a key of the ConfigMap in the container's last lines. Short keys are words like any other.
func keyNamed(p *diagnosis.Pass, keys []string) (key, line string) {
	block, _ := signature.Find(p.Log().Text)
	for _, key := range keys {
		word := regexp.MustCompile(`(?:^|[^A-Za-z0-9_])` + regexp.QuoteMeta(key) + `(?:[^A-Za-z0-9_]|$)`)
		for _, line := range block.Lines {
			if strings.ContainsAny(key, "._-") && word.MatchString(line) {
				return key, line
			}
		}
	}
	return "", ""
}
