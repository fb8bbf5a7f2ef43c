// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"unicode/utf8"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// wanted returns what the patch makes of a value.
func wanted(have any, o Object, kind, patch string) (any, error) {
	if !utf8.ValidString(patch) {
		return nil, errors.New("the patch is not UTF-8")
	}
	data, err := json.Marshal(have)
	if err != nil {
		return nil, err
	}
	switch kind {
	case Strategic:
		data, err = merge(data, o, patch)
	case JSON:
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch([]byte(patch)); err == nil {
			data, err = p.Apply(data)
		}
	case Merge:
		var change any
		if change, err = decode([]byte(patch)); err == nil {
			if _, ok := change.(map[string]any); !ok {
				return nil, errors.New("a merge patch is expected to be a mapping")
			}
			return merged(have, change), nil
		}
	default:
		err = fmt.Errorf("unknown type of patch %q", kind)
	}
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// merge applies a strategic patch as the API server does, by the Go type of the kind. Numbers stay whole where they are.
func merge(data []byte, o Object, patch string) ([]byte, error) {
	typed, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(o.APIVersion, o.Kind))
	if err != nil {
		return nil, fmt.Errorf("a strategic patch is for the kinds of Kubernetes itself, and %s of %s is none", o.Kind, o.APIVersion)
	}
	var before, change map[string]any
	if err := utiljson.Unmarshal(data, &before); err != nil {
		return nil, err
	}
	if err := utiljson.Unmarshal([]byte(patch), &change); err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergeMapPatch(before, change, typed)
	if err != nil {
		return nil, err
	}
	return json.Marshal(after)
}

// merged applies a merge patch: what is null is taken away (RFC 7386, section 2).
func merged(have, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	was, _ := have.(map[string]any)
	will := maps.Clone(was)
	if will == nil {
		will = map[string]any{}
	}
	for key, v := range change {
		if v == nil {
			delete(will, key)
		} else {
			will[key] = merged(was[key], v)
		}
	}
	return will
}
