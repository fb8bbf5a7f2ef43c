// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"path"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// A complaint is a line of the error that an attempt ended with, about a path in a volume.
type complaint struct {
	line  string
	at    time.Time          // when it was written; when the attempt ended, where the line does not say
	mount corev1.VolumeMount // with a clean path
	field string             // where the mount is in the container: "volumeMounts[/data/]"
	corev1.Volume
}

// complains finds the complaint with one of the parts, in lower case, in the error that the attempt's log ends with. A
// log is what the program chose to print: it never makes a finding certain.
func complains(p *diagnosis.Pass, parts ...string) (complaint, bool) {
	block, _ := signature.Find(p.Log().Text)
	for _, line := range block.Lines {
		lower := strings.ToLower(line)
		for _, part := range parts {
			if !strings.Contains(lower, part) {
				continue
			}
			if c, ok := at(p, line); ok {
				c.line, c.at = line, block.At
				if a := p.Attempt(); c.at.IsZero() || c.at.After(a.Finished) { // which is in whole seconds
					c.at = a.Finished
				}
				return c, true
			}
		}
	}
	return complaint{}, false
}

// at returns the innermost of the container's mounts whose path the line names.
func at(p *diagnosis.Pass, line string) (complaint, bool) {
	var best complaint
	for _, m := range p.Spec().VolumeMounts {
		if mounted := path.Clean(m.MountPath); names(line, mounted) && len(mounted) > len(best.mount.MountPath) {
			best.mount, best.field = m, "volumeMounts["+m.MountPath+"]"
			best.mount.MountPath = mounted
		}
	}
	for _, v := range p.PodSpec().Volumes {
		if v.Name == best.mount.Name {
			best.Volume = v
			return best, true
		}
	}
	return complaint{}, false
}

// names tells whether the line has the path, or one below it, and not one that only begins or ends alike.
func names(line, mounted string) bool {
	alone := regexp.MustCompile(`(^|[^\w./-])` + regexp.QuoteMeta(mounted) + `($|[^\w.-])`)
	return alone.MatchString(line)
}

// what says in words what the volume is.
func (c *complaint) what(p *diagnosis.Pass) string {
	switch v := c.VolumeSource; {
	case c.claim(p) != evidence.Ref{}:
		return "claim " + c.claim(p).Name
	case v.NFS != nil:
		return "NFS volume " + c.Name
	case v.HostPath != nil:
		return "path " + v.HostPath.Path + " of the node"
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		return "volume " + c.Name + " in memory"
	case v.EmptyDir != nil:
		return "emptyDir " + c.Name
	}
	return "volume " + c.Name
}

// claim names the claim behind the volume; the zero Ref where there is none.
func (c *complaint) claim(p *diagnosis.Pass) evidence.Ref {
	only := corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{c.Volume}}}
	only.Namespace, only.Name = p.About().Namespace, p.About().Name
	for _, ref := range evidence.ClaimsOf(&only) {
		return ref
	}
	return evidence.Ref{}
}

// fixed tells whether the volume's content is made by Kubernetes and cannot be written to by anybody.
func (c *complaint) fixed() bool {
	return c.ConfigMap != nil || c.Secret != nil || c.Projected != nil || c.DownwardAPI != nil || c.Image != nil
}

// finding begins what is said about the complaint: the line, the end of the attempt, and the mount.
func (c *complaint) finding(p *diagnosis.Pass, message string) diagnosis.Finding {
	a := p.Attempt()
	return diagnosis.Finding{
		At: c.at, Confidence: diagnosis.Possible, Message: message,
		Facts: []evidence.Fact{a.LineFact(c.line, c.at), a.Fact(), p.CiteSpec(c.field+".name", c.mount.Name)},
	}
}
