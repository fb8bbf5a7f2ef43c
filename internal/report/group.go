// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A group holds causes that say the same about several things: five pods of one Deployment that fail alike, or the
// last two runs of one container. People read them once; JSON keeps each.
type group struct {
	Cause         // the newest of them, whose evidence is the freshest
	all   []Thing // what they are about, each as often as it was found
}

// grouped joins causes that differ only in the name of their pod, the run and the time. A group stands where the
// first of its members stood.
func grouped(causes []Cause) []group {
	var groups []group
	index := map[string]int{}
	for _, c := range causes {
		key := sameness(&c)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, group{Cause: c})
		}
		if c.At.After(groups[i].At) {
			c.Leads = slices.Concat(c.Leads, wider(&groups[i].Cause))
			groups[i].Cause = c
		} else if len(groups[i].all) > 0 {
			groups[i].Leads = slices.Concat(groups[i].Leads, wider(&c))
		}
		groups[i].all = append(groups[i].all, c.About)
	}
	return groups
}

// clock matches what differs between two tellings of one thing: times of day, dates with them, and durations.
var clock = regex.New(`\d{4}-\d\d-\d\d[T ]|\d\d:\d\d:\d\d(\.\d+)?Z?|\b(\d+(\.\d+)?(ns|µs|ms|s|m|h|d))+\b`)

func sameness(c *Cause) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%s\x00%s\x00%s\x00%s\x00%s", c.Rule, c.Confidence, c.About.Kind, c.About.Namespace,
		c.About.Container, masked(c.Message, c.About))
	for _, f := range c.Fixes {
		fmt.Fprintf(&b, "\x00%s\x00%s", masked(f.Title+f.Command, c.About), f.patch())
	}
	for i := range c.Leads {
		if c.Leads[i].About.Kind == "Pod" {
			fmt.Fprintf(&b, "\x01%s\x02", sameness(&c.Leads[i]))
		}
	}
	return b.String()
}

// wider returns what follows from a cause for something larger than a pod: a rollout that does not get on hangs below the
// cause in one of its pods, and follows from that in all of them.
func wider(c *Cause) []Cause {
	return slices.DeleteFunc(slices.Clone(c.Leads), func(lead Cause) bool { return lead.About.Kind == "Pod" })
}

func masked(message string, about Thing) string {
	if about.Name != "" {
		message = strings.ReplaceAll(message, about.Name, "\x03")
	}
	return clock.ReplaceAllString(message, "\x04")
}

// others says where else the group was found, beside the thing it is shown for; empty when nowhere.
func (g *group) others() string {
	count := map[string]int{}
	var names []string
	for _, t := range g.all {
		if count[t.Name]++; count[t.Name] == 1 && t.Name != g.About.Name {
			names = append(names, t.Name)
		}
	}
	slices.SortFunc(names, compareNames)
	var parts []string
	if n := count[g.About.Name]; n > 1 {
		parts = append(parts, fmt.Sprintf("%d runs of it", n))
	}
	if len(names) > 0 {
		kind := strings.ToLower(cmp.Or(g.About.Kind, "thing"))
		parts = append(parts, fmt.Sprintf("%s: %s", Plural(len(names), "more "+kind), someOf(names, 12)))
	}
	return strings.Join(parts, " and in ")
}

// compareNames orders web-2 before web-10.
func compareNames(a, b string) int {
	if strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

// someOf joins the first n names and counts the rest.
func someOf(names []string, n int) string {
	if len(names) <= n+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// Plural counts things in words: "1 pod", "3 pods".
func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// reach counts the findings below a cause and the pods they are in.
func reach(c *Cause) (findings, pods int) {
	names := map[string]bool{}
	var walk func(list []Cause)
	walk = func(list []Cause) {
		for i := range list {
			findings++
			if list[i].About.Kind == "Pod" {
				names[list[i].About.Namespace+"/"+list[i].About.Name] = true
			}
			walk(list[i].Leads)
		}
	}
	walk(c.Leads)
	return findings, len(names)
}
