// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubeinquest/inquest/internal/report"
)

const (
	mark     = "inquest.cases/made"     // the label of everything made here
	programs = "inquest-cases-programs" // the ConfigMap of stand-ins
	holders  = "inquest-cases-holders"  // the namespace of pods that only take room

	together = 4 // cases at a time
	baseWait = 2 * time.Minute
	atLeast  = 65 * time.Second // how long a situation gets to show itself: a pod has a minute to become ready
	atMost   = 75 * time.Second
	quietFor = 20 * time.Second // nothing new for this long: it has shown itself
)

// A cluster is the lab, where the cases of manifests happen.
type cluster struct {
	kubectl string
	nodes   []string
	turns   sync.Map // by what a stage claims, a mutex: of cases with the same namespace, one at a time
}

// newCluster finds the lab behind the current kubeconfig: a cluster whose nodes all have the image that stands in for
// others.
func newCluster(ctx context.Context, kubectl string) (*cluster, error) {
	cl := &cluster{kubectl: kubectl}
	out, err := cl.do(ctx, "", "get", "nodes", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Images []struct{ Names []string } }
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, err
	}
	for _, n := range list.Items {
		has := false
		for _, image := range n.Status.Images {
			has = has || slices.Contains(image.Names, appImage)
		}
		if !has {
			return nil, fmt.Errorf("node %s has no image %s: the cluster is not the lab", n.Metadata.Name, appImage)
		}
		cl.nodes = append(cl.nodes, n.Metadata.Name)
	}
	if len(cl.nodes) == 0 {
		return nil, errors.New("the cluster has no nodes")
	}
	return cl, nil
}

// do runs kubectl.
func (cl *cluster) do(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, cl.kubectl, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

func (cl *cluster) apply(ctx context.Context, objects ...object) error {
	if len(objects) == 0 {
		return nil
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		return err
	}
	_, err = cl.do(ctx, string(text), "apply", "-f", "-")
	return err
}

// An answered case has its report, or why there is none.
type answered struct {
	testCase
	report report.Report
	err    error
}

// run makes each case happen, some side by side, and asks about it.
func (cl *cluster) run(ctx context.Context, w io.Writer, o options, list []testCase) ([]answered, error) {
	cl.clear(ctx)
	if !o.keep {
		defer cl.clear(context.WithoutCancel(ctx))
	}
	if err := cl.fill(ctx, list); err != nil {
		return nil, err
	}
	answers := make([]answered, len(list))
	var group errgroup.Group
	group.SetLimit(together)
	var mu sync.Mutex
	for i, c := range list {
		group.Go(func() error {
			a := answered{testCase: c}
			a.report, a.err = cl.try(ctx, o, c, i)
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(w, "asked about %s\n", c.ID)
			answers[i] = a
			return nil
		})
	}
	return answers, group.Wait()
}

// try makes one case happen in its namespaces, asks about it, and removes them.
func (cl *cluster) try(ctx context.Context, o options, c testCase, i int) (report.Report, error) {
	var r report.Report
	s, err := stageOf(c, fmt.Sprintf("inquest-case-%d", i+1))
	if err != nil {
		return r, err
	}
	for _, name := range s.claims() {
		turn, _ := cl.turns.LoadOrStore(name, new(sync.Mutex))
		turn.(*sync.Mutex).Lock()
		defer turn.(*sync.Mutex).Unlock()
	}
	if !o.keep {
		defer cl.strike(context.WithoutCancel(ctx), s)
	}
	if err := cl.set(ctx, s); err != nil {
		return r, err
	}
	if err := cl.settled(ctx, s); err != nil {
		return r, err
	}
	args := []string{"why", strings.ToLower(c.Target.Kind) + "/" + c.Target.Name, "-n", s.home(c.Target.Namespace), "-o", "json"}
	err = answer(ctx, o.program, args, &r)
	return r, err
}

// set applies a case's manifests, what others need first, and then what breaks them.
func (cl *cluster) set(ctx context.Context, s *stage) error {
	for _, ns := range s.namespaces {
		if err := cl.open(ctx, ns); err != nil {
			return err
		}
		s.opened = append(s.opened, ns)
		if err := cl.ready(ctx, ns, programsIn(ns)); err != nil {
			return err
		}
	}
	if err := cl.put(ctx, s, s.needed); err != nil {
		return err
	}
	for _, o := range s.needed {
		if o.kind() != "ResourceQuota" {
			continue
		}
		namespace, _ := o.meta()["namespace"].(string)
		// A quota counts from when its controller has seen it.
		if _, err := cl.do(ctx, "", "wait", "--for=jsonpath={.status.hard}", o.ref(), "-n", namespace, "--timeout="+baseWait.String()); err != nil {
			return fmt.Errorf("before there are pods: %w", err)
		}
	}
	if err := cl.apply(ctx, s.workloads...); err != nil || len(s.steps) == 0 {
		return err
	}
	for _, ns := range s.namespaces {
		if _, err := cl.do(ctx, "", "wait", "--for=condition=Available", "deployments", "--all", "-n", ns, "--timeout="+baseWait.String()); err != nil {
			return fmt.Errorf("before it is broken: %w", err)
		}
	}
	for _, st := range s.steps {
		if err := cl.take(ctx, s, st); err != nil {
			return err
		}
	}
	return nil
}

// open makes a namespace, and fails where there is one that is not for cases.
func (cl *cluster) open(ctx context.Context, ns string) error {
	if err := cl.gone(ctx, "namespaces", ns); err != nil {
		return err
	}
	return cl.create(ctx, namespaced(ns))
}

// ready waits until pods can be made in a namespace, and gives it the objects.
func (cl *cluster) ready(ctx context.Context, ns string, objects ...object) error {
	if _, err := cl.do(ctx, "", "wait", "--for=create", "serviceaccount/default", "-n", ns, "--timeout=60s"); err != nil {
		return err
	}
	return cl.apply(ctx, objects...)
}

// create makes an object that must not be there yet: one that is there is not touched.
func (cl *cluster) create(ctx context.Context, o object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = cl.do(ctx, string(text), "create", "--save-config", "-f", "-")
	return err
}

// put applies objects of a case, of those without a namespace only what the case itself has made.
func (cl *cluster) put(ctx context.Context, s *stage, objects []object) error {
	for _, o := range objects {
		kind := shared[o.kind()]
		if kind == "" || slices.Contains(s.made, o.ref()) {
			continue
		}
		if err := cl.gone(ctx, kind, o.name()); err != nil {
			return err
		}
		if err := cl.create(ctx, o); err != nil {
			return err
		}
		s.made = append(s.made, o.ref())
	}
	return cl.apply(ctx, objects...)
}

// gone waits until the namespace that a case before had is no more, or another thing that it made.
func (cl *cluster) gone(ctx context.Context, kind, name string) error {
	ours := []string{"-l", mark, "--field-selector", "metadata.name=" + name}
	out, err := cl.do(ctx, "", append([]string{"get", kind, "-o", "name"}, ours...)...)
	if err == nil && len(out) > 0 {
		_, err = cl.do(ctx, "", "wait", "--for=delete", kind+"/"+name, "--timeout="+baseWait.String())
	}
	return err
}

// take does one step, in the namespace of the case.
func (cl *cluster) take(ctx context.Context, s *stage, st step) error {
	if st.args[0] != "apply" {
		_, err := cl.do(ctx, "", append(slices.Clone(st.args), "-n", s.namespaces[0])...)
		return err
	}
	objects, err := s.read([]byte(st.stdin))
	if err != nil {
		return err
	}
	if !slices.Equal(s.namespaces, s.opened) {
		return fmt.Errorf("a step is about a namespace that the case does not have: %q, not %q", s.namespaces, s.opened)
	}
	return cl.put(ctx, s, objects)
}

// settled waits until a situation has shown itself: nothing is said of it that was not said before.
func (cl *cluster) settled(ctx context.Context, s *stage) error {
	seen := map[string]bool{}
	start := time.Now()
	last := start
	for time.Since(start) < atMost && (time.Since(start) < atLeast || time.Since(last) < quietFor) {
		for _, ns := range s.namespaces {
			out, err := cl.do(ctx, "", "get", "pods,events", "-n", ns, "-o", "go-template="+signs)
			if err != nil {
				return err
			}
			for sign := range strings.FieldsSeq(string(out)) {
				if !seen[sign] {
					seen[sign], last = true, time.Now()
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(3 * time.Second):
		}
	}
	return nil
}

// signs prints what can be new of a pod and of an Event, as words.
const signs = `{{range .items}}{{if eq .kind "Event"}}{{.involvedObject.name}}/{{.reason}}{{"\n"}}{{else}}` +
	`{{$pod := .metadata.name}}{{$pod}}/{{.status.phase}}{{"\n"}}{{range .status.containerStatuses}}{{$pod}}/{{.name}}/{{.ready}}{{"\n"}}` +
	`{{if .state.waiting}}{{$pod}}/{{.name}}/{{.state.waiting.reason}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}`

// fill takes the room that the clusters of some cases lack: those with smaller nodes, and those of one node where a port of
// nodes is what matters.
func (cl *cluster) fill(ctx context.Context, list []testCase) error {
	var pods []object
	for _, c := range list {
		switch c.Category {
		case "sched-insufficient-resources":
			for _, node := range cl.nodes {
				pods = append(pods, holder("cpu-"+node, node, map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "1100m"}}}))
			}
		case "sched-hostport":
			for _, port := range hostPorts(c) {
				for _, node := range cl.nodes[1:] {
					pods = append(pods, holder(fmt.Sprintf("port-%d-%s", port, node), node, map[string]any{"ports": []any{map[string]any{"containerPort": port, "hostPort": port}}}))
				}
			}
		}
	}
	slices.SortFunc(pods, func(a, b object) int { return strings.Compare(a.name(), b.name()) })
	pods = slices.CompactFunc(pods, func(a, b object) bool { return a.name() == b.name() })
	if len(pods) == 0 {
		return nil
	}
	if err := cl.open(ctx, holders); err != nil {
		return err
	}
	if err := cl.ready(ctx, holders); err != nil {
		return err
	}
	if err := cl.apply(ctx, pods...); err != nil {
		return err
	}
	_, err := cl.do(ctx, "", "wait", "--for=condition=Ready", "pods", "--all", "-n", holders, "--timeout=90s")
	return err
}

// strike removes the namespaces that were made for a case, and its volumes.
func (cl *cluster) strike(ctx context.Context, s *stage) {
	for _, ns := range s.opened {
		cl.remove(ctx, "namespace", "-l", mark, "--field-selector", "metadata.name="+ns, "--wait=false")
		cl.remove(ctx, "pods", "--all", "-n", ns, "--grace-period=1", "--wait=false")
		cl.remove(ctx, sharedKinds(), "-l", mark+"="+ns, "--wait=false")
	}
}

// remove deletes, and says what could not be: an answer is as good without it.
func (cl *cluster) remove(ctx context.Context, args ...string) {
	if _, err := cl.do(ctx, "", append([]string{"delete"}, args...)...); err != nil {
		fmt.Fprintf(os.Stderr, "cases: %v\n", err)
	}
}

// clear removes everything that was made here, also what an earlier run has left.
func (cl *cluster) clear(ctx context.Context) {
	cl.remove(ctx, sharedKinds(), "-l", mark, "--wait=false")
	cl.remove(ctx, "namespaces", "-l", mark, "--timeout=2m")
}

var hostPort = regexp.MustCompile(`"?hostPort"?:\s*(\d+)`)
