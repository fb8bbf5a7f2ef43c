// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// hooked reports a container that has a preStop hook and runs on for longer than the hook seems to ask for.
func hooked(p *diagnosis.Pass, d deletion, running []evidence.Fact) {
	for _, r := range running {
		c := evidence.ContainerSpec(&corev1.Pod{Spec: *p.PodSpec()}, r.About.Container)
		waited := p.Now().Sub(d.ordered)
		if c == nil || c.Lifecycle == nil || c.Lifecycle.PreStop == nil || waited <= settle+asked(c.Lifecycle.PreStop) {
			continue
		}
		p.Report(diagnosis.Finding{
			At: d.ordered, Confidence: diagnosis.Possible, Facts: d.facts,
			Message: fmt.Sprintf("container %s of pod %s still runs %s after the pod was deleted: its preStop hook may hang, and the kubelet kills it in %s",
				c.Name, p.About().Name, age(waited), age(d.due.Sub(p.Now()))),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Bound what the preStop hook of container %s waits for, or shorten the grace period", c.Name),
				Command: fmt.Sprintf("kubectl get -n %s %s -o jsonpath='{.spec.containers[*].lifecycle.preStop}'", p.About().Namespace, p.About()),
			}},
		})
		return
	}
}

var sleeps = regex.New(`sleep[" ,]+(\d{1,6})\b`)

// asked is how long a hook means to take: the sleeps in it.
func asked(h *corev1.LifecycleHandler) time.Duration {
	var seconds int
	if h.Sleep != nil {
		seconds += int(h.Sleep.Seconds)
	}
	if h.Exec != nil {
		for _, m := range sleeps.FindAllStringSubmatch(strings.Join(h.Exec.Command, " "), -1) {
			n, _ := strconv.Atoi(m[1]) // six digits at most
			seconds += n
		}
	}
	return time.Duration(seconds) * time.Second
}
