// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/scan"
	"github.com/kubeinquest/inquest/internal/watch"
)

// The most that is looked at for what findings have cost.
const (
	mostPriced     = 100_000          // deaths of a history that are counted
	mostNamespaces = 20               // namespaces of a cluster
	mostLooking    = 30 * time.Second // for all of a cluster, unless --request-timeout says otherwise
)

// newScan returns the flags of inquest scan as they are without any. A cluster is asked about the namespaces of manifests, so that -n has
// one meaning.
func newScan() *scanOptions {
	o := &scanOptions{cluster: newAsk()}
	o.cluster.config.Namespace, o.cluster.noFrom = nil, true
	return o
}

// validateLive tells what is wrong with the flags that say which cluster is asked.
func (o *scanOptions) validateLive() (err error) {
	o.connection.VisitAll(func(f *pflag.Flag) {
		if f.Changed && !o.live && err == nil {
			err = fmt.Errorf("--%s says how a cluster is asked, and none is: give --live as well", f.Name)
		}
	})
	if err == nil {
		_, err = o.cluster.limit()
	}
	return err
}

// price tells of each finding what it has cost, by the history and by the cluster. Both tell of deaths, and each counts once.
func (o *scanOptions) price(ctx context.Context, p *program, result *scan.Result) error {
	if o.history == "" && !o.live {
		return nil
	}
	deaths, err := o.recorded(ctx)
	if err != nil {
		return err
	}
	looked := o.history != ""
	var untold []scan.Death
	if of := result.Costly(); o.live && len(of) > 0 {
		var seen []*evidence.Snapshot
		if seen, result.NotPriced, err = o.look(ctx, p, of); err != nil {
			return err
		}
		looked = looked || len(seen) > 0
		for _, s := range seen {
			fresh, rest := beside(s, watch.Ends(s, p.rules), deaths)
			deaths, untold = append(deaths, fresh...), append(untold, rest...)
		}
	}
	if !looked {
		return nil
	}
	for i := range deaths {
		untold = append(untold, p.priced(&deaths[i]))
	}
	result.Price(untold)
	return nil
}

// recorded returns the runs of the history that ended.
func (o *scanOptions) recorded(ctx context.Context) (deaths []history.Death, err error) {
	if o.history == "" {
		return nil, nil
	}
	err = (&historyOptions{database: o.history}).with(ctx, func(s *history.Store) error {
		f := history.Filter{Limit: 1000}
		for len(deaths) < mostPriced {
			page, err := s.Deaths(ctx, f)
			if err != nil {
				return err
			}
			// A pod that did not start or was evicted has restarted nothing.
			deaths = append(deaths, slices.DeleteFunc(page.Items, func(d history.Death) bool { return d.Kind != history.Died })...)
			if f.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		return nil
	})
	return deaths, err
}

// priced is what a death costs: of which container of which workload it is, and the effect of the rule that explains it.
func (p *program) priced(d *history.Death) scan.Death {
	of := cmp.Or(d.Workload, d.Of.Object())
	death := scan.Death{Of: of.InContainer(d.Of.Container), Count: 1}
	for _, r := range p.rules {
		if d.Verdict != nil && r.ID == d.Verdict.Rule {
			death.Effects = []string{string(r.Effect)}
		}
	}
	return death
}

// look reads of the cluster those pods of workloads that have ended something, a namespace at a time, and tells what of that could not be
// had.
func (o *scanOptions) look(ctx context.Context, p *program, of []evidence.Ref) (seen []*evidence.Snapshot, missed []string, err error) {
	var namespaces []string
	for _, ref := range of {
		namespaces = append(namespaces, ref.Namespace)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	asking, source, done, err := o.cluster.begin(ctx, p)
	if err != nil {
		return nil, []string{uncounted(namespaces, oneLine(err))}, nil
	}
	defer done()
	if limit, _ := o.cluster.limit(); limit == 0 {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(asking, mostLooking)
		defer cancel()
	}
	cluster := source.(collect.Cluster) // there is no --from here
	cluster.Pods = func(pod *corev1.Pod) bool {
		_, is := slices.BinarySearchFunc(of, watch.WorkloadOf(pod), evidence.Ref.Compare)
		return is && hasEnded(pod)
	}
	failed := map[string][]string{}
	for i, namespace := range namespaces {
		why := fmt.Sprintf("%d namespaces are the most that are asked about: name fewer manifests", mostNamespaces)
		if i < mostNamespaces {
			s, err := cluster.Snapshot(asking, evidence.Selection{Namespace: namespace})
			if err == nil {
				seen, missed = append(seen, s), append(missed, lacking(s)...)
				continue
			}
			if why = oneLine(err); asking.Err() != nil {
				why = "there was no time left for it: give more with --request-timeout"
			}
		}
		failed[why] = append(failed[why], namespace)
	}
	for why, of := range failed {
		missed = append(missed, uncounted(of, why))
	}
	slices.Sort(missed)
	return seen, slices.Compact(missed), ctx.Err()
}

// uncounted says why it is not known what findings have cost.
func uncounted(namespaces []string, why string) string {
	in := "namespace"
	if len(namespaces) > 1 {
		in = "namespaces"
	}
	const most = 5
	names := strings.Join(namespaces[:min(len(namespaces), most)], ", ")
	if more := len(namespaces) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("what findings have cost in %s %s: %s", in, names, why)
}

// lacking says what could not be read of a whole namespace, without which restarts are not counted or not explained.
func lacking(s *evidence.Snapshot) (list []string) {
	for _, g := range s.Gaps {
		whole := g.About.Kind == "" || g.About.Kind == "Namespace"
		if whole && g.Kind&(evidence.Status|evidence.Events) != 0 {
			list = append(list, uncounted([]string{s.Subject.Name}, "not all of it: "+g.Why))
		}
	}
	return list
}

// hasEnded tells whether a container of a pod began anew or ended badly.
func hasEnded(pod *corev1.Pod) bool {
	badly := func(t *corev1.ContainerStateTerminated) bool { return t != nil && t.ExitCode != 0 }
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(st corev1.ContainerStatus) bool {
		return st.RestartCount > 0 || badly(st.State.Terminated) || badly(st.LastTerminationState.Terminated)
	})
}

// A container is one of a pod, as a history and a cluster name it.
type container struct{ pod, name string }

// beside returns of the ends that a snapshot tells of those that the history has not, and how many more there were by the restart counts,
// of which nothing is known.
func beside(s *evidence.Snapshot, ends, recorded []history.Death) (fresh []history.Death, rest []scan.Death) {
	base, had := map[container]int{}, map[container]map[int]bool{}
	note := func(d *history.Death, attempt int) bool {
		of := container{d.PodUID, d.Of.Container}
		if had[of] == nil {
			had[of] = map[int]bool{}
		}
		known := had[of][attempt]
		had[of][attempt] = true
		return !known
	}
	for i := range recorded {
		d := &recorded[i]
		note(d, d.Of.Attempt)
		of := container{d.PodUID, d.Of.Container}
		base[of] = max(base[of], d.Base)
	}
	in := s.Subject.Name // other pods are of another question
	last := map[container]int{}
	for i := range ends {
		d := &ends[i]
		if d.Of.Namespace != in {
			continue
		}
		of := container{d.PodUID, d.Of.Container}
		attempt := d.Of.Attempt + base[of]
		last[of] = max(last[of], attempt+1)
		if note(d, attempt) {
			fresh = append(fresh, *d)
		}
	}
	for _, pod := range evidence.List[*corev1.Pod](s, evidence.RefTo("Namespace", "", in)) {
		for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			of := container{string(pod.UID), st.Name}
			all := max(int(st.RestartCount)+base[of], last[of]) // one whose restart is due counts already
			if more := all - len(had[of]); more > 0 {
				rest = append(rest, scan.Death{Of: watch.WorkloadOf(pod).InContainer(st.Name), Count: more})
			}
		}
	}
	return fresh, rest
}
