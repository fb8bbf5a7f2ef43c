// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"reflect"
	"strings"

	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// apart are types with no text of people in them.
var apart = map[reflect.Type]bool{
	reflect.TypeFor[metav1.TypeMeta](): true, reflect.TypeFor[metav1.ListMeta](): true,
	reflect.TypeFor[metav1.Time](): true, reflect.TypeFor[metav1.MicroTime](): true, reflect.TypeFor[apiresource.Quantity](): true,
	reflect.TypeFor[intstr.IntOrString](): true,
}

// redactRest masks secrets in all text of an object, whatever its kind: in metadata, that of templates too, in images, in messages of
// conditions, in parameters of volumes and classes. The names by which objects refer to each other stay. What is an argument of an
// environment or a command line has to be masked before, as it takes more than its text to tell.
func redactRest(x reflect.Value, field string) int {
	switch x.Kind() {
	case reflect.Pointer:
		if !x.IsNil() {
			return redactRest(x.Elem(), field)
		}
	case reflect.Struct:
		return redactFields(x)
	case reflect.Slice:
		spans := 0
		for i := range x.Len() {
			spans += redactRest(x.Index(i), field)
		}
		return spans
	case reflect.Map:
		m, ok := reflect.TypeAssert[map[string]string](x)
		switch {
		case !ok:
		case isSelector(field):
			return redactLabels(m)
		default:
			return redactMap(m)
		}
	case reflect.String:
		if text := x.String(); len(text) >= leastSecret && !isLink(field) {
			redact := redactText
			if isImageField(field) {
				redact = redactImage
			}
			spans := redact(&text)
			if spans > 0 {
				x.SetString(text)
			}
			return spans
		}
	}
	return 0
}

// leastSecret is the length below which a text is not looked at: "a=b@c:d" is none.
const leastSecret = 8

func redactFields(x reflect.Value) int {
	t := x.Type()
	if apart[t] {
		return 0
	}
	if m, ok := reflect.TypeAssert[*metav1.ObjectMeta](x.Addr()); ok {
		return redactMeta(m)
	}
	spans := 0
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			spans += redactRest(x.Field(i), f.Name)
		}
	}
	return spans
}

// isLink says whether a field names something, so that what it names would not be found without it.
func isLink(field string) bool {
	switch field {
	case "Namespace", "UID", "Kind", "APIVersion", "Key", "Operator":
		return true
	}
	return strings.HasSuffix(field, "Name")
}

// isImageField says whether a field has references of images in it: of containers, of volumes, and of what a node holds.
func isImageField(field string) bool {
	switch field {
	case "Image", "ImageID", "ImageRef", "Reference", "Names":
		return true
	}
	return false
}

func isSelector(field string) bool {
	switch field {
	case "MatchLabels", "Selector", "NodeSelector", "Labels":
		return true
	}
	return false
}

// redactLabels masks secrets in the values of labels by what they look like alone: "token: web" there is a name as a rule.
func redactLabels(m map[string]string) int {
	spans := 0
	for name, text := range m {
		if n := redactText(&text); n > 0 {
			m[name] = text
			spans += n
		}
	}
	return spans
}
