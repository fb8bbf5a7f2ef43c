// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A thingKind is a kind of thing of which changes are told that no Event tells of, and trouble.
type thingKind struct {
	group, version, kind, resource string
	marks                          []mark
	conditions                     protowire.Number // in the status; 0: it has none
	passes                         bool             // it stays as it ended: of what had failed before nothing is to be said
}

// A mark is a field of a thing whose change is told.
type mark struct {
	part, field protowire.Number // in spec or status
	as          form
	reason      string // of the change
	name        string
	bad         string // a value that is trouble
}

// A form is what a mark holds.
type form int

const (
	text form = iota
	number
	flag
	template // of pods
)

// Numbers of fields, from generated.proto of k8s.io/api.
const (
	thingMeta, thingSpec, thingStatus = 1, 2, 3

	templateSpec, podContainers, podInitContainers, containerImage = 2, 2, 20, 2

	conditionType, conditionStatus = 1, 2
)

const templateChanged, replicasChanged, boundsChanged, scheduleChanged, phaseChanged, conditionChanged = "TemplateChanged", "ReplicasChanged", "BoundsChanged", "ScheduleChanged", "PhaseChanged", "ConditionChanged"

// thingKinds are those that are watched so. How many pods a Deployment has and how an autoscaler scaled is in Events.
var thingKinds = []*thingKind{
	{group: "apps", version: "v1", kind: "Deployment", resource: "deployments", conditions: 6, marks: []mark{
		{part: thingSpec, field: 3, as: template, reason: templateChanged},
	}},
	{group: "apps", version: "v1", kind: "StatefulSet", resource: "statefulsets", marks: []mark{
		{part: thingSpec, field: 3, as: template, reason: templateChanged}, {part: thingSpec, field: 1, as: number, reason: replicasChanged, name: "replicas"},
	}},
	{group: "apps", version: "v1", kind: "DaemonSet", resource: "daemonsets", marks: []mark{
		{part: thingSpec, field: 2, as: template, reason: templateChanged},
	}},
	{group: "batch", version: "v1", kind: "Job", resource: "jobs", conditions: 1, passes: true},
	{group: "batch", version: "v1", kind: "CronJob", resource: "cronjobs", marks: []mark{
		{part: thingSpec, field: 1, as: text, reason: scheduleChanged, name: "schedule"}, {part: thingSpec, field: 4, as: flag, reason: scheduleChanged, name: "suspended"},
	}},
	{group: "", version: "v1", kind: "PersistentVolumeClaim", resource: "persistentvolumeclaims", marks: []mark{
		{part: thingStatus, field: 1, as: text, reason: phaseChanged, name: "phase", bad: "Lost"},
	}},
	{group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler", resource: "horizontalpodautoscalers", conditions: 6, marks: []mark{
		{part: thingSpec, field: 2, as: number, reason: boundsChanged, name: "least replicas"}, {part: thingSpec, field: 3, as: number, reason: boundsChanged, name: "most replicas"},
	}},
}

// badConditions are those of things that are in trouble, with their status.
var badConditions = []string{"Progressing=False", "ReplicaFailure=True", "Failed=True", "AbleToScale=False", "ScalingActive=False"}

// A thing has of its metadata what a skimmed pod has, and its marks.
type thing struct {
	metav1.PartialObjectMetadata
	of      *thingKind
	values  []string // of each mark
	trouble []string // conditions that are as they should not be
}

// kindOf returns a kind of things; nil where none is so called.
func kindOf(version, kind string) *thingKind {
	i := slices.IndexFunc(thingKinds, func(k *thingKind) bool {
		return k.kind == kind && version == strings.TrimPrefix(k.group+"/"+k.version, "/")
	})
	if i < 0 {
		return nil
	}
	return thingKinds[i]
}

// thingOf returns a thing as far as it is needed; nil where it is of no such kind. What came as JSON is whole.
func thingOf(o evidence.Object) (*thing, error) {
	if t, ok := o.(*thing); ok {
		return t, nil
	}
	whole, ok := o.(interface{ Marshal() ([]byte, error) })
	i := slices.IndexFunc(thingKinds, func(k *thingKind) bool { return k.kind == evidence.RefOf(o).Kind })
	if i < 0 || !ok {
		return nil, nil
	}
	raw, err := whole.Marshal()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", evidence.RefOf(o), err)
	}
	return skimThing(thingKinds[i], raw)
}

// skimThing decodes a thing as far as is needed. The data are not kept.
func skimThing(of *thingKind, raw []byte) (*thing, error) {
	t := &thing{of: of, values: make([]string, len(of.marks))}
	err := fields(raw, func(part protowire.Number, v []byte, _ uint64) error {
		switch part {
		case thingMeta:
			return skimMeta(&t.ObjectMeta, v)
		case thingSpec, thingStatus:
			return fields(v, func(field protowire.Number, v []byte, n uint64) error { return t.take(part, field, v, n) })
		}
		return nil
	})
	slices.Sort(t.trouble)
	return t, err
}

func (t *thing) take(part, field protowire.Number, v []byte, n uint64) (err error) {
	if part == thingStatus && field == t.of.conditions {
		return t.condition(v)
	}
	for i, m := range t.of.marks {
		if m.part != part || m.field != field {
			continue
		}
		switch m.as {
		case text:
			t.values[i] = string(v)
		case number:
			t.values[i] = strconv.Itoa(int(int32(n)))
		case flag:
			t.values[i] = strconv.FormatBool(n != 0)
		case template:
			t.values[i], err = skimTemplate(v)
		}
		if m.bad != "" && t.values[i] == m.bad {
			t.trouble = append(t.trouble, m.name+"="+m.bad)
		}
	}
	return err
}

func (t *thing) condition(data []byte) error {
	var is, status string
	err := fields(data, func(number protowire.Number, v []byte, _ uint64) error {
		switch number {
		case conditionType:
			is = string(v)
		case conditionStatus:
			status = string(v)
		}
		return nil
	})
	if c := is + "=" + status; slices.Contains(badConditions, c) {
		t.trouble = append(t.trouble, c)
	}
	return err
}

// skimTemplate returns the images of a template of pods, and last what is the same only where all of it is.
func skimTemplate(data []byte) (string, error) {
	var images []string
	spec := func(number protowire.Number, v []byte, _ uint64) error {
		if number == podContainers || number == podInitContainers {
			return fields(v, func(number protowire.Number, v []byte, _ uint64) error {
				if number == containerImage {
					images = append(images, string(v))
				}
				return nil
			})
		}
		return nil
	}
	err := fields(data, func(number protowire.Number, v []byte, _ uint64) error {
		if number == templateSpec {
			return fields(v, spec)
		}
		return nil
	})
	return strings.Join(append(images, strconv.FormatUint(maphash.Bytes(seed, data), 36)), " "), err
}
