// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"cmp"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// surely says how sure it is that a kill was in a run that it may have been in: certain where no other container of the pod may
// have had it, likely where of several this one fits best, possible where others fit as well; 0 where another fits better.
func (k kill) surely(p *diagnosis.Pass, a evidence.Attempt) diagnosis.Confidence {
	pod := &corev1.Pod{Spec: *p.PodSpec(), Status: *p.PodStatus()}
	rivals := p.AttemptsOf(a.Of.Object())
	keep := func(fits func(evidence.Attempt) bool) {
		if slices.ContainsFunc(rivals, fits) {
			rivals = slices.DeleteFunc(rivals, func(r evidence.Attempt) bool { return !fits(r) })
		}
	}
	shared := func() bool {
		return slices.ContainsFunc(rivals, func(r evidence.Attempt) bool { return r.Of.Container != a.Of.Container })
	}
	keep(func(r evidence.Attempt) bool {
		return k.hits(r, idOf(evidence.ContainerStatus(pod, r.Of.Container), r))
	})
	alone := !shared()
	best := 0
	for _, r := range rivals {
		best = max(best, k.ended(r))
	}
	keep(func(r evidence.Attempt) bool { return k.ended(r) == best })
	keep(func(r evidence.Attempt) bool { return k.fits(evidence.ContainerSpec(pod, r.Of.Container)) })
	switch {
	case !slices.ContainsFunc(rivals, func(r evidence.Attempt) bool { return r.Of == a.Of }):
		return 0
	case shared():
		return diagnosis.Possible
	case alone:
		return diagnosis.Certain
	}
	return diagnosis.Likely
}

// ended says how well the end of a run fits a kill: not at all with 0, where it was not in its seconds, or without trouble.
func (k kill) ended(a evidence.Attempt) int {
	switch {
	case a.Finished.Sub(k.At).Abs() > slack:
	case a.Reason == "OOMKilled":
		return 3
	case a.ExitCode == 137:
		return 2
	case a.ExitCode != 0:
		return 1
	}
	return 0
}

// fits tells whether the killed process has a name that a container would give it: its own, its image's, or that of a
// program in its command line. Others may fit none of them, as a JVM's or that of a worker.
func (k kill) fits(c *corev1.Container) bool {
	c = cmp.Or(c, &corev1.Container{}) // of an ephemeral container none is known
	image, _, _ := strings.Cut(path.Base(c.Image), ":")
	for _, word := range slices.Concat([]string{c.Name, image}, c.Command, c.Args) {
		word = path.Base(word)
		word = word[:min(len(word), 15)] // as the kernel cuts it (TASK_COMM_LEN in include/linux/sched.h)
		if k.task == word || len(word) > 3 && strings.HasPrefix(k.task, word) {
			return true
		}
	}
	return false
}

// unsure lowers a finding to what is known of whose kill it rests on, and says so where several containers fit.
func unsure(f *diagnosis.Finding, k kill, least diagnosis.Confidence) {
	f.Confidence = min(f.Confidence, max(k.sure, least))
	if k.sure == diagnosis.Possible {
		f.Message += "; the record tells only the pod, and more than one of its containers fits"
	}
}

// unsure does it for an end. The label says by itself that a process of this container was killed: with a record of a kill
// at a container's limit that makes two.
func (d *death) unsure(f *diagnosis.Finding) {
	k, told := d.victim()
	switch {
	case told && d.Reason == "OOMKilled" && k.level() == ofContainer:
		unsure(f, k, diagnosis.Likely)
	case told:
		unsure(f, k, diagnosis.Possible)
	}
}
