// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// mountEvidence is what the rules about a pod's volumes need.
const mountEvidence = evidence.Spec | evidence.Status | evidence.Events

// causes are what can keep a pod from its volumes.
var causes = []diagnosis.Effect{
	diagnosis.NodeLost, diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.RuntimeFailed, diagnosis.ConfigChanged, diagnosis.RolledOut,
}

// A sort is what a failure to attach or mount a volume comes from; each has a rule.
type sort int

const (
	other      sort = iota // no rule of its own
	elsewhere              // other families: what the volume is made of is missing
	overdue                // only that it took too long
	attached               // to another node, which may not share it
	unattached             // the storage system did not attach it
	driverless             // no driver of that name on the node
	unserved               // the server of a network file system does not give it
	broken                 // the file system on the device
	pathless               // nothing of the right kind at the path on the node
	unmapped               // a block device, or one where a file system is wanted and the reverse
	claimless              // the claim does not exist
)

// words tell the sorts apart, the first that fits counts. The kubelet and the controller write the beginning (kubernetes
// pkg/volume/util/operationexecutor/operation_generator.go), plugins, drivers and mount(8) the rest.
var words = []struct {
	part string
	sort sort
}{
	{"Multi-Attach error", attached},
	{"in the list of registered CSI drivers", driverless},
	{"does not contain driver", driverless}, // of a CSINode
	{"no CSIDriver object", driverless},
	{"references non-existent", elsewhere},
	{"object \"", elsewhere}, // not registered: the kubelet's cache of ConfigMaps and Secrets
	{"failed to prepare subPath", elsewhere},
	{"failed to fetch PVC", claimless},
	{"persistentvolumeclaim \"", claimless},
	{"error processing PVC", claimless},
	{"hostPath type check failed", pathless},
	{"has volumeMode", unmapped},
	{"MapVolume.", unmapped},
	{"MapBlockVolume.", unmapped},
	{"AttachVolume.", unattached},
	{"timed out waiting for external-attacher", unattached},
	{"Waiting for volume attachment", unattached},
	{"mount.nfs", unserved},
	{"-t nfs", unserved},
	{"mount error(", unserved}, // mount.cifs
	{"-t cifs", unserved},
	{"glusterfs", unserved},
	{"-t ceph", unserved},
	{"fsck", broken},
	{"bad superblock", broken},
	{"can't read superblock", broken},
	{"Structure needs cleaning", broken},
	{"already contains unknown data", broken},
	{"unknown filesystem type", broken},
	{"does not exist", pathless},
	{"no such file or directory", pathless},
	{"timed out waiting for the condition", overdue},
	{"timeout expired waiting for volumes", overdue}, // before 1.18
	{"context deadline exceeded", overdue},
}

// missing are the objects whose absence other families explain.
var missing = regexp.MustCompile(`(?i)\b(configmap|secret)s? .*not found`)

func sortOf(message string) sort {
	if missing.MatchString(message) {
		return elsewhere
	}
	for _, w := range words {
		if strings.Contains(message, w.part) {
			return w.sort
		}
	}
	return other
}

// reasons are those of Events about volumes that cannot be had.
var reasons = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedMountOnFilesystemMismatch"}

// A failure is the newest Event about one volume of a pod.
type failure struct {
	evidence.Event
	sort   sort
	volume string // as the message has it: the name in the pod, or that of the PersistentVolume
}

var quoted = regexp.MustCompile(`(?:for volume|^volume) "?([^" ]+)"?`)

// failures returns what keeps the pod from its volumes now: the newest Event of each volume and sort, unless an
// attachment has succeeded since, or the pod has got past mounting.
func failures(p *diagnosis.Pass, wanted ...sort) []failure {
	if !mounting(p) {
		return nil
	}
	var list []failure
	seen, well := map[string]bool{}, map[string]bool{}
	for _, e := range slices.Backward(p.Events(append(reasons, "SuccessfulAttachVolume")...)) {
		f := failure{Event: e, sort: sortOf(e.Message)}
		if m := quoted.FindStringSubmatch(e.Message); m != nil {
			f.volume = m[1]
		}
		key := fmt.Sprint(f.volume, f.sort)
		switch {
		case e.Reason == "SuccessfulAttachVolume":
			well[f.volume] = true
		case seen[key] || well[f.volume] && e.Reason == "FailedAttachVolume" || !slices.Contains(wanted, f.sort):
		default:
			seen[key] = true
			list = append(list, f)
		}
	}
	return list
}

// mounting tells whether a pod that has a node still waits for its volumes: its sandbox is not made (KEP-3085, since
// 1.28), none of its containers is made, and it is not being deleted.
func mounting(p *diagnosis.Pass) bool {
	st := p.PodStatus()
	if p.PodMeta().DeletionTimestamp != nil || st.Phase != corev1.PodPending && st.Phase != corev1.PodRunning {
		return false
	}
	for _, c := range st.Conditions {
		if c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	return !slices.ContainsFunc(slices.Concat(st.InitContainerStatuses, st.ContainerStatuses), func(c corev1.ContainerStatus) bool {
		w := c.State.Waiting
		return w == nil && (c.State.Running != nil || c.State.Terminated != nil) ||
			w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing"
	})
}

// name says in words which volume of the pod it is: a message has the name of the PersistentVolume where there is one.
func (f *failure) name(p *diagnosis.Pass) string {
	for i := range p.PodSpec().Volumes {
		if p.PodSpec().Volumes[i].Name == f.volume {
			return "volume " + f.volume
		}
	}
	if c := f.claim(p); c != nil {
		return fmt.Sprintf("volume %s of claim %s", f.volume, c.Name)
	}
	return "volume " + f.volume
}

// claim returns the pod's claim that is bound to the volume, or nil.
func (f *failure) claim(p *diagnosis.Pass) *corev1.PersistentVolumeClaim {
	pod, ok := p.Object(p.About()).(*corev1.Pod)
	if !ok {
		return nil
	}
	for _, ref := range evidence.ClaimsOf(pod) {
		if c, ok := p.Object(ref).(*corev1.PersistentVolumeClaim); ok && c.Spec.VolumeName == f.volume {
			return c
		}
	}
	return nil
}

// report reports the failure as likely: an Event says so, and the status that the pod still waits.
func (f *failure) report(p *diagnosis.Pass, message string, fixes ...diagnosis.Fix) {
	found := diagnosis.Finding{At: f.First, Confidence: diagnosis.Likely, Message: message, Facts: []evidence.Fact{f.Fact()}, Fixes: fixes}
	if waits, ok := p.CitePodCondition(corev1.PodReady); ok {
		found.Facts = append(found.Facts, waits)
	}
	p.Report(found)
}

// describe is the command that shows what was said about the pod.
func describe(p *diagnosis.Pass) string {
	return fmt.Sprintf("kubectl describe pod -n %s %s", p.About().Namespace, p.About().Name)
}
