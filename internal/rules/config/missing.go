// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A missing is something that a container or a volume refers to and does not get.
type missing struct {
	kind, name, key string // the key is empty where the whole object is missing
	by              reference
	sure            diagnosis.Confidence
	about           evidence.Ref // the container; the pod where a volume refers to it
	facts, against  []evidence.Fact
	began           time.Time
}

// missingFor returns what the pass's container waits for. What a volume waits for holds up the whole pod: it is told
// once, with the pod's first container.
func missingFor(p *diagnosis.Pass) []missing {
	waiting, ok := p.CiteWaiting()
	if !ok {
		return nil
	}
	switch p.Status().State.Waiting.Reason {
	case "CreateContainerConfigError":
		return missingInEnv(p, waiting)
	case "ContainerCreating", "PodInitializing":
		if first(p.PodSpec()) == p.About().Container && !mounted(p.PodStatus()) {
			return missingInVolumes(p, waiting)
		}
	}
	return nil
}

func first(spec *corev1.PodSpec) string {
	return slices.Concat(spec.InitContainers, spec.Containers)[0].Name
}

// mounted tells whether the pod is past its volumes: its sandbox is made when all of them are mounted.
func mounted(st *corev1.PodStatus) bool {
	return slices.ContainsFunc(st.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue
	})
}

// beyond are the Events of what a kubelet does only when it has mounted everything. One before 1.29 has no condition that
// says so, and its containers wait as ContainerCreating while their images are pulled.
var beyond = []string{"FailedCreatePodSandBox", "AddedInterface", "Pulling", "Pulled", "Created", "Started"}

// unmounted returns the Events about volumes that cannot be mounted, newest first, since the kubelet was last beyond that.
func unmounted(p *diagnosis.Pass) []evidence.Event {
	events := p.Events(append([]string{"FailedMount"}, beyond...)...)
	slices.Reverse(events)
	if i := slices.IndexFunc(events, func(e evidence.Event) bool { return e.Reason != "FailedMount" }); i >= 0 {
		return events[:i]
	}
	return events
}

func missingInEnv(p *diagnosis.Pass, waiting evidence.Fact) []missing {
	m := missing{sure: diagnosis.Certain, about: p.About(), facts: []evidence.Fact{waiting}, began: began(p)}
	if found := envKeyWords.FindStringSubmatch(waiting.Text); found != nil {
		m.key, m.kind, m.name = found[1], found[2], found[3]
	} else if found := objectWords.FindStringSubmatch(waiting.Text); found != nil {
		m.kind, m.name = kinds[found[1]], found[2]
	} else {
		return nil
	}
	m.by = inEnv(p, m)
	m.weigh(p)
	return []missing{m}
}

// began is when the kubelet first failed to create the container; without Events, when the node took the pod.
func began(p *diagnosis.Pass) time.Time {
	for _, e := range p.Events("Failed") {
		return e.First
	}
	if start := p.PodStatus().StartTime; start != nil {
		return start.Time
	}
	return time.Time{}
}

// missingInVolumes reads the newest FailedMount Event of each volume: only that one still holds. An Event alone makes
// a finding likely; certain, when the API says the same of the ConfigMap.
func missingInVolumes(p *diagnosis.Pass, waiting evidence.Fact) []missing {
	var all []missing
	seen := map[string]bool{}
	for _, e := range unmounted(p) {
		volume := mountWords.FindStringSubmatch(e.Message)
		if volume == nil || seen[volume[1]] {
			continue
		}
		seen[volume[1]] = true
		for _, m := range missingInMessage(e.Message) {
			m.sure, m.about, m.began = diagnosis.Likely, p.About().Object(), e.First
			m.facts = []evidence.Fact{waiting, e.Fact()}
			m.by = inVolume(p, volume[1], &m)
			m.weigh(p)
			all = append(all, m)
		}
	}
	return all
}

// weigh compares with what the API says of a ConfigMap now. Secrets are never read.
func (m *missing) weigh(p *diagnosis.Pass) {
	if m.kind != "ConfigMap" {
		return
	}
	keys, exists, unknown := p.Keys(m.name)
	switch {
	case unknown:
	case m.key == "" && exists, slices.Contains(keys, m.key):
		m.sure = diagnosis.Likely
		m.against = append(m.against, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefTo("ConfigMap", p.About().Namespace, m.name),
			Where: "metadata.name", Text: "name " + m.name,
		})
	default:
		m.sure = diagnosis.Certain
	}
}

func (m *missing) report(p *diagnosis.Pass, fixes ...diagnosis.Fix) {
	what := fmt.Sprintf("%s does not exist in namespace %s", m.object(), p.About().Namespace)
	if m.key != "" {
		what = fmt.Sprintf("%s in namespace %s has no key %s", m.object(), p.About().Namespace, m.key)
	}
	if len(m.against) > 0 {
		what = fmt.Sprintf("%s in namespace %s was not there, or not with its key, when the kubelet last looked", m.object(), p.About().Namespace)
		fixes = []diagnosis.Fix{{Title: "Wait a minute: the kubelet tries again by itself, and what it missed is there now"}}
	}
	who := "container " + p.About().Container
	if m.about.Container == "" {
		who = "pod " + p.About().Name
	}
	where := "its spec"
	if m.by.words != "" {
		where, m.facts = m.by.words, append(m.facts, m.by.fact)
	}
	p.Report(diagnosis.Finding{
		About: m.about, At: m.began, Confidence: m.sure, Facts: m.facts, Against: m.against, Fixes: fixes,
		Message: fmt.Sprintf("%s, and %s asks for it in %s", what, who, where),
	})
}

// object names the thing that is missing or lacks the key: "ConfigMap shop-settings".
func (m *missing) object() string { return strings.TrimSpace(m.kind + " " + m.name) }
