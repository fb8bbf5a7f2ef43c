// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// helmOfArgo reads how Argo CD renders a chart (argo-cd.readthedocs.io, Helm): parameters count before valuesObject, that before values,
// which are ignored then, and these before valueFiles. The field is that of the source: spec.source.
func (g *Git) helmOfArgo(app, source map[string]any, field string) {
	helm, _ := source["helm"].(map[string]any)
	g.Field = field + ".helm." + valuesField(helm)
	destination, _ := app["destination"].(map[string]any)
	g.Release, g.Namespace = text(helm, "releaseName"), text(destination, "namespace")
	if object, ok := helm["valuesObject"].(map[string]any); ok {
		g.Values = object
	} else if err := yaml.Unmarshal([]byte(text(helm, "values")), &g.Values); err != nil {
		g.Unproven = append(g.Unproven, g.Field+" of the Application cannot be read")
	}
	g.filesOfArgo(app, source, helm)
	parameters, _ := helm["parameters"].([]any)
	for _, p := range parameters {
		m, _ := p.(map[string]any)
		name, value, flag := text(m, "name"), text(m, "value"), "--set"
		if strings.Contains(value, "$") { // Argo CD puts the variables of a build in
			g.Unproven = append(g.Unproven, fmt.Sprintf("parameter %s of the Application has a variable of the build", name))
		}
		if m["forceString"] == true {
			flag = "--set-string"
		}
		if !strings.HasPrefix(value, "{") {
			value = strings.ReplaceAll(value, ",", `\,`)
		}
		g.Parameters, g.sets = append(g.Parameters, name), append(g.sets, flag, name+"="+value)
	}
	if list, _ := helm["fileParameters"].([]any); len(list) > 0 {
		g.Unproven = append(g.Unproven, field+".helm.fileParameters of the Application takes values from files")
	}
}

// helmOfFlux reads what a HelmRelease is given beside its values, which count before what it takes from ConfigMaps and Secrets without a
// targetPath (fluxcd.io, HelmRelease, Values). A Secret is never read.
func (c *Cluster) helmOfFlux(ctx context.Context, g *Git, release *unstructured.Unstructured) {
	values := map[string]any{}
	from, _, _ := unstructured.NestedSlice(release.Object, "spec", "valuesFrom")
	for _, f := range from {
		m, _ := f.(map[string]any)
		key := cmp.Or(text(m, "valuesKey"), "values.yaml")
		named := fmt.Sprintf("key %s of %s %s", key, text(m, "kind"), inNamespace(release, text(m, "name")))
		switch {
		case text(m, "kind") != "ConfigMap":
			g.Unproven = append(g.Unproven, "its valuesFrom takes values from "+named+", which is not read")
			continue
		case text(m, "targetPath") != "":
			g.Unproven = append(g.Unproven, "its valuesFrom sets "+text(m, "targetPath")+" from "+named)
			continue
		}
		given := c.valuesIn(ctx, inNamespace(release, text(m, "name")), key)
		if given == nil && m["optional"] != true {
			g.Unproven = append(g.Unproven, "its valuesFrom takes values from "+named+", which could not be read")
		}
		g.from = append(g.from, supply{named, given})
		overlay(values, given)
	}
	own, _, _ := unstructured.NestedMap(release.Object, "spec", "values")
	overlay(values, own)
	g.Values = values
	g.filesOfFlux(release)
	if list, _, _ := unstructured.NestedSlice(release.Object, "spec", "postRenderers"); len(list) > 0 {
		g.Unproven = append(g.Unproven, "its postRenderers change what the chart gives")
	}
}

// A supply is what values an object gives to a release.
type supply struct {
	what   string
	values map[string]any
}

// valuesIn returns the values that a key of a ConfigMap has; nil where they cannot be read.
func (c *Cluster) valuesIn(ctx context.Context, name, key string) map[string]any {
	m := c.get(ctx, configMaps, name)
	if m == nil {
		return nil
	}
	data, has, _ := unstructured.NestedString(m.Object, "data", key)
	values := map[string]any{}
	if !has || yaml.Unmarshal([]byte(data), &values) != nil {
		return nil
	}
	return values
}

// overwrites says what a Kustomization of Flux does to manifests after they were read.
func overwrites(k *unstructured.Unstructured) []string {
	var all []string
	name := "Kustomization " + inNamespace(k, k.GetName())
	spec, _, _ := unstructured.NestedMap(k.Object, "spec")
	if list, _ := spec["patches"].([]any); len(list) > 0 {
		all = append(all, "spec.patches of "+name+" may overwrite the value")
	}
	if build, _ := spec["postBuild"].(map[string]any); build["substitute"] != nil || build["substituteFrom"] != nil {
		all = append(all, "spec.postBuild of "+name+" puts variables in, of which the value may be one")
	}
	return all
}

// governs returns the parameter of an Application that sets one of some values.
func (g *Git) governs(set map[string]any) string {
	for _, at := range paths(set) {
		for _, name := range g.Parameters {
			if at == name || strings.HasPrefix(name, at+".") || strings.HasPrefix(at, name+".") {
				return name
			}
		}
	}
	return ""
}

// supplied names what else gives a release one of some values, which its own count before.
func (g *Git) supplied(set map[string]any) string {
	for _, s := range slices.Backward(g.from) {
		if clashes(s.values, set) > 0 {
			return s.what
		}
	}
	return ""
}

// clashes counts the values, and not the mappings that they are in, which are set by both.
func clashes(values, set map[string]any) int {
	n := 0
	for key, v := range set {
		old, has := values[key]
		a, isMap := old.(map[string]any)
		b, toMap := v.(map[string]any)
		switch {
		case isMap && toMap:
			n += clashes(a, b)
		case has:
			n++
		}
	}
	return n
}

// takesNoPatch says where the value of a chart is to be set.
func (g *Git) takesNoPatch(by Owner, object string) error {
	files := ""
	if len(g.Files) > 0 {
		files = ", or in " + strings.Join(g.Files, ", ") + " where it is there"
	}
	return fmt.Errorf("nothing was written: %s renders %s from a chart, which takes no patch; set the value in %s of it%s, and name the chart with --chart to find which it is", by, object, g.Field, files)
}

// charted tells whether a folder of the checkout is a chart.
func (d *desk) charted(dir string) bool {
	if d.checkout == nil || dir == "" {
		return false
	}
	_, err := d.checkout.Stat(path.Join(strings.TrimPrefix(dir, "/"), "Chart.yaml"))
	return err == nil
}
