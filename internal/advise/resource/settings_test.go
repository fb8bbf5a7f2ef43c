// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestSettings: what the environment of the process tells its runtime counts as if the manifest said it, unless that says something else; where nothing is
// known of it, it is said that it was not checked.
func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		command, settings string
		env               []corev1.EnvVar
		says              string // of what is to be looked at; "" where nothing is
		runtime           Runtime
	}{
		"not known":             {"java", "", nil, "JAVA_TOOL_OPTIONS: its manifest gives the heap no size: a Java virtual machine takes a quarter of the limit, and the rest lies idle; unless its image does, which was not checked, or its program, set", Runtime{Java, "", "its command"}},
		"none":                  {"java", "none", nil, "JAVA_TOOL_OPTIONS: its manifest and its image give the heap no size: a Java virtual machine takes a quarter of the limit, and the rest lies idle; unless its program does, set", Runtime{Java, "", "its command"}},
		"a share":               {"java", "JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=75", nil, "", Runtime{Java, "", "its command"}},
		"too large a heap":      {"java", "JAVA_OPTS= JAVA_TOOL_OPTIONS=-Xmx500m -XX:MaxRAMPercentage=75", nil, "-Xmx: the heap may have 500Mi of a limit of 512Mi", Runtime{Java, "", "its command"}},
		"the manifest has more": {"java", "JAVA_TOOL_OPTIONS=-Xmx500m", []corev1.EnvVar{{Name: "JAVA_TOOL_OPTIONS", Value: "-Xmx256m"}}, "", Runtime{Java, "", "its command"}},
		"from elsewhere":        {"java", "JAVA_TOOL_OPTIONS=-Xmx500m", []corev1.EnvVar{{Name: "JAVA_TOOL_OPTIONS", ValueFrom: &corev1.EnvVarSource{}}}, "-Xmx: the heap may have 500Mi", Runtime{Java, "", "its command"}},
		"a runtime by it":       {"", "NODE_OPTIONS=--max-old-space-size=500", nil, "NODE_OPTIONS: the heap may have 500Mi", Runtime{Node, "", "its variables"}},
		"Go":                    {"", "GOMEMLIMIT=460MiB GOMAXPROCS=8", nil, "GOMAXPROCS: 8 threads share a limit of 2", Runtime{Go, "", "its variables"}},
		"Go without":            {"", "GOGC=off", nil, "GOMEMLIMIT: its manifest and its image do not set it", Runtime{Go, "", "its variables"}},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
		pod.Spec.Containers = []corev1.Container{container("512Mi", "512Mi", "1", "2").Spec}
		app := &pod.Spec.Containers[0]
		app.Command, app.Env = strings.Fields(c.command), c.env
		s := &evidence.Snapshot{Taken: zero, Has: evidence.Spec | evidence.Status | evidence.Host, Objects: []evidence.Object{pod}}
		if c.settings != "" {
			s.Facts = []evidence.Fact{{
				Kind: evidence.Host, Source: evidence.FromRuntime, About: evidence.RefOf(pod).InContainer("app").InAttempt(0), At: zero, Name: "settings", Text: c.settings,
			}}
		}
		o := Read(s.Freeze())[0]
		var said []string
		for _, check := range o.runtimes(amounts(&o.Spec)) {
			said = append(said, check.Where+": "+check.Says+"; "+check.Do)
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, c.says) || (c.says == "") != (text == "") || o.runtime() != c.runtime {
			t.Errorf("%s: it runs %+v:\n%s", name, o.runtime(), text)
		}
		if len(o.Spec.Env) != len(c.env) {
			t.Errorf("%s: the container of the manifest has %v", name, o.Spec.Env)
		}
	}
}
