// SPDX-License-Identifier: Apache-2.0

package collect

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// mask masks what is secret and takes away what nobody reads. Of a ConfigMap the keys stay, without their values.
func mask(o evidence.Object) {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		redactMeta(o)
		for key := range o.Data {
			o.Data[key] = ""
		}
		for key := range o.BinaryData {
			o.BinaryData[key] = nil
		}
		return
	case *corev1.Node:
		o.Status.Images = nil // a long list
	}
	RedactObject(o)
}
