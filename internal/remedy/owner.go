// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// An Owner is who would put a value back: whoever applies the object from elsewhere.
type Owner struct {
	Kind  string // "Helm", "Argo CD", "Flux", "Kustomize", "operator"
	Name  string // of the release or the application
	Where string // the file or the path to change, as far as known
}

// OwnerOf returns who sets the fields that a patch touches, and false for nobody but people.
func OwnerOf(live *unstructured.Unstructured, _ *diagnosis.Patch) (Owner, bool) {
	if live.GetLabels()["app.kubernetes.io/managed-by"] == "Helm" {
		return Owner{Kind: "Helm", Name: live.GetAnnotations()["meta.helm.sh/release-name"]}, true
	}
	return Owner{}, false
}
