// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	kubeletPort    = 10250                  // where the node does not say another
	kubeletDial    = 300 * time.Millisecond // who cannot reach kubelets, as from most desks, is not to wait for it
	kubeletTime    = 2 * time.Second        // for one page
	maxSummary     = 32 << 20               // of a page; a node of 110 pods has less than one MiB
	fewKubelets    = 3                      // that are asked for one question
	largestWriters = 3                      // pods that are named by what they keep on their node's disk
	fewPeriods     = 20                     // of a tenth of a second, in which a container that has just begun is throttled or not
)

// kubeletPaths are what is read of a kubelet, by the resource of the nodes that a role must have for it (KEP-2862).
var kubeletPaths = map[string]string{"/stats/summary": "nodes/stats", "/metrics/cadvisor": "nodes/metrics"}

// kubelets reads what the kubelets of nodes in question know beyond the metrics API: pressure (PSI), throttling, what is
// kept on disks and in volumes. It asks them themselves, for the way through the API server needs the right to
// nodes/proxy, which is the right to run anything.
func (v *visit) kubelets(ctx context.Context, nodes []*corev1.Node, pods []*corev1.Pod) {
	if v.about.Kind == "" || v.about.Kind == "Namespace" || len(nodes) > fewKubelets {
		return
	}
	asked := map[evidence.Ref]bool{}
	for _, pod := range pods {
		asked[evidence.RefOf(pod)] = true
	}
	var group sync.WaitGroup
	for _, node := range nodes {
		group.Go(func() {
			err := v.kubelet(ctx, node, asked)
			if err != nil && v.about.Kind == "Node" { // elsewhere it would be said on most desks and settle nothing
				v.gap(evidence.Host, evidence.RefOf(node), "its kubelet was not asked: "+v.api.reason(ctx, err))
			}
		})
	}
	group.Wait()
}

func (v *visit) kubelet(ctx context.Context, node *corev1.Node, asked map[evidence.Ref]bool) error {
	client, err := kubeletClient(v.api.config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	address := kubeletAddress(node)
	if address == "" {
		return errors.New("the node has no internal address")
	}
	facts := &kubeletFacts{node: evidence.RefOf(node), at: v.s.Taken, asked: asked}
	err = kubeletPage(ctx, client, "https://"+address+"/stats/summary", facts.summary)
	if err == nil {
		err = kubeletPage(ctx, client, "https://"+address+"/metrics/cadvisor", facts.cadvisor)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(facts.list) > 0 {
		v.s.Has |= evidence.Usage
	}
	v.s.Facts = append(v.s.Facts, facts.sorted()...)
	return err
}

// errToken is why a kubelet is not asked with a token: whoever has the node would have the token then.
var errToken = errors.New("the kubeconfig has no client certificate, and a token is not shown to nodes")

// kubeletClient returns a client that shows kubelets the user's certificate and trusts those that the cluster's authority
// vouches for.
func kubeletClient(config *rest.Config) (*http.Client, error) {
	own := rest.AnonymousClientConfig(config)
	own.CertData, own.KeyData = config.CertData, config.KeyData
	own.ServerName = ""
	if len(own.CertData) == 0 {
		return nil, errToken
	}
	if own.Insecure {
		return nil, errors.New("the kubeconfig trusts any server")
	}
	own.Dial = (&net.Dialer{Timeout: kubeletDial}).DialContext
	own.Timeout = kubeletTime
	return rest.HTTPClientFor(own)
}

// kubeletAddress is host and port of a node's kubelet.
func kubeletAddress(node *corev1.Node) string {
	port := cmp.Or(int(node.Status.DaemonEndpoints.KubeletEndpoint.Port), kubeletPort)
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return net.JoinHostPort(a.Address, strconv.Itoa(port))
		}
	}
	return ""
}

// kubeletPage reads a page of a kubelet with a function.
func kubeletPage(ctx context.Context, client *http.Client, url string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusForbidden || response.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("forbidden: cannot get %s", kubeletPaths[request.URL.Path])
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with status %d", request.URL.Path, response.StatusCode)
	}
	return read(io.LimitReader(response.Body, maxSummary))
}

// kubeletFacts turns what a kubelet serves into facts about a node, and about what was asked for on it.
type kubeletFacts struct {
	node  evidence.Ref
	at    time.Time
	asked map[evidence.Ref]bool
	list  []evidence.Fact
}

func (k *kubeletFacts) add(about evidence.Ref, where, name, text string, value float64) {
	if about != k.node {
		where = k.node.String() + " " + where
	}
	k.list = append(k.list, evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: about, At: k.at, Where: where,
		Name: name, Text: text, Value: value,
	})
}

func (k *kubeletFacts) sorted() []evidence.Fact {
	slices.SortStableFunc(k.list, func(a, b evidence.Fact) int {
		return cmp.Or(a.About.Compare(b.About), cmp.Compare(a.Name, b.Name))
	})
	return k.list
}

// statsSummary is what a kubelet says of what its node and pods use (kubernetes pkg/kubelet/apis/stats/v1alpha1).
type statsSummary struct {
	Node used `json:"node"`
	Pods []struct {
		Ref        struct{ Name, Namespace string } `json:"podRef"`
		Containers []struct {
			Name string `json:"name"`
			used
		} `json:"containers"`
		Volumes []struct {
			Claim *struct{ Name, Namespace string } `json:"pvcRef"`
			disk
		} `json:"volume"`
		Ephemeral disk `json:"ephemeral-storage"`
	} `json:"pods"`
}

type used struct {
	CPU    pressed `json:"cpu"`
	Memory pressed `json:"memory"`
}

// pressed is a resource with its pressure stall information, in percent of the time (kernel Documentation/accounting/psi.rst).
type pressed struct {
	PSI *struct {
		Full, Some struct {
			Avg60 float64 `json:"avg60"`
		}
	} `json:"psi"`
}

type disk struct {
	Available  *float64 `json:"availableBytes"`
	Capacity   *float64 `json:"capacityBytes"`
	Used       *float64 `json:"usedBytes"`
	InodesFree *float64 `json:"inodesFree"`
	Inodes     *float64 `json:"inodes"`
}

func (k *kubeletFacts) summary(r io.Reader) error {
	var s statsSummary
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("read /stats/summary: %w", err)
	}
	k.pressure(k.node, "node", s.Node)
	keeps := map[evidence.Ref]float64{}
	for _, p := range s.Pods {
		pod := evidence.RefTo("Pod", p.Ref.Namespace, p.Ref.Name)
		if p.Ephemeral.Used != nil {
			keeps[pod] = *p.Ephemeral.Used
		}
		if !k.asked[pod] {
			continue
		}
		for _, c := range p.Containers {
			k.pressure(pod.InContainer(c.Name), fmt.Sprintf("pods[%s].containers[%s]", p.Ref.Name, c.Name), c.used)
		}
		for _, volume := range p.Volumes {
			if volume.Claim != nil {
				claim := evidence.RefTo("PersistentVolumeClaim", volume.Claim.Namespace, volume.Claim.Name)
				k.disk(claim, fmt.Sprintf("pods[%s].volume", p.Ref.Name), volume.disk)
			}
		}
	}
	k.writers(keeps)
	return nil
}

// pressure notes how much of the last minute something stood still for want of a processor, and of memory. A kernel
// without PSI looks as one that knows no pressure: the kubelet passes on zeros.
func (k *kubeletFacts) pressure(of evidence.Ref, where string, u used) {
	if psi := u.CPU.PSI; psi != nil {
		k.add(of, "/stats/summary "+where+".cpu.psi.some", "psi.cpu.some", fmt.Sprintf("avg60 %g", psi.Some.Avg60), psi.Some.Avg60)
	}
	if psi := u.Memory.PSI; psi != nil {
		k.add(of, "/stats/summary "+where+".memory.psi.full", "psi.memory.full", fmt.Sprintf("avg60 %g", psi.Full.Avg60), psi.Full.Avg60)
	}
}

// disk notes what the file system of a claim has, in the names of the kubelet's metrics of volumes.
func (k *kubeletFacts) disk(of evidence.Ref, where string, d disk) {
	for _, value := range []struct {
		metric, field string
		is            *float64
	}{
		{"available_bytes", "availableBytes", d.Available}, {"capacity_bytes", "capacityBytes", d.Capacity},
		{"inodes_free", "inodesFree", d.InodesFree}, {"inodes", "inodes", d.Inodes},
	} {
		if value.is != nil {
			k.add(of, "/stats/summary "+where, "kubelet_volume_stats_"+value.metric, fmt.Sprintf("%s %.0f", value.field, *value.is), *value.is)
		}
	}
}

// writers notes which pods keep most on the node's disk: logs, layers and emptyDirs.
func (k *kubeletFacts) writers(keeps map[evidence.Ref]float64) {
	pods := make([]evidence.Ref, 0, len(keeps))
	for pod := range keeps {
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(a, b evidence.Ref) int { return cmp.Or(cmp.Compare(keeps[b], keeps[a]), a.Compare(b)) })
	for i, pod := range pods {
		if i < largestWriters || k.asked[pod] {
			where := fmt.Sprintf("/stats/summary pods[%s].ephemeral-storage", pod.Name)
			text := fmt.Sprintf("%s/%s usedBytes %.0f", pod.Namespace, pod.Name, keeps[pod])
			k.add(k.node, where, "ephemeral-storage", text, keeps[pod])
		}
	}
}

// throttling is how many periods of a tenth of a second something had to run in, and in how many its CPU limit held it back.
type throttling struct{ periods, throttled float64 }

// cadvisor notes in how many of its periods each container that was asked for was throttled. Its counts begin anew with
// each run: those of a pod with one container, which has the same limit, go on.
func (k *kubeletFacts) cadvisor(r io.Reader) error {
	all, containers := map[evidence.Ref]throttling{}, map[evidence.Ref]int{}
	err := eachSample(r, func(name string) bool {
		return name == "container_cpu_cfs_periods_total" || name == "container_cpu_cfs_throttled_periods_total"
	}, func(name string, labels map[string]string, value float64) {
		pod := evidence.RefTo("Pod", labels["namespace"], labels["pod"])
		if !k.asked[pod] {
			return
		}
		of := pod.InContainer(labels["container"])
		t, seen := all[of]
		if !seen && of != pod {
			containers[pod]++
		}
		if name == "container_cpu_cfs_periods_total" {
			t.periods = value
		} else {
			t.throttled = value
		}
		all[of] = t
	})
	for of, t := range all {
		if t.periods >= fewPeriods && (of.Container != "" || containers[of] <= 1) {
			k.add(of, "/metrics/cadvisor container_cpu_cfs_throttled_periods_total", "cpu.throttled",
				fmt.Sprintf("%.0f of container_cpu_cfs_periods_total %.0f", t.throttled, t.periods), t.throttled/t.periods)
		}
	}
	return err
}
