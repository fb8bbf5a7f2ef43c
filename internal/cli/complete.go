// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// completeWithin is how long a shell waits for names; a person who pressed Tab waits no longer.
const completeWithin = 2 * time.Second

// maxCompletions is how many names are asked for, more than a screen shows.
const maxCompletions = "500"

// completion tells a shell how to complete the arguments and flags of a command.
func (a *ask) completion(cmd *cobra.Command) {
	cmd.ValidArgsFunction = a.complete
	for flag, propose := range map[string]cobra.CompletionFunc{"namespace": a.completeNamespace, "context": a.completeContext} {
		if err := cmd.RegisterFlagCompletionFunc(flag, propose); err != nil {
			panic(err) // cannot happen: the flag was bound just before
		}
	}
}

// completeContext proposes the contexts of the kubeconfig.
func (a *ask) completeContext(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	config, err := a.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return beginning(begun, "", slices.Sorted(maps.Keys(config.Contexts))), cobra.ShellCompDirectiveNoFileComp
}

// complete proposes pods of the namespace, or things of the type that the word or the first argument names.
func (a *ask) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	of, prefix := kinds[0], ""
	if before, _, ok := strings.Cut(begun, "/"); ok {
		if of, ok = kindOf(before); !ok {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		prefix = before + "/"
	} else if len(args) > 0 {
		if k, ok := kindOf(args[0]); ok {
			of = k
		}
	}
	list := beginning(begun, prefix, a.names(cmd.Context(), of))
	if prefix != "" || len(args) > 0 || len(list) > 0 {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
	var types []string
	for _, k := range kinds {
		types = append(types, strings.ToLower(k.name)+"/")
	}
	return beginning(begun, "", types), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeNamespace proposes namespaces.
func (a *ask) completeNamespace(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	namespaces, _ := kindOf("namespace")
	return beginning(begun, "", a.names(cmd.Context(), namespaces)), cobra.ShellCompDirectiveNoFileComp
}

// beginning returns the names, with the prefix, that begin like the word.
func beginning(word, prefix string, names []string) []string {
	var list []string
	for _, name := range names {
		if strings.HasPrefix(prefix+name, word) {
			list = append(list, prefix+name)
		}
	}
	return list
}

// names returns the names of the things of a kind, or none: a completion has nowhere to say what went wrong.
func (a *ask) names(ctx context.Context, of kind) []string {
	client, namespace, err := a.client()
	if err != nil || a.from != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	data, err := client.Get().AbsPath(of.path(namespace)).Param("limit", maxCompletions).
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").Do(ctx).Raw()
	if err != nil {
		return nil
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if json.Unmarshal(data, &list) != nil {
		return nil
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.Metadata.Name)
	}
	return names
}

// path returns the URL path of the things of a kind.
func (k kind) path(namespace string) string {
	if k.cluster {
		return path.Join(k.api, k.plural)
	}
	return path.Join(k.api, "namespaces", namespace, k.plural)
}

// client returns a client of the API server, and the namespace to use it in.
func (a *ask) client() (*rest.RESTClient, string, error) {
	namespace, err := a.namespace()
	if err != nil {
		return nil, "", err
	}
	config, err := a.restConfig()
	if err != nil {
		return nil, "", err
	}
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	return client, namespace, err
}
