// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// toldFields are the fields of which it is kept who wrote them and when: what is started, how often, from
// what, and where nothing more is.
var toldFields = map[string][]string{
	"f:spec": {"f:replicas", "f:paused", "f:suspend", "f:template", "f:schedule", "f:maxReplicas", "f:unschedulable"},
	"f:data": nil, "f:binaryData": nil,
}

// writers reduces an object's managed fields to who wrote one of the told fields, and when. The rest of them is as large
// as the object and tells nothing more; nor does it that a controller made what it owns.
func writers(m metav1.Object) {
	var kept []metav1.ManagedFieldsEntry
	for _, e := range m.GetManagedFields() {
		own := e.Manager == "kube-controller-manager" && e.Subresource == ""
		if fields := told(e.FieldsV1); fields != nil && e.Time != nil && !own {
			e.FieldsV1 = fields
			kept = append(kept, e)
		}
	}
	m.SetManagedFields(kept)
}

// told returns those of the fields that are kept, without what lies below them; nil when there are none.
func told(fields *metav1.FieldsV1) *metav1.FieldsV1 {
	if fields == nil {
		return nil
	}
	var all map[string]map[string]json.RawMessage
	if json.Unmarshal(fields.GetRawBytes(), &all) != nil {
		return nil
	}
	some := map[string]map[string]json.RawMessage{}
	for top, names := range toldFields {
		below, ok := all[top]
		kept := map[string]json.RawMessage{}
		for _, name := range names {
			if _, ok := below[name]; ok {
				kept[name] = json.RawMessage("{}")
			}
		}
		if ok && names == nil || len(kept) > 0 {
			some[top] = kept
		}
	}
	data, err := json.Marshal(some)
	if err != nil || len(some) == 0 {
		return nil
	}
	return metav1.NewFieldsV1(string(data))
}

// redactRevision masks the pod template in a revision of a StatefulSet or DaemonSet, and drops what it cannot read.
func redactRevision(r *appsv1.ControllerRevision) int {
	var data struct {
		Spec struct {
			Template *corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	raw := r.Data.Raw
	r.Data.Raw, r.Data.Object = []byte("{}"), nil
	if json.Unmarshal(raw, &data) != nil || data.Spec.Template == nil {
		return 0
	}
	spans := RedactPodSpec(&data.Spec.Template.Spec) + redactRest(reflect.ValueOf(data.Spec.Template), "")
	var plain any // sorts the keys, as YAML does
	if text, err := json.Marshal(data); err == nil && json.Unmarshal(text, &plain) == nil {
		if text, err = json.Marshal(plain); err == nil {
			r.Data.Raw = text
		}
	}
	return spans
}
