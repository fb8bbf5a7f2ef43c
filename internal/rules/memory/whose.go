// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// surely says how sure it is that a kill was in a run that it may have been in: certain where the container's id says so or
// no other container of the pod ran then, likely where of several only this one fits, possible where others fit as well; 0
// where another fits better.
func (k kill) surely(p *diagnosis.Pass, a evidence.Attempt) diagnosis.Confidence {
	pod, ok := p.Object(a.Of.Object()).(*corev1.Pod)
	if !ok || k.in(idOf(evidence.ContainerStatus(pod, a.Of.Container), a)) {
		return diagnosis.Certain
	}
	rivals := p.AttemptsOf(a.Of.Object())
	narrow := func(fits func(evidence.Attempt) bool) {
		if some := slices.DeleteFunc(slices.Clone(rivals), func(r evidence.Attempt) bool { return !fits(r) }); len(some) > 0 {
			rivals = some
		}
	}
	narrow(func(r evidence.Attempt) bool {
		return k.hits(r, idOf(evidence.ContainerStatus(pod, r.Of.Container), r))
	})
	shared := func() bool {
		return slices.ContainsFunc(rivals, func(r evidence.Attempt) bool { return r.Of.Container != a.Of.Container })
	}
	alone := !shared()
	narrow(k.ended)
	narrow(func(r evidence.Attempt) bool { return k.ended(r) && r.ExitCode == 137 })
	narrow(func(r evidence.Attempt) bool { return k.ended(r) && r.Reason == "OOMKilled" })
	narrow(func(r evidence.Attempt) bool { return k.fits(evidence.ContainerSpec(pod, r.Of.Container)) })
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

// in tells whether the record names the container of that id, the last of the path: the node may be a container itself.
func (k kill) in(id string) bool {
	ids := containerID.FindAllString(k.cgroup, -1)
	return len(ids) > 0 && ids[len(ids)-1] == id
}

// ended tells whether a run ended with trouble in the seconds of the kill.
func (k kill) ended(a evidence.Attempt) bool {
	return a.Finished.Sub(k.At).Abs() <= slack && (a.ExitCode != 0 || a.Reason == "OOMKilled")
}

// fits tells whether the killed process has a name that a container would give it: its own, its image's, or that of a
// program in its command line. Others may fit none of them, as a JVM's or that of a worker.
func (k kill) fits(c *corev1.Container) bool {
	if c == nil || k.task == "" {
		return false
	}
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
