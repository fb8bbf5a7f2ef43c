// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// appImage is the image of the lab that stands in for others: a shell, and a program that can serve.
const appImage = "lab.local/app:v1"

// A standIn does what an image's program does, as far as a cause can be told by it: it is found by the same name, listens
// on the same port, and refuses what that refuses.
type standIn struct {
	program string // what the image's entrypoint runs, under its own name
	script  string
}

// standIns are those for images that everyone knows, by the last part of their names.
var standIns = map[string]standIn{
	"alpine":             {program: "sh"},
	"bash":               {program: "sh"},
	"busybox":            {program: "sh"},
	"debian":             {program: "sh"},
	"ubuntu":             {program: "sh"},
	"elasticsearch":      server("elasticsearch", 9200),
	"fake-service":       {"fake-service", serving("${LISTEN_ADDR:-:9090}")},
	"hello-app":          server("hello-app", 8080),
	"httpd":              {"httpd-foreground", pages(80)},
	"kafka":              server("kafka-server-start.sh", 9092),
	"mariadb":            {"mariadbd", holding + serving(":3306")},
	"memcached":          server("memcached", 11211),
	"mongo":              {"mongod", holding + serving(":27017")},
	"mysql":              {"mysqld", holding + serving(":3306")},
	"neo4j":              server("neo4j", 7474),
	"nginx":              {"nginx", pages(80)},
	"nginx-unprivileged": {"nginx", pages(8080)},
	"node":               {"node", serving(":${PORT:-8080}")},
	"postgres":           {"postgres", notAsRoot + serving(":5432")},
	"python":             {"python", serving(":${PORT:-8000}")},
	"rabbitmq":           server("rabbitmq-server", 5672),
	"redis":              server("redis-server", 6379),
	"zookeeper":          server("zkServer.sh", 2181),
}

// tools are programs that come with the images that have them, beside the one they are for.
var tools = map[string]map[string]string{
	"node":     {"apk": quiet, "npm": quiet},
	"postgres": {"pg_isready": isReady, "psql": quiet, "docker-entrypoint.sh": asOther},
	"python":   {"pip": quiet},
}

const (
	shebang = "#!/bin/sh\n"
	quiet   = shebang
	// holding takes memory in the process that the container starts with, as a database's caches do.
	holding = `memory=$(head -c 33554432 /dev/zero | busybox tr '\0' x)` + "\n"
	// notAsRoot is PostgreSQL's check, src/backend/main/main.c.
	notAsRoot = `if [ "$(id -u)" = 0 ] && [ -z "$SWITCHED_USER" ]; then
  echo '"root" execution of the PostgreSQL server is not permitted.' >&2
  echo 'The server must be started under an unprivileged user ID to prevent' >&2
  echo 'possible system security compromise.  See the documentation for' >&2
  echo 'more information on how to properly start the server.' >&2
  exit 1
fi
`
	// asOther is for an entrypoint that changes the user before it starts the server.
	asOther = shebang + "export SWITCHED_USER=yes\nexec \"${@:-postgres}\"\n"
	// isReady is PostgreSQL's pg_isready, src/bin/scripts/pg_isready.c. The lab has no cluster DNS: a Service is found by
	// the variable that it has in every container.
	isReady = shebang + `host=localhost port=5432
while getopts h:p:U:d:t:q option; do
  case $option in h) host=$OPTARG ;; p) port=$OPTARG ;; esac
done
name=$(echo "${host%%.*}" | busybox tr a-z- A-Z_)
eval "address=\${${name}_SERVICE_HOST:-$host}"
if /app get -timeout 3s "http://$address:$port/" >/dev/null 2>&1; then
  echo "$host:$port - accepting connections"
else
  echo "$host:$port - no response"
  exit 2
fi
`
)

// applets are tools of the image's busybox that have no name of their own there.
const applets = "test [ awk basename chmod cp cut dirname expr find ln md5sum mv printf sed seq shuf sort tee timeout tr uname uniq wc which xargs yes"

func server(program string, port int) standIn {
	return standIn{program, serving(fmt.Sprintf(":%d", port))}
}

// serving answers on an address, and leaves when it is told to.
func serving(address string) string { return until(`/app serve -addr "` + address + `"`) }

// pages has one page; everything else is not found.
func pages(port int) string {
	return fmt.Sprintf("mkdir -p /tmp/www\necho welcome >/tmp/www/index.html\n%s", until(fmt.Sprintf("busybox httpd -f -p %d -h /tmp/www", port)))
}

func until(command string) string {
	return command + " &\ntrap 'kill $!; exit 0' TERM INT QUIT\nwait $!\n"
}

// scripts are the files of the ConfigMap that a stand-in's programs come from.
func scripts() map[string]any {
	files := map[string]any{"wget": shebang + "for last; do :; done\nexec /app get \"$last\"\n"}
	for applet := range strings.FieldsSeq(applets) {
		files[key("", applet)] = shebang + "exec busybox " + applet + " \"$@\"\n"
	}
	for base, s := range standIns {
		if s.script != "" {
			files[key(base, s.program)] = shebang + s.script
		}
		for name, script := range tools[base] {
			files[key(base, name)] = script
		}
	}
	return files
}

// key is where a ConfigMap has a program: not every name of a file is one of a key.
func key(base, program string) string {
	if program == "[" {
		program = "bracket"
	}
	return strings.TrimPrefix(base+"."+program, ".")
}

// folder is the volume with the programs of an image.
func folder(base string) map[string]any {
	items := []any{map[string]any{"key": "wget", "path": "wget"}}
	add := func(base, program string) {
		items = append(items, map[string]any{"key": key(base, program), "path": program})
	}
	for applet := range strings.FieldsSeq(applets) {
		add("", applet)
	}
	if standIns[base].script != "" {
		add(base, standIns[base].program)
	}
	for _, name := range slices.Sorted(maps.Keys(tools[base])) {
		add(base, name)
	}
	return map[string]any{
		"name":      "stand-in-" + base,
		"configMap": map[string]any{"name": programs, "defaultMode": 0o755, "items": items},
	}
}

// baseOf returns the last part of an image's name, without tag and digest.
func baseOf(image string) string {
	name, _, _ := strings.Cut(path.Base(strings.Split(image, "@")[0]), ":")
	return name
}

// dress makes a pod's containers run the lab's image where theirs is one that exists, and returns whether any does.
func dress(spec map[string]any, exists func(container, image string) bool) {
	bases := map[string]bool{}
	for _, list := range []string{"initContainers", "containers"} {
		for _, item := range listOf(spec, list) {
			c, ok := item.(map[string]any)
			if !ok {
				continue
			}
			image, _ := c["image"].(string)
			name, _ := c["name"].(string)
			base := baseOf(image)
			if _, known := standIns[base]; !exists(name, image) {
				continue
			} else if !known {
				base = "hello-app"
			}
			bases[base] = true
			dressContainer(c, base)
		}
	}
	for _, base := range slices.Sorted(maps.Keys(bases)) {
		spec["volumes"] = append(listOf(spec, "volumes"), folder(base))
	}
}

func dressContainer(c map[string]any, base string) {
	c["image"], c["imagePullPolicy"] = appImage, "IfNotPresent"
	switch {
	case len(listOf(c, "command")) > 0:
	case base == "postgres":
		c["command"] = []any{"docker-entrypoint.sh"}
	default:
		c["command"] = []any{standIns[base].program}
	}
	for _, item := range listOf(c, "volumeMounts") {
		m, ok := item.(map[string]any)
		if at, _ := m["mountPath"].(string); ok && strings.HasPrefix(at+"/", "/app/") {
			m["mountPath"] = "/opt" + at // the image's program is the file /app
		}
	}
	c["volumeMounts"] = append(listOf(c, "volumeMounts"), map[string]any{"name": "stand-in-" + base, "mountPath": "/stand-in"})
	c["env"] = append([]any{map[string]any{"name": "PATH", "value": "/stand-in:/bin:/usr/bin:/"}}, listOf(c, "env")...)
}

func listOf(m map[string]any, field string) []any {
	list, _ := m[field].([]any)
	return list
}
