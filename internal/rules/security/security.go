// SPDX-License-Identifier: Apache-2.0

// Package security holds the rules about what containers may do and as whom they run, before they run: settings that an image cannot work
// under, and the levels of the Pod Security Standards.
package security

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	RootRefused,
	RunsAsRoot,
	ReadOnlyImage,
	WritableRoot,
	Baseline,
	Restricted,
}

// Sets are those that look at all manifests together.
var Sets = []*diagnosis.Rule{
	NamespaceRefuses,
}

// A settings is what holds for a container of the two security contexts.
type settings struct {
	user     *int64
	nonRoot  *bool
	readOnly bool
	where    string // the field of the container that the user is set in, or would be
}

// settingsOf returns what holds for the pass's container: its own settings come before the pod's
// (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/).
func settingsOf(p *diagnosis.Pass) settings {
	s := settings{where: "securityContext"}
	if pod := p.PodSpec().SecurityContext; pod != nil {
		s.user, s.nonRoot = pod.RunAsUser, pod.RunAsNonRoot
	}
	own := p.Spec().SecurityContext
	if own == nil {
		return s
	}
	if own.RunAsUser != nil {
		s.user = own.RunAsUser
	}
	if own.RunAsNonRoot != nil {
		s.nonRoot = own.RunAsNonRoot
	}
	s.readOnly = own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem
	return s
}

// official returns the name of an image of the Docker library, "nginx" of docker.io/library/nginx:1.27 too; "" of any other.
func official(image string) string {
	name, _, _ := strings.Cut(image, "@")
	for _, prefix := range []string{"docker.io/library/", "index.docker.io/library/", "library/", "docker.io/", "public.ecr.aws/docker/library/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	name, _, _ = strings.Cut(name, ":")
	if strings.Contains(name, "/") {
		return ""
	}
	return name
}

// A habit is what the image of a program of the Docker library does when nothing is set: whether it starts as root, and which
// folders of its root file system it writes. They are those of the Dockerfiles in github.com/docker-library.
type habit struct {
	root   bool
	writes []string
}

var habits = map[string]habit{
	"nginx":     {true, []string{"/var/cache/nginx", "/var/run|/run"}},
	"httpd":     {true, []string{"/usr/local/apache2/logs"}},
	"postgres":  {true, []string{"/var/lib/postgresql|/var/lib/postgresql/data", "/var/run/postgresql|/run|/var/run|/run/postgresql"}},
	"mysql":     {true, []string{"/var/lib/mysql", "/var/run/mysqld|/var/run|/run|/run/mysqld"}},
	"mariadb":   {true, []string{"/var/lib/mysql", "/run/mysqld|/run|/var/run|/var/run/mysqld"}},
	"mongo":     {true, []string{"/data/db", "/tmp"}},
	"redis":     {true, []string{"/data"}},
	"rabbitmq":  {true, []string{"/var/lib/rabbitmq"}},
	"memcached": {false, nil},
	"busybox":   {true, nil}, "alpine": {true, nil}, "debian": {true, nil}, "ubuntu": {true, nil}, "fedora": {true, nil},
	"python": {true, nil}, "node": {true, nil}, "golang": {true, nil}, "ruby": {true, nil}, "php": {true, nil}, "openjdk": {true, nil},
	"eclipse-temurin": {true, nil}, "tomcat": {true, nil}, "traefik": {true, nil}, "caddy": {true, nil}, "wordpress": {true, nil}, "registry": {true, nil},
}

// missing returns the folders that the image writes and that the container has no volume on.
func missing(c *corev1.Container, writes []string) []string {
	var list []string
	for _, names := range writes {
		folders := strings.Split(names, "|")
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return slices.ContainsFunc(folders, func(f string) bool { return within(f, m.MountPath) })
		})
		if !mounted {
			list = append(list, folders[0])
		}
	}
	return list
}

// within tells whether a folder is a mount or lies below it.
func within(folder, mount string) bool {
	mount = strings.TrimRight(mount, "/")
	return folder == mount || strings.HasPrefix(folder, mount+"/")
}
