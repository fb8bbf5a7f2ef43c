// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

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
	{"Waiting for detach", attached}, // since about 1.36
	{"in the list of registered CSI drivers", driverless},
	{"does not contain driver", driverless}, // of a CSINode
	{"no CSIDriver object", driverless},
	{"references non-existent", elsewhere},
	{"object \"", elsewhere}, // not registered: the kubelet's cache of ConfigMaps and Secrets
	{"failed to prepare subPath", elsewhere},
	{"UID of the service account", elsewhere},
	{"secrets store objects", elsewhere},
	{"secretproviderclass", elsewhere},
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
	{"-t efs", unserved},
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
var missing = regex.New(`(?i)\b(configmap|secret|serviceaccount)s? .*not found`)

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

// captured returns what a pattern captures in a text; otherwise, where it is not there.
func captured(pattern *regex.Expr, text, otherwise string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return otherwise
}
