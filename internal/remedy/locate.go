// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A Git is where an owner has the manifests from, as its own object says. It is not to be relied on and to be escaped.
type Git struct {
	Repo, Path, Revision string
	Values               map[string]any // that a HelmRelease or Application gives to its chart
	Field                string         // of an Application whose source is a chart: what overrides its values
	Release, Namespace   string         // as the Application has them; "": as usual
	Files                []string       // of values that the Application or HelmRelease names, by their repository
	Parameters           []string       // the values that the Application sets by its parameters
	Unproven             []string       // why no render with these values would prove anything, as sentences
	Overwrites           []string       // what else may change the value, as sentences

	sets  []string    // the parameters as Helm takes them
	from  []supply    // what a HelmRelease takes values from
	files []valueFile // Files, as they are looked for
	chart string      // the folder of the chart in its repository; "": it comes as a package
	skips bool        // files that are not there are left out, as the owner says
}

// String names the place as a person looks for it: "./apps of https://example.com/shop at main".
func (g *Git) String() string {
	s := strings.TrimSpace(g.Path)
	if g.Repo != "" {
		s = strings.TrimSpace(cmp.Or(s, "the top") + " of " + g.Repo)
	}
	if s != "" && g.Revision != "" {
		s += " at " + g.Revision
	}
	return s
}

// The objects by which Argo CD and Flux say what they apply (argo-cd.readthedocs.io, Application Specification; fluxcd.io, API reference).
var (
	applications   = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	kustomizations = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	helmReleases   = schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}
	fluxSources    = map[string]schema.GroupVersionResource{
		"GitRepository": {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"},
		"OCIRepository": {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "ocirepositories"},
		"Bucket":        {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "buckets"},
	}
)

// Locate asks the cluster where an owner has its manifests from. What cannot be read, be it forbidden or of a version that is not known,
// stays as the object told it: that is enough to look further.
func (c *Cluster) Locate(ctx context.Context, o Owner) (Owner, Git) {
	kind, name, _ := strings.Cut(o.Name, " ")
	var g Git
	switch {
	case o.Kind == ownerArgo && kind == "Application":
		g = c.application(ctx, name)
	case o.Kind == ownerFlux && kind == "Kustomization":
		g = c.kustomization(ctx, name)
	case o.Kind == ownerFlux && kind == "HelmRelease":
		release := c.get(ctx, helmReleases, name)
		if release == nil {
			return o, g
		}
		if by := byFlux(release); by.Kind != "" && by.Name != o.Name {
			g = c.kustomization(ctx, strings.TrimPrefix(by.Name, "Kustomization "))
		}
		c.helmOfFlux(ctx, &g, release)
	}
	if at := g.String(); at != "" {
		o.Where = fmt.Sprintf("%s (%s)", o.Where, at)
	}
	return o, g
}

// application reads an Application: of the namespace that its name says, else of Argo CD's usual one, else wherever the only one is.
func (c *Cluster) application(ctx context.Context, name string) Git {
	namespaced := name
	if !strings.Contains(name, "/") {
		namespaced = "argocd/" + name
	}
	app := c.get(ctx, applications, namespaced)
	if app == nil {
		all, err := c.Objects.Resource(applications).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, Limit: 2})
		if err != nil || len(all.Items) != 1 {
			return Git{}
		}
		app = &all.Items[0]
	}
	spec, _, _ := unstructured.NestedMap(app.Object, "spec")
	source, _, _ := unstructured.NestedMap(app.Object, "spec", "source")
	field, rendering := "spec.source", 1
	if source == nil { // several sources: the first with a path, else the first chart
		sources, _, _ := unstructured.NestedSlice(app.Object, "spec", "sources")
		rendering = len(slices.DeleteFunc(slices.Clone(sources), func(s any) bool {
			m, ok := s.(map[string]any)
			return !ok || m["path"] == nil && m["chart"] == nil
		}))
		for _, key := range []string{"chart", "path"} {
			at := slices.IndexFunc(sources, func(s any) bool { m, ok := s.(map[string]any); return ok && m[key] != nil })
			if at >= 0 {
				source, field = sources[at].(map[string]any), fmt.Sprintf("spec.sources[%d]", at)
			}
		}
	}
	g := Git{Repo: text(source, "repoURL"), Path: text(source, "path"), Revision: text(source, "targetRevision")}
	if rendering > 1 {
		g.Unproven = append(g.Unproven, fmt.Sprintf("the Application has %d sources that give objects, and which gives this one is not known", rendering))
	}
	kind, _, _ := unstructured.NestedString(app.Object, "status", "sourceType") // a chart in a folder needs no helm block
	if source["helm"] != nil || source["chart"] != nil || kind == "Helm" && rendering == 1 {
		g.Path = cmp.Or(g.Path, text(source, "chart"))
		g.helmOfArgo(spec, source, field)
	}
	return g
}

// valuesField is the field that overrides the values of a chart: valuesObject counts before values (argo-cd.readthedocs.io, Helm).
func valuesField(helm map[string]any) string {
	if helm["values"] != nil && helm["valuesObject"] == nil {
		return "values"
	}
	return "valuesObject"
}

// kustomization reads a Kustomization of Flux and the source that it names.
func (c *Cluster) kustomization(ctx context.Context, name string) Git {
	k := c.get(ctx, kustomizations, name)
	if k == nil {
		return Git{}
	}
	spec, _, _ := unstructured.NestedMap(k.Object, "spec")
	from, _, _ := unstructured.NestedMap(k.Object, "spec", "sourceRef")
	g := Git{Path: text(spec, "path"), Overwrites: overwrites(k)}
	gvr, known := fluxSources[text(from, "kind")]
	if !known {
		return g
	}
	source := c.get(ctx, gvr, cmp.Or(text(from, "namespace"), k.GetNamespace())+"/"+text(from, "name"))
	if source == nil {
		return g
	}
	of, _, _ := unstructured.NestedMap(source.Object, "spec")
	ref, _, _ := unstructured.NestedMap(source.Object, "spec", "ref")
	g.Repo = cmp.Or(text(of, "url"), text(of, "bucketName"))
	g.Revision = cmp.Or(text(ref, "commit"), text(ref, "tag"), text(ref, "semver"), text(ref, "branch"))
	return g
}

// get returns an object by namespace/name, or nil where it cannot be had.
func (c *Cluster) get(ctx context.Context, gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	namespace, name, ok := strings.Cut(name, "/")
	if !ok {
		return nil
	}
	o, err := c.Objects.Resource(gvr).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return o
}

func text(m map[string]any, field string) string {
	s, _ := m[field].(string)
	return s
}

// locate fills in where the owner of a plan has the object from, once it is known that there is one.
func (c *Cluster) locate(ctx context.Context, plan *Plan) {
	if plan.Owner.Kind == "" {
		return
	}
	plan.Owner, plan.Git = c.Locate(ctx, plan.Owner)
	plan.Warned = append(plan.Warned, plan.Git.Overwrites...)
	if plan.Refused != nil && plan.Refused.Because == Owned {
		plan.Refused = ownedBy(plan.Fix.Patch.Target, plan.Owner)
	}
}
