// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/kubeinquest/inquest/internal/regex"

// The words are those of the API's not-found error, of kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables)
// and of pkg/volume/configmap and pkg/volume/secret (MakePayload).
var (
	objectWords = regex.New(`(configmap|secret)s? "([^"]+)" not found`)
	envKeyWords = regex.New(`couldn't find key (\S+) in (ConfigMap|Secret) [^/\s]+/(\S+)`)
	volKeyWords = regex.New(`references non-existent (config|secret) key: ([-._a-zA-Z0-9]+)`)
	mountWords  = regex.New(`^MountVolume\.SetUp failed for volume "([^"]+)"`)
)

var kinds = map[string]string{"configmap": "ConfigMap", "config": "ConfigMap", "secret": "Secret"}

// missingInMessage returns everything that a volume's error names; a projected volume may miss several things.
func missingInMessage(message string) []missing {
	var all []missing
	for _, found := range objectWords.FindAllStringSubmatch(message, -1) {
		all = append(all, missing{kind: kinds[found[1]], name: found[2]})
	}
	for _, found := range volKeyWords.FindAllStringSubmatch(message, -1) {
		all = append(all, missing{kind: kinds[found[1]], key: found[2]})
	}
	return all
}

// captured returns what a pattern captures in a text; otherwise, where it is not there.
func captured(pattern *regex.Expr, text, otherwise string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return otherwise
}
