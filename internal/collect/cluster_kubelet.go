// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
	mostMembers    = 2000                   // of a list in it, as its pods
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
	heard := make([]*kubeletFacts, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		heard[i] = &kubeletFacts{node: evidence.RefOf(node), at: v.s.Taken, asked: map[evidence.Ref]bool{}}
		for _, pod := range pods {
			if pod.Spec.NodeName == node.Name { // a kubelet is believed about its own pods only
				heard[i].asked[evidence.RefOf(pod)] = true
			}
		}
		group.Go(func() {
			err := askKubelet(ctx, v.api.config, node, heard[i])
			if err != nil && v.about.Kind == "Node" { // elsewhere it would be said on most desks and settle nothing
				why := "its kubelet was not asked: " + v.api.reason(ctx, err)
				v.mu.Lock()
				defer v.mu.Unlock()
				v.mute = append(v.mute, evidence.Gap{Kind: evidence.Host, About: evidence.RefOf(node), Why: why})
			}
		})
	}
	group.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, facts := range heard {
		if len(facts.list) > 0 {
			v.s.Has |= evidence.Usage
			v.s.Facts = append(v.s.Facts, facts.sorted()...)
			v.told[facts.node] = true
		}
	}
}

// withoutKubelets notes which kubelets could not be asked, where no agent has told what its node knows by itself.
func (v *visit) withoutKubelets() {
	for _, g := range v.mute {
		if !slices.Contains(v.heard, g.About) {
			v.gap(g.Kind, g.About, g.Why)
		}
	}
}

// forgetMeasured takes back that there is no usage of things whose kubelet has told it.
func (v *visit) forgetMeasured(pods []*corev1.Pod) {
	on := map[evidence.Ref]evidence.Ref{}
	for _, pod := range pods {
		on[evidence.RefOf(pod)] = evidence.RefTo("Node", "", pod.Spec.NodeName)
	}
	v.s.Gaps = slices.DeleteFunc(v.s.Gaps, func(g evidence.Gap) bool {
		return g.Kind == evidence.Usage && (v.told[g.About] || v.told[g.About.Object()] || v.told[on[g.About]])
	})
}

func askKubelet(ctx context.Context, config *rest.Config, node *corev1.Node, facts *kubeletFacts) error {
	client, err := kubeletClient(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	address, err := kubeletAddress(node)
	if err != nil {
		return err
	}
	if err := kubeletPage(ctx, client, "https://"+address+"/stats/summary", facts.summary); err != nil {
		return err
	}
	return kubeletPage(ctx, client, "https://"+address+"/metrics/cadvisor", facts.cadvisor)
}

// errToken is why a kubelet is not asked with a token: whoever has the node would have the token then.
var errToken = errors.New("the kubeconfig has no client certificate, and a token is not shown to nodes")

// kubeletClient returns a client that shows kubelets the user's certificate, trusts those that the cluster's authority
// vouches for, and goes nowhere that they send it.
func kubeletClient(config *rest.Config) (*http.Client, error) {
	switch {
	case len(config.CertData) == 0:
		return nil, errToken
	case config.Impersonate.UserName != "":
		return nil, errors.New("a kubelet cannot be asked as somebody else")
	case config.Insecure || len(config.CAData) == 0:
		return nil, errors.New("the kubeconfig has no certificate-authority that could vouch for it")
	}
	own := rest.AnonymousClientConfig(config)
	own.CertData, own.KeyData, own.ServerName = config.CertData, config.KeyData, ""
	trust, err := rest.TLSConfigFor(own)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trust, DialContext: (&net.Dialer{Timeout: kubeletDial}).DialContext, Proxy: own.Proxy},
		CheckRedirect: stay,
		Timeout:       kubeletTime,
	}, nil
}

// kubeletAddress is host and port of a node's kubelet.
func kubeletAddress(node *corev1.Node) (string, error) {
	port := cmp.Or(node.Status.DaemonEndpoints.KubeletEndpoint.Port, kubeletPort)
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		ip, err := netip.ParseAddr(a.Address)
		if err != nil || port < 1 || port > 65535 {
			return "", fmt.Errorf("the node's address %q and port %d are none", flatten(a.Address), port)
		}
		return netip.AddrPortFrom(ip, uint16(port)).String(), nil
	}
	return "", errors.New("the node has no internal address")
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

// A podSummary is what a kubelet says of one pod in its summary (kubernetes pkg/kubelet/apis/stats/v1alpha1).
type podSummary struct {
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
}

type used struct {
	CPU    pressed `json:"cpu"`
	Memory pressed `json:"memory"`
}

// pressed is a resource with what is used of it and its pressure stall information, in percent of the time (kernel
// Documentation/accounting/psi.rst).
type pressed struct {
	NanoCores  *float64 `json:"usageNanoCores"`
	WorkingSet *float64 `json:"workingSetBytes"`
	PSI        *struct {
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

// summary reads the page pod by pod, so that a long one takes no memory.
func (k *kubeletFacts) summary(r io.Reader) error {
	d, keeps := json.NewDecoder(r), map[evidence.Ref]float64{}
	err := eachMember(d, '{', func(key string) error {
		switch key {
		case "node":
			var node used
			err := d.Decode(&node)
			k.usage(k.node, "node", node)
			return err
		case "pods":
			return eachMember(d, '[', func(string) error {
				var pod podSummary
				err := d.Decode(&pod)
				k.pod(&pod, keeps)
				return err
			})
		}
		return d.Decode(new(json.RawMessage))
	})
	k.writers(keeps)
	if err != nil {
		return fmt.Errorf("read /stats/summary: %w", err)
	}
	return nil
}

// eachMember hands on each key of an object, or each place of a list, before its value, which read must take.
func eachMember(d *json.Decoder, begin json.Delim, read func(key string) error) error {
	if t, err := d.Token(); err != nil || t != begin {
		return cmp.Or(err, fmt.Errorf("expected %s", begin))
	}
	for n := 0; d.More(); n++ {
		key := ""
		if begin == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key, _ = t.(string)
		}
		if n >= mostMembers {
			return fmt.Errorf("there are more than %d", mostMembers)
		}
		if err := read(key); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (k *kubeletFacts) pod(p *podSummary, keeps map[evidence.Ref]float64) {
	pod := evidence.RefTo("Pod", p.Ref.Namespace, p.Ref.Name)
	if p.Ephemeral.Used != nil {
		keeps[pod] = *p.Ephemeral.Used
	}
	if !k.asked[pod] {
		return
	}
	for _, c := range p.Containers {
		k.usage(pod.InContainer(c.Name), fmt.Sprintf("pods[%s].containers[%s]", p.Ref.Name, c.Name), c.used)
	}
	for _, volume := range p.Volumes {
		if volume.Claim != nil {
			claim := evidence.RefTo("PersistentVolumeClaim", volume.Claim.Namespace, volume.Claim.Name)
			k.disk(claim, fmt.Sprintf("pods[%s].volume", p.Ref.Name), volume.disk)
		}
	}
}

// usage notes what something uses, and how much of the last minute it stood still for want of a processor, and of memory.
// A kernel without PSI looks as one that knows no pressure: the kubelet passes on zeros.
func (k *kubeletFacts) usage(of evidence.Ref, where string, u used) {
	for _, value := range []struct {
		at, name, text string
		is             *float64
		unit           float64
	}{
		{".cpu", "usage.cpu", "usageNanoCores %.0f", u.CPU.NanoCores, 1e-9},
		{".memory", "usage.memory", "workingSetBytes %.0f", u.Memory.WorkingSet, 1},
	} {
		if value.is != nil {
			k.add(of, "/stats/summary "+where+value.at, value.name, fmt.Sprintf(value.text, *value.is), *value.is*value.unit)
		}
	}
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
		if !k.asked[pod] || math.IsInf(value, 0) {
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
