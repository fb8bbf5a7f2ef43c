// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

func TestClassify(t *testing.T) {
	tests := map[nameClass][]string{
		strong: {"password", "DB_PASSWORD", "dbPassword", "mysqlpassword", "db.password", "PASSWORD_2", "password1", "passwordBase64",
			"API_KEY", "apiKey", "APIKey", "x-api-key", "clientSecret", "SECRET_KEY_BASE", "AWS_SECRET_ACCESS_KEY", "csrftoken",
			"_authToken", "OAUTH2_TOKEN", "client-key-data", "vault-secret-id", "api__key", "TOKEN_DEFAULT"},
		bare:   {"pass", "DB_PASS", "PWD", "MYSQL_PWD"},
		weak:   {"key", "cacheKey", "auth", "session_id", "signature", "tls.key", "REGISTRY_AUTH", "primary-key"},
		header: {"Authorization", "proxy-authorization"},
		cookie: {"Cookie", "Set-Cookie"},
		ordinary: {"", "a", "_", "18", "name", "token-ttl", "secretName", "SECRET_NAME", "PASSWORD_FILE", "max_tokens", "tokenizer", "token_url",
			"secretKeyRef", "key_id", "user_id", "public_keys", "passwordEncryption", "monkey", "keyboard", "compass", "secrets", "2026-11-23T18", "data", "id"},
	}
	for want, names := range tests {
		for _, name := range names {
			if got := classify(name); got != want {
				t.Errorf("classify(%q) = %d, want %d", name, got, want)
			}
		}
	}
}

// plantedPod holds a secret, "hunter2" and nothing else, wherever a pod can hold one.
const plantedPod = `
metadata:
  name: web
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"env":"hunter2"}'
    example.com/api-token: hunter2
    example.com/url: http://u:hunter2@h/
    note: nothing
  managedFields: [{manager: kubectl}]
spec:
  volumes:
  - {name: a, csi: {driver: d, volumeAttributes: {password: hunter2, share: s}}}
  - {name: b, flexVolume: {driver: d, options: {secretKey: hunter2}}}
  initContainers:
  - {name: i, env: [{name: DB_PASSWORD, value: hunter2}]}
  ephemeralContainers:
  - {name: e, args: ["--token=hunter2"]}
  containers:
  - name: c
    command: [mysqladmin, ping, -uroot, -phunter2]
    args: [--password, "hunter2 two", --host, db, sh, -c, "X_TOKEN=hunter2 exec app"]
    env:
    - {name: DB_PASSWORD, value: hunter2 with blanks}
    - {name: DB_HOST, value: db}
    - {name: DB_URL, value: "postgres://app:hunter2@db/x"}
    - {name: API_TOKEN, value: $(TOKEN)}
    - {name: PASSWORD_FILE, value: /run/secrets/db}
    livenessProbe: {httpGet: {path: "/health?token=hunter2", httpHeaders: [{name: Authorization, value: Bearer hunter2}, {name: Host, value: web}]}}
    readinessProbe: {exec: {command: [redis-cli, -a, hunter2, ping]}}
    startupProbe: {exec: {command: [curl, -u, "a:hunter2", "http://h/"]}}
    lifecycle:
      preStop: {exec: {command: [app, --api-key, hunter2]}}
      postStart: {httpGet: {path: /, httpHeaders: [{name: X-Api-Key, value: hunter2}]}}
status:
  message: "password=hunter2"
  conditions: [{type: Ready, message: "token=hunter2"}]
  containerStatuses:
  - name: c
    state: {waiting: {message: "secret=hunter2"}}
    lastState: {terminated: {message: "panic: redis://:hunter2@h"}}
`

// leftPod is what has to be left of plantedPod.
const leftPod = `
metadata:
  name: web
  annotations: {example.com/api-token: "[masked]", "example.com/url": "http://u:[masked]@h/", note: nothing}
spec:
  volumes:
  - {name: a, csi: {driver: d, volumeAttributes: {password: "[masked]", share: s}}}
  - {name: b, flexVolume: {driver: d, options: {secretKey: "[masked]"}}}
  initContainers:
  - {name: i, env: [{name: DB_PASSWORD, value: "[masked]"}]}
  ephemeralContainers:
  - {name: e, args: ["--token=[masked]"]}
  containers:
  - name: c
    command: [mysqladmin, ping, -uroot, "-p[masked]"]
    args: [--password, "[masked]", --host, db, sh, -c, "X_TOKEN=[masked] exec app"]
    env:
    - {name: DB_PASSWORD, value: "[masked]"}
    - {name: DB_HOST, value: db}
    - {name: DB_URL, value: "postgres://app:[masked]@db/x"}
    - {name: API_TOKEN, value: $(TOKEN)}
    - {name: PASSWORD_FILE, value: /run/secrets/db}
    livenessProbe: {httpGet: {path: "/health?token=[masked]", httpHeaders: [{name: Authorization, value: "[masked]"}, {name: Host, value: web}]}}
    readinessProbe: {exec: {command: [redis-cli, -a, "[masked]", ping]}}
    startupProbe: {exec: {command: [curl, -u, "a:[masked]", "http://h/"]}}
    lifecycle:
      preStop: {exec: {command: [app, --api-key, "[masked]"]}}
      postStart: {httpGet: {path: /, httpHeaders: [{name: X-Api-Key, value: "[masked]"}]}}
status:
  message: "password=[masked]"
  conditions: [{type: Ready, message: "token=[masked]"}]
  containerStatuses:
  - name: c
    state: {waiting: {message: "secret=[masked]"}}
    lastState: {terminated: {message: "panic: redis://:[masked]@h"}}
`

func TestRedactPod(t *testing.T) {
	var pod, want corev1.Pod
	for doc, into := range map[string]*corev1.Pod{plantedPod: &pod, leftPod: &want} {
		if err := DecodeYAML([]byte(doc), into); err != nil {
			t.Fatal(err)
		}
	}
	if spans := RedactObject(&pod); spans != 21 {
		t.Errorf("masked %d spans, want 21", spans)
	}
	if diff := cmp.Diff(want, pod); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if spans := RedactObject(&pod); spans != 0 {
		t.Errorf("a second time it masked %d spans", spans)
	}
}

// Whatever owns pods, no environment variable of its template gets past the door.
func TestRedactObjectKnowsEveryTemplate(t *testing.T) {
	const template = `{"metadata":{"annotations":{"a-token":"hunter2"}},"spec":{"containers":[{"name":"c","env":[{"name":"A_SECRET","value":"hunter2"}]}]}}`
	docs := map[string]string{
		"v1 PodTemplate":           `{"template":` + template + `}`,
		"v1 ReplicationController": `{"spec":{"template":` + template + `}}`,
		"apps/v1 Deployment":       `{"spec":{"template":` + template + `}}`,
		"apps/v1 ReplicaSet":       `{"spec":{"template":` + template + `}}`,
		"apps/v1 StatefulSet":      `{"spec":{"template":` + template + `}}`,
		"apps/v1 DaemonSet":        `{"spec":{"template":` + template + `}}`,
		"batch/v1 Job":             `{"spec":{"template":` + template + `}}`,
		"batch/v1 CronJob":         `{"spec":{"jobTemplate":{"metadata":{"annotations":{"a-token":"hunter2"}},"spec":{"template":` + template + `}}}}`,
		"v1 Event":                 `{"message":"password=hunter2"}`,
		"events.k8s.io/v1 Event":   `{"note":"password=hunter2"}`,
		"v1 Secret":                `{"data":{"a":"aHVudGVyMg=="},"stringData":{"b":"hunter2"}}`,
		"v1 ConfigMap":             `{"data":{"password":"hunter2","app.conf":"password=hunter2\nhost=db"},"binaryData":{"x":"aHVudGVyMg=="}}`,
		"v1 Node":                  `{"metadata":{"annotations":{"join-token":"hunter2"}}}`,
	}
	for kind, doc := range docs {
		obj := newObject(t, kind)
		if err := DecodeYAML([]byte(doc), obj); err != nil {
			t.Fatal(err)
		}
		spans := RedactObject(obj)
		left, err := json.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		if spans == 0 || strings.Contains(string(left), "hunter2") || strings.Contains(string(left), "aHVudGVyMg") {
			t.Errorf("%s: masked %d spans and left %s", kind, spans, left)
		}
	}
}

func TestRedactObjectWithoutMetadata(t *testing.T) {
	if spans := RedactObject(&metav1.Status{Message: "x"}); spans != 0 {
		t.Errorf("masked %d spans", spans)
	}
}

// TestRedactLine: what a container runs is one line, whichever of command and args its words are in, and in a script a flag is followed by
// its value whatever comes after that.
func TestRedactLine(t *testing.T) {
	for _, test := range []struct{ command, args, left []string }{
		{[]string{"mysql", "--password"}, []string{"hunter2", "-h", "db"}, []string{"mysql", "--password", "[masked]", "-h", "db"}},
		{[]string{"mysql"}, []string{"-phunter2"}, []string{"mysql", "-p[masked]"}},
		{[]string{"redis-server", "--requirepass"}, []string{"hunter2"}, []string{"redis-server", "--requirepass", "[masked]"}},
		{[]string{"app", "--pass", "hunter2"}, nil, []string{"app", "--pass", "[masked]"}},
		{[]string{"sh", "-c"}, []string{"mysql --password hunter2 shop && sleep 1"}, []string{"sh", "-c", "mysql --password [masked] shop && sleep 1"}},
		{[]string{"sh", "-c", "app --password hunter && sleep 1"}, nil, []string{"sh", "-c", "app --password [masked] && sleep 1"}},
		{[]string{"sh", "-c", "app --password hunter shop"}, nil, []string{"sh", "-c", "app --password [masked] shop"}},
		{[]string{"sh", "-c", "app --password hunter \\\n --host db"}, nil, []string{"sh", "-c", "app --password [masked] \\\n --host db"}},
		{[]string{"sh", "-c", "app --password \\\n  hunter --host db"}, nil, []string{"sh", "-c", "app --password \\\n  [masked] --host db"}},
		{[]string{"sh", "-c", "PGPASSWORD=hunter psql -h db"}, nil, []string{"sh", "-c", "PGPASSWORD=[masked] psql -h db"}},
		{[]string{"sh", "-c", "echo the flag --password is required"}, nil, []string{"sh", "-c", "echo the flag --password is required"}},
		{[]string{"app", "--password-file"}, []string{"/run/db"}, []string{"app", "--password-file", "/run/db"}},
	} {
		c := &corev1.Container{Command: test.command, Args: test.args}
		redactContainer(c)
		if diff := cmp.Diff(test.left, slices.Concat(c.Command, c.Args)); diff != "" || len(c.Args) != len(test.args) {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func FuzzRedactArgs(f *testing.F) {
	f.Add("--password", "hunter2", "x")
	f.Add("mysql", "-phunter2", "a\x1fb")
	f.Add("--token=\"a", "b\"", "c")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		args := []string{a, b, c}
		redactArgs(args)
		first := []string{args[0], args[1], args[2]}
		if n := redactArgs(args); n != 0 {
			t.Fatalf("%q masked again to %q", first, args)
		}
	})
}

// newObject returns an empty object of "group/version Kind".
func newObject(t *testing.T, kind string) runtime.Object {
	t.Helper()
	version, name, _ := strings.Cut(kind, " ")
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := clientscheme.Scheme.New(gv.WithKind(name))
	if err != nil {
		t.Fatal(err)
	}
	return obj
}
