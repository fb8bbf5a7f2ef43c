// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ProvisioningFailed recognises a claim whose provisioner tried to make a volume and could not.
var ProvisioningFailed = &diagnosis.Rule{
	ID:    "STO005",
	Title: "Provisioner could not make a volume for the claim",
	Doc: `
The StorageClass exists, its provisioner was asked for a volume, and answered with an error: a quota of the cloud, a zone
without capacity, missing rights, parameters that it does not know, an access mode that it does not offer. It tries again
by itself, ever more seldom, so the claim is bound soon after the reason is gone.

**How it is told from its look-alikes.** The newest Event ProvisioningFailed on the claim carries the provisioner's own words.
"storageclass not found" is not the provisioner's and is another finding. A claim without any answer of a provisioner,
only with the controller's ExternalProvisioning, waits for a provisioner that is not there.

**What to do.** Read the error: it is the storage system's. The provisioner's log has the whole of it.

The Event is written by the provisioner library (sig-storage-lib-external-provisioner, controller.go) and, for volumes in
tree, by kubernetes pkg/controller/volume/persistentvolume.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec | evidence.Events,
	Also:     evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.NetworkFailed},
	Run: func(p *diagnosis.Pass) {
		w, _ := waiting(p) // of one that waits for a pod, too: its provisioner has asked for another node
		said, failed := w.newest("", "ProvisioningFailed")
		if !failed || classUnknown(said.Message) {
			return
		}
		p.Report(diagnosis.Finding{
			At: w.began, Confidence: diagnosis.Likely, Facts: []evidence.Fact{said.Fact(), w.fact},
			Message: fmt.Sprintf("claim %s gets no volume: the provisioner of StorageClass %s failed: %s", w.Name, cmp.Or(w.class, "(none)"), reason(said.Message)),
			Fixes: []diagnosis.Fix{{
				Title:   "Mend what the provisioner complains about; it tries again by itself",
				Command: fmt.Sprintf("kubectl describe pvc -n %s %s; kubectl describe storageclass %s", w.Namespace, w.Name, w.class),
			}},
		})
	},
}

// classUnknown tells whether a ProvisioningFailed Event is the controller's, about a class that does not exist.
func classUnknown(message string) bool {
	return strings.Contains(message, "storageclass") && strings.HasSuffix(strings.TrimSpace(message), "not found")
}

// provisionerIn returns the name in the Event ExternalProvisioning, which is quoted since Kubernetes 1.2x with ' and
// was with " before (kubernetes pkg/controller/volume/persistentvolume/pv_controller.go, provisionClaimOperationExternal).
func provisionerIn(message string) string {
	for _, quote := range []string{"'", `"`} {
		if parts := strings.Split(message, quote); len(parts) > 2 {
			return parts[1]
		}
	}
	return "(unknown)"
}

// tried is what the provisioner writes before an error of its own.
var tried = regex.New(`^failed to provision volume with StorageClass [^:]*: `)

// reason cuts a storage system's error down to what says most: what follows the last gRPC code, without the frame.
func reason(message string) string {
	for _, mark := range []string{"desc = ", `: rpc error: `} {
		if i := strings.LastIndex(message, mark); i >= 0 {
			message = message[i+len(mark):]
		}
	}
	message = strings.Join(strings.Fields(message), " ")
	message = tried.ReplaceAllString(message, "")
	message = strings.TrimSuffix(message, ".")
	const most = 200
	if len(message) > most {
		return strings.ToValidUTF8(message[:most], "") + "…"
	}
	return message
}
