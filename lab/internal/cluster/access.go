// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/kubeinquest/inquest/lab/internal/pki"
)

// certificates are what the lab's programs know each other by. The common name
// and the groups are Kubernetes' own names for them.
func certificates() []pki.Request {
	requests := []pki.Request{
		{Name: "apiserver", CommonName: "kube-apiserver", Hosts: []string{
			"127.0.0.1", controlIP, serviceIP, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}},
		{Name: "kubelet-client", CommonName: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
		{Name: "front-proxy-client", CommonName: "front-proxy-client"},
		{Name: "admin", CommonName: "lab-admin", Groups: []string{"system:masters"}},
		{Name: "controller-manager", CommonName: "system:kube-controller-manager"},
		{Name: "scheduler", CommonName: "system:kube-scheduler"},
		{Name: "proxy", CommonName: "system:kube-proxy"},
	}
	for n := 1; n <= maxNodes; n++ {
		name := fmt.Sprintf("n%d", n)
		requests = append(requests, pki.Request{
			Name: name, CommonName: "system:node:" + name, Groups: []string{"system:nodes"}, Hosts: []string{name, nodeIP(n)},
		})
	}
	return requests
}

// makePKI makes all certificates, unless a kept state has them.
func (l Lab) makePKI(now time.Time) error {
	_, err := os.Stat(l.Kubeconfig()) // written last
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	authority, err := pki.Create(l.pkiDir(), now)
	if err != nil {
		return err
	}
	for _, r := range certificates() {
		if err := authority.Issue(r, now); err != nil {
			return err
		}
	}
	data, err := l.kubeconfigFor("admin")
	if err != nil {
		return err
	}
	return os.WriteFile(l.Kubeconfig(), data, 0o600)
}

// UserKubeconfig makes a kubeconfig for a person of that name and returns its
// path. What the person may do is up to RBAC.
func (l Lab) UserKubeconfig(user string, groups []string, expired bool, now time.Time) (string, error) {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`).MatchString(user) {
		return "", fmt.Errorf("user %q: use lower case letters, digits, dots and dashes", user)
	}
	authority, err := pki.Open(l.pkiDir())
	if err != nil {
		return "", err
	}
	name := "user-" + user
	if err := authority.Issue(pki.Request{Name: name, CommonName: user, Groups: groups, Expired: expired}, now); err != nil {
		return "", err
	}
	data, err := l.kubeconfigFor(name)
	if err != nil {
		return "", err
	}
	file := filepath.Join(l.State, name+".kubeconfig")
	return file, os.WriteFile(file, data, 0o600)
}

// kubeconfigFor holds all it needs, so it can be copied elsewhere. JSON is YAML.
func (l Lab) kubeconfigFor(name string) ([]byte, error) {
	read := map[string][]byte{}
	for _, file := range []string{"ca.crt", name + ".crt", name + ".key"} {
		data, err := os.ReadFile(filepath.Join(l.pkiDir(), file))
		if err != nil {
			return nil, err
		}
		read[file] = data
	}
	return json.MarshalIndent(map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": "lab", "cluster": map[string]any{
			"server": apiURL, "certificate-authority-data": read["ca.crt"]}}},
		"users": []any{map[string]any{"name": name, "user": map[string]any{
			"client-certificate-data": read[name+".crt"], "client-key-data": read[name+".key"]}}},
		"contexts":        []any{map[string]any{"name": "lab", "context": map[string]any{"cluster": "lab", "user": name}}},
		"current-context": "lab",
	}, "", " ")
}
