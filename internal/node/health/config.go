// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A configuration is what matters of a KubeletConfiguration (kubernetes staging/src/k8s.io/kubelet/config/v1beta1). What is
// nil or empty was not set, and has the kubelet's default.
type configuration struct {
	EvictionHard                    map[string]string `json:"evictionHard"`
	EvictionSoft                    map[string]string `json:"evictionSoft"`
	EvictionMinimumReclaim          map[string]string `json:"evictionMinimumReclaim"`
	MergeDefaultEvictionSettings    *bool             `json:"mergeDefaultEvictionSettings"`
	SystemReserved                  map[string]string `json:"systemReserved"`
	KubeReserved                    map[string]string `json:"kubeReserved"`
	ContainerLogMaxSize             string            `json:"containerLogMaxSize"`
	ContainerLogMaxFiles            *int              `json:"containerLogMaxFiles"`
	CrashLoopBackOff                backOff           `json:"crashLoopBackOff"`
	MaxPods                         *int              `json:"maxPods"`
	PodPidsLimit                    *int64            `json:"podPidsLimit"`
	CgroupDriver                    string            `json:"cgroupDriver"`
	FailSwapOn                      *bool             `json:"failSwapOn"`
	SerializeImagePulls             *bool             `json:"serializeImagePulls"`
	ImageGCHighThresholdPercent     *int              `json:"imageGCHighThresholdPercent"`
	ImageGCLowThresholdPercent      *int              `json:"imageGCLowThresholdPercent"`
	RotateCertificates              *bool             `json:"rotateCertificates"`
	SingleProcessOOMKill            *bool             `json:"singleProcessOOMKill"`
	CPUCFSQuota                     *bool             `json:"cpuCFSQuota"`
	CPUCFSQuotaPeriod               string            `json:"cpuCFSQuotaPeriod"`
	ShutdownGracePeriod             string            `json:"shutdownGracePeriod"`
	ShutdownGracePeriodCriticalPods string            `json:"shutdownGracePeriodCriticalPods"`
	RuntimeRequestTimeout           string            `json:"runtimeRequestTimeout"`
	NodeStatusUpdateFrequency       string            `json:"nodeStatusUpdateFrequency"`
}

type backOff struct {
	MaxContainerRestartPeriod string `json:"maxContainerRestartPeriod"` // since Kubernetes 1.32 (KEP-4603)
}

const mostSettings = 200 // of one configuration, and of files that amend it

// parseConfig amends a configuration by a file. The kubelet merges files of --config-dir so, key by key (KEP-3983).
func parseConfig(data []byte, c *configuration) error {
	return yaml.Unmarshal(data, c)
}

// settings are the facts of a configuration: names as in the file, amounts in their base unit.
func (c *configuration) settings() map[string]string {
	all := map[string]string{}
	for name, of := range map[string]map[string]string{
		"evictionHard": c.EvictionHard, "evictionSoft": c.EvictionSoft, "evictionMinimumReclaim": c.EvictionMinimumReclaim,
		"systemReserved": c.SystemReserved, "kubeReserved": c.KubeReserved,
	} {
		for key, value := range of {
			all[name+"."+line(key)] = value
		}
	}
	for name, value := range map[string]string{
		"containerLogMaxSize": c.ContainerLogMaxSize, "crashLoopBackOff.maxContainerRestartPeriod": c.CrashLoopBackOff.MaxContainerRestartPeriod,
		"cgroupDriver": c.CgroupDriver, "cpuCFSQuotaPeriod": c.CPUCFSQuotaPeriod, "shutdownGracePeriod": c.ShutdownGracePeriod,
		"shutdownGracePeriodCriticalPods": c.ShutdownGracePeriodCriticalPods, "runtimeRequestTimeout": c.RuntimeRequestTimeout,
		"nodeStatusUpdateFrequency": c.NodeStatusUpdateFrequency,
		"containerLogMaxFiles":      set(c.ContainerLogMaxFiles), "maxPods": set(c.MaxPods), "podPidsLimit": set(c.PodPidsLimit),
		"imageGCHighThresholdPercent": set(c.ImageGCHighThresholdPercent), "imageGCLowThresholdPercent": set(c.ImageGCLowThresholdPercent),
		"failSwapOn": set(c.FailSwapOn), "serializeImagePulls": set(c.SerializeImagePulls), "rotateCertificates": set(c.RotateCertificates),
		"singleProcessOOMKill": set(c.SingleProcessOOMKill), "cpuCFSQuota": set(c.CPUCFSQuota),
		"mergeDefaultEvictionSettings": set(c.MergeDefaultEvictionSettings),
	} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

func set[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// amount is a value of a setting as a number: of bytes, seconds, things, or a share; 0 for words.
func amount(value string) (n float64, share bool) {
	if p, ok := strings.CutSuffix(value, "%"); ok {
		n, err := strconv.ParseFloat(p, 64)
		if err != nil || n < 0 || n > 100 {
			return 0, true
		}
		return n / 100, true
	}
	if len(value) > 64 {
		return 0, false
	}
	if q, err := resource.ParseQuantity(value); err == nil {
		return q.AsApproximateFloat64(), false
	}
	if d, err := time.ParseDuration(value); err == nil {
		return d.Seconds(), false
	}
	if value == "true" {
		return 1, false
	}
	return 0, false
}

// readConfig reads the kubelet's configuration, and tells what was not told before. It is what the kubelet has from its next
// start on; flags on its command line go before it.
func (c *Checker) readConfig() {
	if c.options.Config == "" {
		return
	}
	data, err := readFile(c.root, c.options.Config)
	config := &configuration{}
	if err == nil {
		err = parseConfig(data, config)
	}
	if err != nil {
		c.missing("kubelet-config", c.options.Config, err.Error())
		return
	}
	c.there("kubelet-config", c.options.Config)
	for _, file := range c.amendments() {
		if data, err := readFile(c.root, file); err == nil {
			_ = parseConfig(data, config) // the kubelet does not start with such a file, and says so itself
		}
	}
	c.mu.Lock()
	before := c.config
	c.config = config
	c.mu.Unlock()
	told := map[string]string{}
	if before != nil {
		told = before.settings()
	}
	c.tellSettings(told, config.settings())
}

func (c *Checker) tellSettings(told, now map[string]string) {
	names := slices.Sorted(maps.Keys(now))
	for _, name := range names[:min(len(names), mostSettings)] {
		if now[name] != told[name] {
			value, _ := amount(now[name])
			c.fact(evidence.FromSpec, c.options.Now(), "file "+c.options.Config, "config."+name, name+" "+now[name], value)
		}
	}
}

// amendments are the files that amend the configuration, in the kubelet's order.
func (c *Checker) amendments() []string {
	if c.options.ConfigDir == "" {
		return nil
	}
	dir, err := c.root.Open(c.options.ConfigDir)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(mostFiles)
	names = slices.DeleteFunc(names, func(name string) bool { return path.Ext(name) != ".conf" })
	slices.Sort(names)
	for i, name := range names {
		names[i] = path.Join(c.options.ConfigDir, name)
	}
	return names
}

// Evict is the kubelet's hard threshold of a signal, an amount or a share of the whole, as configured; not ok: it is not
// known, or has its default. Who sets one threshold sets all others to zero, unless told to merge them (KubeletConfiguration,
// evictionHard).
func (c *Checker) Evict(signal string) (value float64, share, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config == nil || len(c.config.EvictionHard) == 0 {
		return 0, false, false
	}
	text, found := c.config.EvictionHard[signal]
	if !found && *cmp.Or(c.config.MergeDefaultEvictionSettings, new(bool)) {
		return 0, false, false
	}
	value, share = amount(text)
	return value, share, true
}
