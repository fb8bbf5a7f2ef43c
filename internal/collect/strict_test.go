// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"reflect"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestUsual: what is decoded without JSON is what JSON makes of it.
func TestUsual(t *testing.T) {
	seen := 0
	for _, text := range []string{
		"", "0", "1", "8080", "512Mi", "250m", "1k", "5M", "1Gi", "http", "no", "010", "0x10", "1e3", "1E", "1.5", "-1", "+1", "1_000", "12345678901", "99999999999999999999", "x y", "0m", "10 Mi",
	} {
		for _, style := range []yamlv3.Style{0, yamlv3.DoubleQuotedStyle, yamlv3.SingleQuotedStyle} {
			n := &yamlv3.Node{Kind: yamlv3.ScalarNode, Value: text, Style: style}
			for _, into := range []json.Unmarshaler{&quantity.Quantity{}, &intstr.IntOrString{}} {
				if usual(n, reflect.ValueOf(into).Elem()) {
					seen++
					asByJSON(t, n, into)
				}
			}
			if plainNumber(n) && n.ShortTag() != "!!int" {
				t.Errorf("%q is taken for a number, and resolves to %s", text, n.ShortTag())
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d were decoded without JSON", seen)
	}
}

func asByJSON(t *testing.T, n *yamlv3.Node, got json.Unmarshaler) {
	want := reflect.New(reflect.TypeOf(got).Elem()).Interface().(json.Unmarshaler)
	data, err := json.Marshal(plainScalar(n))
	if err == nil {
		err = want.UnmarshalJSON(data)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q of style %d is %#v, by JSON %#v, %v", n.Value, n.Style, got, want, err)
	}
}
