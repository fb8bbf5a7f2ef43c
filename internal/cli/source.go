// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	// Credentials of cloud providers and of exec plugins, as kubectl takes them.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// source returns where the evidence comes from. This is the one place where the sources are known.
func (a *ask) source(p *program, progress func(string)) (diagnosis.Source, error) {
	switch a.from {
	case "":
		return nil, errors.New("no cluster yet")
	case "-":
		source, err := collect.ReadSource(p.In)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return source, nil
	}
	fsys, err := collect.OpenArchive(a.from)
	if err != nil {
		return nil, err
	}
	return collect.Bundle{FS: fsys}, nil
}

// restConfig returns how to reach the cluster that the flags and the kubeconfig name.
func (a *ask) restConfig() (*rest.Config, error) {
	config, err := a.config.ToRESTConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("there is no kubeconfig: name one with --kubeconfig or KUBECONFIG, or read a bundle with --from")
	}
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config, nil
}
