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

func TestHowLongItLived(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for want, a := range map[string]evidence.Attempt{
		" after 1m30s": {Started: at, Finished: at.Add(90 * time.Second)},
		"":             {Finished: at},
	} {
		if got := lived(a); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := lived(evidence.Attempt{Started: at}); got != "" {
		t.Errorf("%q for a run without an end", got)
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
