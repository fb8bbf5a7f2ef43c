// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"unicode/utf8"
)

func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"evictionHard: {memory.available: 500Mi}\ncontainerLogMaxFiles: 3\n", "{}", "a: &a [*a]", "evictionHard: {x: 101%}",
		"crashLoopBackOff: {maxContainerRestartPeriod: 1e99999999s}", "kubeReserved: {cpu: 1e9999999999}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &configuration{}
		if parseConfig(data, c) != nil {
			return
		}
		for name, value := range c.settings() {
			n, share := amount(value)
			if share && (n < 0 || n > 1) || !utf8.ValidString(line(name+value)) {
				t.Errorf("%q %q is %g", name, value, n)
			}
		}
	})
}

func FuzzCertificates(f *testing.F) {
	f.Add([]byte(issue(f, "n1", noon, noon)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(certificates(data)); n > mostCertificates {
			t.Errorf("%d certificates", n)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var follower follower
		cut = min(max(cut, 0), len(data))
		got := append([]byte(nil), follower.lines(data[:cut:cut])...)
		got = append(got, follower.lines(append(follower.part, data[cut:]...))...)
		if got = append(got, follower.part...); string(got) != string(data) {
			t.Errorf("got %q of %q", got, data)
		}
		if l := line(string(data)); len(l) > maxLine+8 || !utf8.ValidString(l) {
			t.Errorf("line of %d bytes", len(l))
		}
	})
}
