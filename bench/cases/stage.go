// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// An object is one of a manifest.
type object map[string]any

func (o object) kind() string { s, _ := o["kind"].(string); return s }

func (o object) meta() map[string]any {
	m, ok := o["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		o["metadata"] = m
	}
	return m
}

func (o object) name() string { s, _ := o.meta()["name"].(string); return s }

// ref is how an object is told from others of no namespace.
func (o object) ref() string { return o.kind() + "/" + o.name() }

// pod returns the description of the pods that the object makes.
func (o object) pod() map[string]any {
	at := []string{"spec", "template", "spec"}
	switch o.kind() {
	case "Pod":
		at = at[:1]
	case "CronJob":
		at = append([]string{"spec", "jobTemplate"}, at...)
	}
	m := map[string]any(o)
	for _, field := range at {
		m, _ = m[field].(map[string]any)
	}
	return m
}

// A stage is what a case needs of a cluster.
type stage struct {
	testCase
	own        string   // the namespace for what names none, or default
	namespaces []string // all that it uses
	needed     []object // what must be there before the workloads
	workloads  []object
	steps      []step
	opened     []string // the namespaces that were made for it: nothing else is removed after it
	made       []string // what of no namespace was made for it
}

// placed are the kinds that a case may have, with no effect beyond its namespaces.
var placed = strings.Fields(`Pod ReplicationController ReplicaSet Deployment StatefulSet DaemonSet Job CronJob Service Endpoints
	EndpointSlice Ingress NetworkPolicy ConfigMap Secret ServiceAccount Role RoleBinding PersistentVolumeClaim ResourceQuota
	LimitRange ResourceClaim ResourceClaimTemplate PodDisruptionBudget HorizontalPodAutoscaler`)

// shared are kinds of no namespace that a case may have all the same, as kubectl names them to remove them again.
var shared = map[string]string{
	"PersistentVolume": "persistentvolumes", "StorageClass": "storageclasses", "PriorityClass": "priorityclasses", "RuntimeClass": "runtimeclasses",
}

// sharedKinds names them all.
func sharedKinds() string { return strings.Join(slices.Sorted(maps.Values(shared)), ",") }

// stageOf reads the inputs of a case.
func stageOf(c testCase, own string) (*stage, error) {
	s := &stage{testCase: c, own: own}
	s.use(s.home(c.Target.Namespace))
	for _, in := range c.Inputs {
		data, err := os.ReadFile(filepath.Join(c.dir, in.File))
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(in.Role, "challenge") {
			if err := s.challenge(data); err != nil {
				return nil, err
			}
			continue
		}
		objects, err := s.read(data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", in.File, err)
		}
		for _, o := range objects {
			if o.pod() == nil {
				s.needed = append(s.needed, o)
			} else {
				s.workloads = append(s.workloads, o)
			}
		}
	}
	return s, nil
}

// challenge reads what breaks a case that is well at first.
func (s *stage) challenge(data []byte) error {
	var doc struct {
		Spec struct {
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	for _, one := range doc.Spec.Steps {
		steps, err := parse(one.Run)
		if err != nil {
			return err
		}
		s.steps = append(s.steps, steps...)
	}
	return nil
}

// home is the namespace that a case's namespace is in the lab: cases that share the default one have one each.
func (s *stage) home(namespace string) string {
	if namespace == "" || namespace == "default" {
		return s.own
	}
	return namespace
}

// read reads the objects of a manifest, in their namespaces and with stand-ins for their images.
func (s *stage) read(data []byte) ([]object, error) {
	var list []object
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		var o object
		if err := yaml.Unmarshal(doc, &o); err != nil {
			return nil, err
		}
		objects, err := s.admit(o)
		if err != nil {
			return nil, err
		}
		list = append(list, objects...)
	}
}

// admit returns what an object of a manifest is in the lab, each of a List, and refuses what is not for it.
func (s *stage) admit(o object) ([]object, error) {
	items, several := o["items"]
	switch kind := o.kind(); {
	case len(o) == 0:
		return nil, nil
	case kind == "List":
		return s.admitAll(items)
	case several: // kubectl takes it for a list, whatever its kind
		return nil, fmt.Errorf("%s with items is not for the lab", kind)
	case kind == "Namespace":
		s.use(s.home(o.name()))
		return nil, nil
	case shared[kind] == "" && !slices.Contains(placed, kind):
		return nil, fmt.Errorf("%s %s is not for the lab", kind, o.name())
	}
	return s.place(o), nil
}

func (s *stage) admitAll(items any) ([]object, error) {
	var list []object
	all, _ := items.([]any)
	for _, item := range all {
		o, _ := item.(map[string]any)
		objects, err := s.admit(o)
		if err != nil {
			return nil, err
		}
		list = append(list, objects...)
	}
	return list, nil
}

// claims are what only one case at a time can have, sorted.
func (s *stage) claims() []string {
	claims := slices.Clone(s.namespaces)
	for _, o := range s.needed {
		if shared[o.kind()] != "" {
			claims = append(claims, o.ref())
		}
	}
	slices.Sort(claims)
	return slices.Compact(claims)
}

func (s *stage) use(namespace string) {
	if !slices.Contains(s.namespaces, namespace) {
		s.namespaces = append(s.namespaces, namespace)
	}
}

// place puts an object into its namespace, and gives it what the lab has for it.
func (s *stage) place(o object) []object {
	given, _ := o.meta()["namespace"].(string)
	if given == "" {
		given = s.Target.Namespace
	}
	ns := s.home(given)
	if shared[o.kind()] != "" {
		delete(o.meta(), "namespace")
		labels, ok := o.meta()["labels"].(map[string]any)
		if !ok {
			labels = map[string]any{}
			o.meta()["labels"] = labels
		}
		labels[mark] = s.namespaces[0]
		return []object{o}
	}
	o.meta()["namespace"] = ns
	s.use(ns)
	if spec := o.pod(); spec != nil {
		dress(spec, func(container, image string) bool { return s.exists(o, container, image) })
	}
	if o.kind() == "PersistentVolumeClaim" && s.provisioned(o) {
		return []object{o, volumeFor(o)}
	}
	return []object{o}
}

// exists tells whether a container's image is one that there is: the case says what a stand-in must do, or everyone knows
// it and images are not what the case is about.
func (s *stage) exists(o object, container, image string) bool {
	for _, c := range s.Containers {
		if c.Workload == o.kind()+"/"+o.name() && c.Container == container && c.StandIn != "" {
			return true
		}
	}
	_, known := standIns[baseOf(image)]
	return known && !strings.HasPrefix(s.Category, "image-")
}

// classes are what StorageClasses that clusters come with are called; the empty name is the cluster's own choice.
var classes = []string{"", "standard", "hostpath", "local-path", "gp2", "gp3", "default"}

// provisioned tells whether the cluster that a case is from would have made a volume.
func (s *stage) provisioned(claim object) bool {
	spec, _ := claim["spec"].(map[string]any)
	class, _ := spec["storageClassName"].(string)
	return slices.Contains(classes, class) && !strings.HasPrefix(s.Category, "storage-")
}

// volumeFor is a folder of a node, bound to a claim: the lab has no provisioner.
func volumeFor(claim object) object {
	ns, _ := claim.meta()["namespace"].(string)
	spec, _ := claim["spec"].(map[string]any)
	resources, _ := spec["resources"].(map[string]any)
	class, _ := spec["storageClassName"].(string)
	return object{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": map[string]any{"name": ns + "-" + claim.name(), "labels": map[string]any{mark: ns}},
		"spec": map[string]any{
			"accessModes": spec["accessModes"], "capacity": resources["requests"], "storageClassName": class,
			"hostPath": map[string]any{"path": "/tmp/" + ns + "-" + claim.name(), "type": "DirectoryOrCreate"},
			"claimRef": map[string]any{"namespace": ns, "name": claim.name()},
		},
	}
}

func namespaced(name string) object {
	return object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": map[string]any{mark: name}}}
}

func programsIn(namespace string) object {
	return object{
		"apiVersion": "v1", "kind": "ConfigMap", "data": scripts(),
		"metadata": map[string]any{"name": programs, "namespace": namespace},
	}
}

// holder is a pod that only takes room on a node.
func holder(name, node string, more map[string]any) object {
	more["name"], more["image"], more["args"] = "hold", appImage, []any{"sleep"}
	return object{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "namespace": holders},
		"spec": map[string]any{
			"nodeSelector": map[string]any{"kubernetes.io/hostname": node}, "containers": []any{more},
			"terminationGracePeriodSeconds": 1,
		},
	}
}

// hostPorts are the ports of nodes that a case's inputs ask for.
func hostPorts(c testCase) []int {
	var ports []int
	for _, in := range c.Inputs {
		data, err := os.ReadFile(filepath.Join(c.dir, in.File))
		if err != nil {
			continue
		}
		for _, m := range hostPort.FindAllSubmatch(data, -1) {
			if port, err := strconv.Atoi(string(m[1])); err == nil && !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	return ports
}
