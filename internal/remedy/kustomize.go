// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// Kustomize writes a patch into a folder as Kustomize takes it: a file of its own, and a kustomization.yaml that names it
// where there is none yet. It returns the lines that a kustomization.yaml which is there already has to be given; no file is
// written over.
func Kustomize(folder string, p *diagnosis.Patch) (file, entry string, err error) {
	name := strings.ToLower(p.Target.Kind) + "-" + p.Target.Name + ".yaml"
	file = filepath.Join(folder, name)
	k, known := kinds[p.Target.Kind]
	if !known || name != filepath.Base(name) {
		return "", "", fmt.Errorf("write a patch for %s: fixes do not change objects of that kind or name", named(p.Target))
	}
	version := k.resource.GroupVersion().String()
	target := map[string]any{"kind": p.Target.Kind, "name": p.Target.Name, "version": k.resource.Version}
	if k.resource.Group != "" {
		target["group"] = k.resource.Group
	}
	var content any
	if err := json.Unmarshal([]byte(p.Data), &content); err != nil {
		return "", "", fmt.Errorf("read the patch of %s: %w", named(p.Target), err)
	}
	if fields, ok := content.(map[string]any); ok && p.Type == diagnosis.Strategic {
		meta, _ := fields["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
		}
		meta["name"] = p.Target.Name
		if p.Target.Namespace != "" {
			meta["namespace"] = p.Target.Namespace
		}
		fields["apiVersion"], fields["kind"], fields["metadata"] = version, p.Target.Kind, meta
	}
	patches := map[string]any{"patches": []any{map[string]any{"path": name, "target": target}}}
	lines, err := yaml.Marshal(patches)
	if err != nil {
		return "", "", fmt.Errorf("write a kustomization: %w", err)
	}
	data, err := yaml.Marshal(content)
	if err != nil {
		return "", "", fmt.Errorf("write a patch: %w", err)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", "", fmt.Errorf("write a patch: %w", err)
	}
	if err := create(file, data); err != nil {
		return "", "", err
	}
	head := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
	switch err := create(filepath.Join(folder, "kustomization.yaml"), append([]byte(head), lines...)); {
	case errors.Is(err, fs.ErrExist):
		return file, string(lines), nil
	default:
		return file, "", err
	}
}

// create writes a file that must not be there yet.
func create(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write a patch: %w", err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
