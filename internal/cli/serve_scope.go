// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/watch"
)

// identify says which cluster this is: by the UID of the namespace kube-system, or, for who may not read that, by where its API server is and
// who vouches for it.
func identify(ctx context.Context, config *rest.Config, core rest.Interface) (string, error) {
	var home corev1.Namespace
	err := core.Get().Resource("namespaces").Name(metav1.NamespaceSystem).Do(ctx).Into(&home)
	switch {
	case err == nil:
		return string(home.UID), nil
	case !apierrors.IsForbidden(err):
		return "", fmt.Errorf("ask which cluster this is, by the UID of the namespace kube-system: %w", err)
	}
	config = rest.CopyConfig(config)
	if err := rest.LoadTLSFiles(config); err != nil {
		return "", fmt.Errorf("use the kubeconfig: %w", err)
	}
	return digest(config.Host + "\n" + string(config.CAData)), nil
}

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:32] }

// narrow has a recorder watch the namespaces that are named; or, where not all may be watched and none is named, the one that the context
// names, as kubectl would ask about. Such a watch has a history of its own: of what is beyond it has nothing to say, and what it knows of a
// cluster is not what one of all of it knew.
func (o *serveOptions) narrow(ctx context.Context, told io.Writer, recorder *watch.Recorder) error {
	names, err := namespacesIn(o.spaces)
	if err != nil {
		return err
	}
	recorder.Narrowed = "told so by -n"
	if len(names) == 0 {
		if mayWatch(ctx, recorder.Pods, "") {
			return nil
		}
		recorder.Narrowed = "forbidden: cannot watch pods in all namespaces"
		named := o.contextNamespace()
		if named == "" {
			return errors.New("forbidden: this user cannot watch pods in all namespaces: say with -n which ones to watch, or ask for a role that can, such as view in all of them")
		}
		names = []string{named}
		fmt.Fprintf(told, "This user cannot watch pods in all namespaces: namespace %s is watched, which the context names; -n watches others.\n", named)
	}
	if !slices.ContainsFunc(names, func(name string) bool { return mayWatch(ctx, recorder.Pods, name) }) {
		return fmt.Errorf("forbidden: this user cannot watch pods in namespace %s: ask for a role there that can, such as view, or watch others with -n", strings.Join(names, ", "))
	}
	for _, name := range names {
		err := recorder.Client.Get().Resource("namespaces").Name(name).Do(ctx).Error()
		if apierrors.IsNotFound(err) {
			fmt.Fprintf(told, "There is no namespace %s yet.\n", name)
		}
	}
	recorder.Namespaces = names
	all := strings.Join(names, "+")
	if len(all) > 100 { // it is the name of a file
		all = digest(all)
	}
	recorder.Cluster += "+" + all
	return nil
}

// namespacesIn are the names that -n or the environment gives, each once.
func namespacesIn(given []string) ([]string, error) {
	var names []string
	for _, name := range given {
		name = strings.TrimSpace(name)
		if why := validation.IsDNS1123Label(name); len(why) > 0 {
			return nil, fmt.Errorf("%q, as -n has it, is no name of a namespace: %s", name, why[0])
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// contextNamespace is the one that the context of the kubeconfig names, if it does.
func (o *serveOptions) contextNamespace() string {
	raw, err := o.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return "" // then there is no kubeconfig, as in a pod
	}
	name := raw.CurrentContext
	if *o.config.Context != "" {
		name = *o.config.Context
	}
	if c := raw.Contexts[name]; c != nil {
		return c.Namespace
	}
	return ""
}

// mayWatch tells whether pods of a namespace, or of all, may be watched, by asking to watch none of them. That something else is in the way is
// for whoever watches them to find out.
func mayWatch(ctx context.Context, pods rest.Interface, namespace string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	second := int64(1)
	options := &metav1.ListOptions{Watch: true, ResourceVersion: "0", LabelSelector: "kubeinquest.io/none", TimeoutSeconds: &second}
	body, err := pods.Get().NamespaceIfScoped(namespace, namespace != "").Resource("pods").VersionedParams(options, scheme.ParameterCodec).MaxRetries(0).Stream(ctx)
	if err == nil {
		body.Close()
	}
	return !apierrors.IsForbidden(err)
}
