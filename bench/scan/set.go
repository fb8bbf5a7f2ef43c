// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// A risk is a fault that was put into an object on purpose: the truth that both programs are measured by.
type risk struct{ object, name string } // "Deployment/app-7", "memory limit"

// A world makes manifests of applications, each a workload with a Service and what it needs, of which some parts are at fault.
type world struct {
	random  *rand.Rand
	truth   map[risk]bool
	objects int
}

// faulty tells whether a part is to be at fault, and keeps that as the truth.
func (w *world) faulty(object, name string, share float64) bool {
	if w.random.Float64() >= share {
		return false
	}
	w.truth[risk{object, name}] = true
	return true
}

// write makes at least that many manifests in a folder, an application in each file.
func (w *world) write(dir string, manifests int) error {
	for n := 0; w.objects < manifests; n++ {
		name := filepath.Join(dir, fmt.Sprintf("app-%05d.yaml", n))
		if err := os.WriteFile(name, []byte(strings.Join(w.app(n), "---\n")), 0o644); err != nil {
			return fmt.Errorf("write manifests: %w", err)
		}
	}
	return nil
}

// app returns the manifests of one application.
func (w *world) app(n int) []string {
	kind := []string{"Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet"}[w.random.IntN(5)]
	app := fmt.Sprintf("app-%d", n)
	object := kind + "/" + app
	docs := []string{w.workload(kind, app, object), w.service(app), fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: ns-%d}\ndata:\n  mode: fast\n  text: |\n    some lines\n    of text\n", app, n%50)}
	if kind == "Deployment" && w.random.IntN(2) == 0 {
		docs = append(docs, w.autoscaler(app))
	}
	if kind != "DaemonSet" {
		docs = append(docs, w.budget(app))
	}
	if kind == "StatefulSet" {
		name := app + "-peers"
		if w.truth[risk{object, "names"}] {
			name = app + "-other"
		}
		docs = append(docs, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: ns-%d}\nspec:\n  clusterIP: None\n  selector: {app: %s}\n  ports:\n  - {name: http, port: 80, targetPort: http}\n", name, n%50, app))
	}
	w.objects += len(docs)
	for i := range docs {
		docs[i] = strings.ReplaceAll(docs[i], "NAMESPACE", fmt.Sprintf("ns-%d", n%50))
	}
	return docs
}

func (w *world) workload(kind, app, object string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: apps/v1\nkind: %s\nmetadata:\n  name: %s\n  namespace: NAMESPACE\n  labels:\n    app.kubernetes.io/name: %[2]s\n    app.kubernetes.io/part-of: shop\nspec:\n", kind, app)
	if kind != "DaemonSet" {
		b.WriteString("  replicas: 3\n")
	}
	if kind == "StatefulSet" {
		w.faulty(object, "names", 0.2)
		fmt.Fprintf(&b, "  serviceName: %s-peers\n", app)
	}
	labelled := app
	if kind != "DaemonSet" && w.faulty(object, "selector", 0.03) {
		labelled = app + "-x"
	}
	fmt.Fprintf(&b, "  selector:\n    matchLabels:\n      app: %s\n  template:\n    metadata:\n      labels:\n        app: %s\n        tier: backend\n    spec:\n", labelled, app)
	if w.random.IntN(2) == 0 {
		b.WriteString("      securityContext:\n        runAsNonRoot: true\n        runAsUser: 10001\n        runAsGroup: 10001\n        seccompProfile: {type: RuntimeDefault}\n")
	}
	b.WriteString("      containers:\n")
	w.container(&b, app, object)
	return b.String()
}

func (w *world) container(b *strings.Builder, app, object string) {
	tag := ":v1.2.3"
	if w.faulty(object, "tag", 0.2) {
		tag = []string{":latest", ""}[w.random.IntN(2)]
	}
	fmt.Fprintf(b, "      - name: app\n        image: registry.example.com/shop/%s%s\n        imagePullPolicy: Always\n        ports:\n        - name: http\n          containerPort: 8080\n", app, tag)
	if w.faulty(object, "heap", 0.1) {
		b.WriteString("        command: [java, -Xmx512m, -jar, /app.jar]\n")
	}
	b.WriteString("        env:\n        - name: MODE\n          value: fast\n")
	if w.faulty(object, "variable twice", 0.1) {
		b.WriteString("        - name: MODE\n          value: slow\n")
	}
	config := app
	if w.faulty(object, "configuration", 0.1) {
		config = app + "-typo"
	}
	fmt.Fprintf(b, "        envFrom:\n        - configMapRef:\n            name: %s\n", config)
	w.probes(b, object)
	if w.faulty(object, "hook", 0.1) {
		b.WriteString("        lifecycle:\n          preStop:\n            exec:\n              command: [sleep, \"40\"]\n")
	}
	requests, limits := []string{"ephemeral-storage: 1Gi"}, []string{"ephemeral-storage: 1Gi", "cpu: 1"}
	if !w.faulty(object, "memory request", 0.15) {
		requests = append(requests, "memory: 512Mi")
	}
	if !w.faulty(object, "CPU request", 0.2) {
		requests = append(requests, "cpu: 250m")
	} else {
		limits = limits[:1]
	}
	if w.truth[risk{object, "memory request"}] || !w.truth[risk{object, "heap"}] && w.faulty(object, "memory limit", 0.3) {
		w.truth[risk{object, "memory limit"}] = true
		delete(w.truth, risk{object, "heap"})
	} else {
		limits = append(limits, "memory: 512Mi")
	}
	fmt.Fprintf(b, "        resources:\n          requests: {%s}\n          limits: {%s}\n", strings.Join(requests, ", "), strings.Join(limits, ", "))
	b.WriteString("        securityContext:\n          readOnlyRootFilesystem: true\n          allowPrivilegeEscalation: false\n          capabilities: {drop: [ALL]}\n")
}

func (w *world) probes(b *strings.Builder, object string) {
	path, port := "/live", "http"
	if w.faulty(object, "probe port", 0.1) {
		port = []string{"web", "9999"}[w.random.IntN(2)]
	}
	start := "          initialDelaySeconds: 60\n"
	if w.faulty(object, "startup", 0.2) {
		start = ""
	}
	if w.faulty(object, "readiness", 0.2) {
		fmt.Fprintf(b, "        livenessProbe:\n          httpGet:\n            path: %s\n            port: %s\n%s", path, port, start)
		return
	}
	if port == "http" && start != "" && w.faulty(object, "same probes", 0.2) {
		fmt.Fprintf(b, "        livenessProbe: &probe\n          httpGet:\n            path: /health\n            port: http\n%s        readinessProbe:\n          httpGet:\n            path: /health\n            port: http\n%s", start, start)
		return
	}
	fmt.Fprintf(b, "        livenessProbe:\n          httpGet:\n            path: %s\n            port: %s\n%s        readinessProbe:\n          httpGet:\n            path: /ready\n            port: http\n          periodSeconds: 5\n", path, port, start)
}

func (w *world) service(app string) string {
	object, selects, port := "Service/"+app, app, "http"
	if w.faulty(object, "selects nothing", 0.1) {
		selects = app + "-typo"
	} else if w.faulty(object, "service port", 0.1) {
		port = "web"
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\n  namespace: NAMESPACE\nspec:\n  selector:\n    app: %s\n  ports:\n  - name: http\n    port: 80\n    targetPort: %s\n", app, selects, port)
}

func (w *world) autoscaler(app string) string {
	object, target, most := "HorizontalPodAutoscaler/"+app, app, 9
	if w.faulty(object, "no target", 0.1) {
		target = app + "-typo"
	}
	if w.faulty(object, "no room", 0.1) {
		most = 3
	}
	w.truth[risk{"Deployment/" + app, "replicas contested"}] = target == app
	if target != app {
		delete(w.truth, risk{"Deployment/" + app, "replicas contested"})
	}
	return fmt.Sprintf("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: %s\n  namespace: NAMESPACE\nspec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: %s\n  minReplicas: 3\n  maxReplicas: %d\n  metrics:\n  - type: Resource\n    resource:\n      name: memory\n      target:\n        type: Utilization\n        averageUtilization: 80\n", app, target, most)
}

func (w *world) budget(app string) string {
	object, selects, amount := "PodDisruptionBudget/"+app, app, "maxUnavailable: 1"
	switch {
	case w.faulty(object, "budget matches nothing", 0.1):
		selects = app + "-typo"
		w.truth[risk{"workload/" + app, "no budget"}] = true
	case w.faulty(object, "budget blocks", 0.1):
		amount = "maxUnavailable: 0"
	}
	return fmt.Sprintf("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: %s\n  namespace: NAMESPACE\nspec:\n  %s\n  selector:\n    matchLabels:\n      app: %s\n", app, amount, selects)
}
