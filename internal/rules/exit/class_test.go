// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// lastWords are those of many programs, with their class.
var lastWords = map[string]class{
	`leaderelection lost`:                                                             leaseLost,
	`problem running manager: leader election lost`:                                   leaseLost,
	`"leaderelection lost" err="leaderelection lost"`:                                 leaseLost,
	`lost lease on shop/controller, stopping`:                                         leaseLost,
	`error retrieving resource lock kube-system/x: context deadline exceeded`:         leaseLost,
	`detected change in configuration file, exiting for restart`:                      reloaded,
	`shutting down to reload configuration`:                                           reloaded,
	`pods is forbidden: User "system:serviceaccount:a:b" cannot list resource "pods"`: forbidden,
	`pods "x" is forbidden: exceeded quota: q, requested: pods=1`:                     other,
	`inotify_add_watch failed: no space left on device`:                               watchesOut,
	`Error: ENOSPC: System limit for number of file watchers reached, watch '/app'`:   watchesOut,
	`failed to create fsnotify watcher: too many open files`:                          watchesOut,
	`write /data/x: no space left on device`:                                          other,
	`accept tcp [::]:8080: accept4: too many open files`:                              filesOut,
	`Error: EMFILE: too many open files, open '/app/x'`:                               filesOut,
	`OSError: [Errno 24] Too many open files: '/tmp/x'`:                               filesOut,
	`java.lang.OutOfMemoryError: unable to create native thread`:                      threadsOut,
	`RuntimeError: can't start new thread`:                                            threadsOut,
	`fork: Resource temporarily unavailable`:                                          threadsOut,
	`OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 8`:              threadsOut,
	`Error: spawn /usr/bin/node EAGAIN`:                                               threadsOut,
	`read tcp: resource temporarily unavailable`:                                      other,
	`listen tcp :8080: bind: address already in use`:                                  portTaken,
	`Error: listen EADDRINUSE: address already in use :::3000`:                        portTaken,
	`Web server failed to start. Port 8080 was already in use.`:                       portTaken,
	`OSError: [Errno 98] Address already in use`:                                      portTaken,
	`nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)`:         portTaken,
	`mkdir /var/lib/x: read-only file system`:                                         fileDenied,
	`PermissionError: [Errno 13] Permission denied: '/data/x'`:                        fileDenied,
	`java.nio.file.AccessDeniedException: /data/x`:                                    fileDenied,
	`"root" execution of the server is not permitted`:                                 fileDenied,
	`nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)`:              fileDenied,
	`data directory "/var/lib/db" has wrong ownership`:                                fileDenied,
	`ERROR:  permission denied for table orders`:                                      other,
	`git@example.com: Permission denied (publickey).`:                                 other,
	`DATABASE_URL is not set`:                                                         settingMissing,
	`Error: Missing required environment variable: API_TOKEN`:                         settingMissing,
	`environment variable "SHOP_DSN" must be set`:                                     settingMissing,
	`required key DB_HOST missing value`:                                              settingMissing,
	`env: required environment variable "DB_HOST" is not set`:                         settingMissing,
	`sh: 1: SHOP_DSN: parameter not set`:                                              settingMissing,
	`./run.sh: line 3: SHOP_DSN: unbound variable`:                                    settingMissing,
	`Could not resolve placeholder 'shop.url' in value "${shop.url}"`:                 settingMissing,
	`KeyError: 'SHOP_DSN'`:                                                            settingMissing,
	`You must specify POSTGRES_PASSWORD to a non-empty value for the superuser`:       settingMissing,
	`1 validation error for Settings: database_url: Field required`:                   settingMissing,
	`Config validation error: "DATABASE_URL" is required`:                             settingMissing,
	`Environment variable DEPLOY_TARGET is undefined`:                                 settingMissing,
	`KeyError: 'price'`: other,
	`user not found`:    other,
	`error parsing config file: yaml: line 12: did not find expected key`:                configBroken,
	`SyntaxError: Unexpected token } in JSON at position 4`:                              configBroken,
	`nginx: [emerg] unknown directive "servr" in /etc/nginx/nginx.conf:3`:                configBroken,
	`unable to load configuration: invalid character '}' looking for beginning of value`: configBroken,
	`open /etc/shop/config.yaml: no such file or directory`:                              configBroken,
	`FileNotFoundError: [Errno 2] No such file or directory: '/config/settings.toml'`:    configBroken,
	`*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***`:                                      configBroken,
	`unrecognized configuration parameter "max_conections"`:                              configBroken,
	`cannot load config from http://settings:8080: connection refused`:                   other,
	`flag provided but not defined: -x`:                                                  argumentsWrong,
	`error: unrecognized arguments: --workers`:                                           argumentsWrong,
	`Error: unknown command "serv" for "shop"`:                                           argumentsWrong,
	`error: unknown shorthand flag: 'z' in -z`:                                           argumentsWrong,
	"toml: line 3: expected value but found '}' instead":                                 configBroken,
	`ERROR:  cannot execute INSERT in a read-only transaction`:                           other,
	"ArgumentError: Missing `secret_key_base` for 'production' environment":              settingMissing,
	`connection refused`:         other,
	`usage: shop [-h] --dsn DSN`: other, // with another exit code than 2
}

// TestUsageAlone: the line that a flag parser prints tells of wrong arguments only with its exit code.
func TestUsageAlone(t *testing.T) {
	e := end{block: signature.Block{Headline: "usage: shop [-h] --dsn DSN"}, Attempt: evidence.Attempt{ExitCode: 2}}
	if got := e.recognise(); got != argumentsWrong {
		t.Errorf("class %d", got)
	}
}

func TestWhatATerminationMessageSaysMost(t *testing.T) {
	for message, want := range map[string]string{
		"INFO begin\nERROR cannot open the ledger\nINFO bye\n": "cannot open the ledger",
		"first\r\nthe last one\r\n\n":                          "the last one",
		"":                                                     "",
	} {
		if got := gist(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestWhatWasDenied(t *testing.T) {
	for said, want := range map[string]int{
		`"root" execution of the server is not permitted`:     0,
		"refusing to run as root":                             0,
		"mkdir /var/lib/x: read-only file system":             1,
		"ReadOnlyFileSystemException: /data":                  1,
		"Error: EROFS: open '/app/x'":                         1,
		"bind() to 0.0.0.0:80 failed (13: Permission denied)": 2,
		"listen EACCES: permission denied 0.0.0.0:80":         2,
		"open /data/x: permission denied":                     3,
	} {
		if got := denialOf(said); got.why != denials[want].why {
			t.Errorf("%s: %s", said, got.why)
		}
	}
}

// TestGrants holds the commands for what the API server says may not be done.
func TestGrants(t *testing.T) {
	const account = "system:serviceaccount:shop:robot"
	for _, c := range []struct{ user, verb, resource, group, namespace, want string }{
		{account, "list", "pods", "", "shop", "kubectl -n shop create role robot-list-pods --verb=list --resource=pods && kubectl -n shop create rolebinding robot-list-pods --role=robot-list-pods --serviceaccount=shop:robot"},
		{account, "patch", "deployments", "apps", "", "kubectl create clusterrole robot-patch-deployments --verb=patch --resource=deployments.apps && kubectl create clusterrolebinding robot-patch-deployments --clusterrole=robot-patch-deployments --serviceaccount=shop:robot"},
		{account, "update", "deployments/scale", "apps", "shop", "kubectl -n shop create role robot-update-deployments-scale --verb=update --resource=deployments.apps/scale && kubectl -n shop create rolebinding robot-update-deployments-scale --role=robot-update-deployments-scale --serviceaccount=shop:robot"},
		{account, "get", "pods/log", "", "shop", "kubectl -n shop create role robot-get-pods-log --verb=get --resource=pods/log && kubectl -n shop create rolebinding robot-get-pods-log --role=robot-get-pods-log --serviceaccount=shop:robot"},
		{"system:anonymous", "list", "pods", "", "shop", ""},
		{"system:node:n1:x", "list", "pods", "", "shop", ""},
	} {
		if got := grants(c.user, c.verb, c.resource, c.group, c.namespace)[0].Command; got != c.want {
			t.Errorf("%s %s %s:\n%s\nwant\n%s", c.user, c.verb, c.resource, got, c.want)
		}
	}
}

func TestWordings(t *testing.T) {
	for line, want := range lastWords {
		e := end{block: signature.Block{Headline: line, Lines: []string{line}}}
		e.ExitCode = 1
		if got := e.recognise(); got != want {
			t.Errorf("%s: class %d, want %d", line, got, want)
		}
	}
}

func TestASettingThatIsThereIsNotMissing(t *testing.T) {
	for value, want := range map[string]bool{"": true, "x": false} {
		e := end{spec: corev1.Container{Env: []corev1.EnvVar{{Name: "SHOP_DSN", Value: value}}}}
		if got, _ := e.lacks("SHOP_DSN is not set"); got != want {
			t.Errorf("value %q: %t, want %t", value, got, want)
		}
	}
}

// TestTheHeadlineCountsFirst: a later line of the block may only speak where the headline does not, and stack frames
// never do.
func TestTheHeadlineCountsFirst(t *testing.T) {
	for lines, want := range map[string]class{
		"listen tcp :80: bind: address already in use\nopen /x: permission denied": portTaken,
		"giving up\nopen /x: permission denied":                                    fileDenied,
		"giving up\n  at open (/x: permission denied)":                             other,
		"giving up\n\tat open (/x: permission denied)":                             other,
	} {
		block := signature.Block{Lines: strings.Split(lines, "\n")}
		block.Headline = block.Lines[0]
		e := end{block: block, Attempt: evidence.Attempt{ExitCode: 1}}
		if got := e.recognise(); got != want {
			t.Errorf("%q: class %d, want %d", lines, got, want)
		}
	}
}

// TestWhetherItIsAboutTheCommand holds messages of runc, crun and Docker.
func TestWhetherItIsAboutTheCommand(t *testing.T) {
	for message, want := range map[string]bool{
		"": true,
		`runc create failed: unable to start container process: exec: "/app": stat /app: no such file or directory: unknown`: true,
		"container_linux.go:380: starting container process caused: exec /app: permission denied":                            true,
		"standard_init_linux.go:228: exec user process caused: exec format error":                                            true,
		"crun: open executable: exec format error":                                                                           true,
		`exec: "/app": argument list too long`:                                                                               false,
		`exec: "/app": cannot allocate memory`:                                                                               false,
		"error mounting \"/x\" to rootfs at \"/x\": no such file or directory":                                               false,
	} {
		if got := aboutCommand(message); got != want {
			t.Errorf("%s: %t", message, got)
		}
	}
}

func TestWhatARefusalOfTheKernelLooksLike(t *testing.T) {
	for line, want := range map[string]bool{
		"exec /app: exec format error":                                                       true,
		"exec user process caused: no such file or directory":                                true,
		"{\"msg\":\"exec container process `/app`: Exec format error\",\"level\":\"error\"}": true,
		"exec /app: permission denied":                                                       true,
		"could not exec /app: permission denied":                                             false,
		"exec /app: input/output error":                                                      false,
	} {
		if got := cannotExec(line); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}

func TestWhatTheRefusalMeans(t *testing.T) {
	for _, c := range []struct {
		complaint string
		code      int
		want      string
	}{
		{`create failed: exec: "/app": exec format error: unknown`, 128, `"/app": exec format error: unknown: it is built for another processor, or is not a program`},
		{"sh: ./run: Permission denied", 126, "sh: ./run: Permission denied: the file is not executable, or is a directory"},
		{"exec /app/start.sh: no such file or directory", 1, "exec /app/start.sh: no such file or directory: the file is there, but its interpreter or loader is not"},
		{"sh: 1: serve: not found", 127, "sh: 1: serve: not found: there is no such program in the image"},
		{`exec: "/app": stat /app: no such file or directory`, 128, `"/app": stat /app: no such file or directory: there is no such program in the image`},
		{"", 126, "exit code 126, the shell's for a command that is not executable"},
		{"", 127, "exit code 127, the shell's for a command that is not found"},
		{"something else", 128, "something else"},
	} {
		if why, _ := explain(c.complaint, c.code); why != c.want {
			t.Errorf("%s: %s, want %s", c.complaint, why, c.want)
		}
	}
}

func TestWhenALogFellSilent(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	lines := func(n int, every time.Duration) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(at.Add(time.Duration(i)*every).Format(time.RFC3339Nano) + " line\n")
		}
		return b.String() + "no time\n" + at.Add(time.Hour).Format(time.RFC3339Nano) + " later\n"
	}
	for name, c := range map[string]struct {
		log   string
		first time.Duration
		want  time.Duration // of the pause; -1: nothing
	}{
		"a long silence":       {lines(20, time.Second), time.Minute, time.Second},
		"a short one":          {lines(20, time.Second), 25 * time.Second, -1},
		"no longer than usual": {lines(20, 20*time.Second), 400 * time.Second, -1},
		"few lines":            {lines(5, time.Second), time.Minute, -1},
	} {
		_, last, pause := silence(c.log, at.Add(c.first))
		if want := c.want; (want < 0) != last.IsZero() || want >= 0 && pause != want {
			t.Errorf("%s: last at %s, pause %s", name, last, pause)
		}
	}
}

func TestWhoDeclaresAPort(t *testing.T) {
	port := func(name string, n int32) corev1.Container {
		return corev1.Container{Name: name, Ports: []corev1.ContainerPort{{ContainerPort: n}}}
	}
	spec := &corev1.PodSpec{InitContainers: []corev1.Container{port("proxy", 15001)}, Containers: []corev1.Container{port("app", 8080), port("web", 9090)}}
	for of, want := range map[string]string{"8080": "", "9090": "web", "15001": "proxy", "1": ""} {
		if got := declares(spec, "app", of); got != want {
			t.Errorf("%s: %q, want %q", of, got, want)
		}
	}
}

func TestWhereASettingComesFrom(t *testing.T) {
	for want, from := range map[string]*corev1.EnvVarSource{
		".secretKeyRef key k, name n":       {SecretKeyRef: &corev1.SecretKeySelector{Key: "k", LocalObjectReference: corev1.LocalObjectReference{Name: "n"}}},
		".configMapKeyRef key k, name n":    {ConfigMapKeyRef: &corev1.ConfigMapKeySelector{Key: "k", LocalObjectReference: corev1.LocalObjectReference{Name: "n"}}},
		".fileKeyRef key k, path p":         {FileKeyRef: &corev1.FileKeySelector{Key: "k", Path: "p"}},
		".fieldRef fieldPath f":             {FieldRef: &corev1.ObjectFieldSelector{FieldPath: "f"}},
		".resourceFieldRef resource limits": {ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits"}},
		" valueFrom map[]":                  {},
	} {
		if where, text := source(from); where+" "+text != want {
			t.Errorf("%s %s, want %s", where, text, want)
		}
	}
}
