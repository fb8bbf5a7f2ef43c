// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"

	// Credentials of cloud providers and of exec plugins, as kubectl takes them.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/report"
)

// source returns where the evidence comes from. This is the one place where the sources are known.
func (a *ask) source(p *program, progress func(string)) (diagnosis.Source, error) {
	if a.from == "" {
		config, err := a.restConfig()
		if err != nil {
			return nil, err
		}
		return collect.Cluster{Config: config, Progress: progress, Whole: a.whole, Services: a.services}, nil
	}
	reading := collect.Reading{Progress: progress, LogBytes: a.logBytes, Notice: func(text string) {
		fmt.Fprintln(p.ErrOut, "notice: "+report.Escape(text))
	}}
	if a.from != "-" {
		return collect.Open(a.from, reading)
	}
	source, err := collect.OpenPipe(p.In, reading)
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return source, nil
}

// checkKubeconfig tells whether there is a cluster to ask, and what to do when there is none.
func (a *ask) checkKubeconfig() error {
	raw, err := a.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	or := ", or a bundle with --from"
	if a.noFrom {
		or = ""
	}
	if len(raw.Clusters) == 0 && *a.config.APIServer == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		if path := os.Getenv(clientcmd.RecommendedConfigPathEnvVar); path != "" {
			return fmt.Errorf("KUBECONFIG names no cluster: there is none in %s; name a kubeconfig with --kubeconfig%s", path, or)
		}
		return fmt.Errorf("there is no kubeconfig: name one with --kubeconfig or KUBECONFIG%s", or)
	}
	name := *a.config.Context
	if name == "" || raw.Contexts[name] != nil {
		return nil
	}
	if near, ok := nearest(name, slices.Sorted(maps.Keys(raw.Contexts))); ok {
		return fmt.Errorf("there is no context %q in the kubeconfig, did you mean %q?", name, near)
	}
	return fmt.Errorf("there is no context %q in the kubeconfig: kubectl config get-contexts shows what there is", name)
}

// restConfig returns how to reach the cluster that the flags and the kubeconfig name, or the cluster that the program
// runs in.
func (a *ask) restConfig() (*rest.Config, error) {
	if err := a.checkKubeconfig(); err != nil {
		return nil, err
	}
	config, err := a.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.Timeout = 0 // --request-timeout holds for the whole answer, and a watch has no end
	return config, nil
}
