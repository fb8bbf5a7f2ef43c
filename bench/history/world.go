// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A world is a cluster of five thousand workloads in two hundred namespaces on five hundred nodes, whose pods die.
type world struct {
	apps      []string
	random    *rand.Rand
	start     time.Time
	span      time.Duration
	now       time.Time
	incidents int
	deaths    int
	lean      bool
	logs      []string // a sample
}

func newWorld(lean bool) *world {
	w := &world{random: rand.New(rand.NewPCG(1, 2)), start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), span: 365 * 24 * time.Hour, lean: lean}
	for i := range 5000 {
		w.apps = append(w.apps, fmt.Sprintf("%s-%s", []string{"web", "api", "worker", "cache", "billing", "search", "mail", "auth"}[i%8], w.hex(5)))
	}
	return w
}

func (w *world) hex(n int) string { return fmt.Sprintf("%016x", w.random.Uint64())[:n] }

func (w *world) namespace(app int) string { return fmt.Sprintf("team-%d", app%200) }

func (w *world) node(i int) string { return fmt.Sprintf("node-%d.eu-central-1.compute.internal", i) }

func (w *world) rule(i int) string {
	return fmt.Sprintf("%s%03d", []string{"MEM", "PRB", "EXT", "NOD", "IMG"}[i%5], i/5+1)
}

func (w *world) pod(app, i int) string {
	return fmt.Sprintf("%s-%08x-%05x", w.apps[app], app*2654435761%(1<<32), (app*100+i)*40503%(1<<20))
}

// some returns so many deaths, in order of time. Seven of ten incidents have one death, the others two to five.
func (w *world) some(n, incidents int) []history.Death {
	var all []history.Death
	for len(all) < n && w.incidents < incidents {
		w.now = w.start.Add(time.Duration(float64(w.span) * float64(w.incidents) / float64(incidents)))
		app, rule := w.random.IntN(len(w.apps)), w.random.IntN(40)
		deaths := 1
		if w.random.IntN(10) >= 7 {
			deaths = 2 + w.random.IntN(4)
		}
		// what is grouped by the same words within a day would be the same incident: the round makes it another
		thing := evidence.RefTo("Deployment", w.namespace(app), w.apps[app])
		pod := w.random.IntN(100)
		for i := range deaths {
			all = append(all, w.death(app, rule, pod, i, thing))
		}
		w.incidents++
		w.deaths += deaths
	}
	return all
}

func (w *world) death(app, rule, pod, n int, thing evidence.Ref) history.Death {
	of := evidence.RefTo("Pod", w.namespace(app), w.pod(app, pod)).InContainer("app").InAttempt(w.incidents%1000*10 + n)
	end := w.now.Add(time.Duration(n) * time.Minute)
	node := w.node((app + pod) % 500)
	message := fmt.Sprintf("container app of %s was killed by the kernel at its memory limit of %dMi", of.Name, 64<<(rule%6))
	d := history.Death{
		Cluster: "6f0a1c9e-2c59-4b8a-9d0f-1d2f8f6f7a11", PodUID: fmt.Sprintf("%08x-%04x-4e1c-9c55-%012x", app, pod, w.incidents),
		Of: of, Workload: thing, Node: node, Image: "registry.example.com/" + w.namespace(app) + "/" + w.apps[app] + ":1." + fmt.Sprint(app%30),
		Started: end.Add(-time.Hour), Finished: end, Seen: end.Add(time.Second), ExitCode: 137, Signal: 9, Reason: "OOMKilled",
	}
	d.Verdict = &history.Verdict{
		Rule: w.rule(rule), Confidence: "certain", Message: message, Thing: thing, Settled: true, Version: "v0.5.0", Report: w.report(&d, message),
	}
	if !w.lean {
		d.Verdict.Bundle = w.bundle(&d)
	}
	return d
}

func (w *world) report(d *history.Death, message string) []byte {
	var facts []string
	at := d.Finished.Format(time.RFC3339)
	for _, text := range []string{
		fmt.Sprintf("oom-kill:constraint=CONSTRAINT_MEMCG,task=%s,pid=%d,uid=1000", d.Workload.Name, w.random.IntN(1<<22)),
		fmt.Sprintf("exitCode 137, reason OOMKilled, finishedAt %s", at),
		fmt.Sprintf("memory usage %d bytes, limit %d bytes", w.random.Uint32(), w.random.Uint32()),
		"Back-off restarting failed container app in pod " + d.Of.Name,
	} {
		facts = append(facts, fmt.Sprintf(`{"source":"kernel","at":%q,"where":"kmsg","text":%q,"about":{"kind":"Pod","namespace":%q,"name":%q,"container":"app","attempt":%d}}`,
			at, text, d.Of.Namespace, d.Of.Name, d.Of.Attempt))
	}
	return fmt.Appendf(nil, `{"apiVersion":"kubeinquest.io/v1alpha1","kind":"Report","taken":%q,"subject":{"kind":"Pod","namespace":%q,"name":%q},"pods":1,`+
		`"causes":[{"rule":"MEM001","title":"Container exceeded its memory limit","effect":"out of memory","about":{"kind":"Pod","namespace":%q,"name":%q},`+
		`"at":%q,"confidence":"certain","message":%q,"facts":[%s],"against":[],"fixes":[{"title":"Raise the memory limit of app to 512Mi","risk":"restart",`+
		`"command":"kubectl -n %s set resources deployment/%s -c app --limits memory=512Mi"}]}],"undetermined":[],"skipped":[],`+
		`"gaps":[{"kind":"usage","why":"no metrics API"},{"kind":"host","why":"no node agent on %s"}]}`,
		at, d.Of.Namespace, d.Of.Name, d.Of.Namespace, d.Of.Name, at, message, strings.Join(facts, ","), d.Of.Namespace, d.Workload.Name, d.Node)
}

// bundle is what is captured: the pod as it is now, its workload, its node as of this hour, its Events and its log.
func (w *world) bundle(d *history.Death) map[string][]byte {
	at := d.Finished.Format(time.RFC3339)
	var env, log strings.Builder
	for i := range 25 {
		fmt.Fprintf(&env, "    - name: SETTING_%d\n      value: value-of-%s-%d\n", i, d.Workload.Name, i)
	}
	for i := range 40 {
		fmt.Fprintf(&log, "%s level=info msg=\"request served\" path=/v1/items/%s status=200 duration=%dms\n", d.Finished.Add(time.Duration(i-40)*time.Second).Format(time.RFC3339Nano), w.hex(8), w.random.IntN(900))
	}
	if len(w.logs) < 1000 {
		w.logs = append(w.logs, log.String())
	}
	ns, name := d.Of.Namespace, d.Of.Name
	return map[string][]byte{
		"meta.yaml": fmt.Appendf(nil, "format: 1\ntaken: %s\nhas: spec,status,events,logs,node\nprogram: v0.5.0\n", at),
		"objects/" + ns + "/Pod/" + name + ".yaml": fmt.Appendf(nil, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  namespace: %s\n  uid: %s\nspec:\n  nodeName: %s\n  containers:\n  - name: app\n    image: %s\n    env:\n%s"+
			"status:\n  phase: Running\n  podIP: 10.%d.%d.%d\n  containerStatuses:\n  - name: app\n    restartCount: %d\n    lastState:\n      terminated:\n        exitCode: 137\n        reason: OOMKilled\n        finishedAt: %q\n        containerID: containerd://%s%s%s%s\n",
			name, ns, d.PodUID, d.Node, d.Image, env.String(), w.random.IntN(256), w.random.IntN(256), w.random.IntN(256), d.Of.Attempt, at, w.hex(16), w.hex(16), w.hex(16), w.hex(16)),
		"objects/" + ns + "/Deployment/" + d.Workload.Name + ".yaml":            fmt.Appendf(nil, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  template:\n    spec:\n      containers:\n      - image: %s\n%s", d.Workload.Name, ns, d.Image, env.String()),
		"objects/_cluster/Node/" + d.Node + ".yaml":                             fmt.Appendf(nil, "apiVersion: v1\nkind: Node\nmetadata:\n  name: %s\nstatus:\n  conditions:\n  - type: Ready\n    lastHeartbeatTime: %s\n%s", d.Node, d.Finished.Truncate(time.Hour).Format(time.RFC3339), strings.Repeat("  - type: Other\n    status: \"False\"\n", 30)),
		"events/" + ns + ".yaml":                                                fmt.Appendf(nil, "- reason: BackOff\n  message: Back-off restarting failed container app in pod %s\n  lastTimestamp: %s\n  involvedObject: {kind: Pod, name: %s, uid: %s}\n", name, at, name, d.PodUID),
		"logs/" + ns + "/" + name + "/app/" + fmt.Sprint(d.Of.Attempt) + ".log": []byte(log.String()),
	}
}

// logBytes returns how many bytes the log of a death takes when it is compressed.
func (w *world) logBytes() (float64, error) {
	if len(w.logs) == 0 {
		return 0, nil
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, log := range w.logs {
		total += len(e.EncodeAll([]byte(log), nil))
	}
	return float64(total) / float64(len(w.logs)), e.Close()
}
