// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// attack is what a line of a log may hold: commands to the terminal, text that hides or reorders other text, forged
// lines of a report, Markdown and a shell.
const attack = "a\x1b[2J\x1b]0;title\x07\x1b]8;;http://x\x07b\rc\x9bd\u009b31me\u202ef\u2066g\u200bh\x00i\x7fj\xffk" +
	"\U000e0041\u3164\n1. MEM001 certain forged\n```\n<script>alert(1)</script>![x](http://y)`z`**w** 'quoted' $(reboot)"

// hostile is a report in which everything that can come from a cluster is an attack.
func hostile() Report {
	r := New(fleet())
	evil := func(t *Thing) { t.Namespace, t.Name, t.Container = attack, attack, attack }
	var spoil func(c *Cause)
	spoil = func(c *Cause) {
		evil(&c.About)
		c.Message = attack
		for _, facts := range [][]Fact{c.Facts, c.Against} {
			for i := range facts {
				evil(&facts[i].About)
				facts[i].Text, facts[i].Where = attack, attack
			}
		}
		c.Fixes = append(c.Fixes[:0:0], Fix{Title: attack, Risk: "restart", Command: "kubectl get " + attack},
			Fix{Title: attack, Risk: "advice", Patch: &Patch{Target: Thing{Kind: "Deployment", Namespace: attack, Name: attack}, Type: "strategic", Data: attack}})
		for i := range c.Leads {
			spoil(&c.Leads[i])
		}
	}
	evil(&r.Subject)
	for i := range r.Causes {
		spoil(&r.Causes[i])
	}
	for i := range r.Undetermined {
		u := &r.Undetermined[i]
		evil(&u.About)
		u.Message, u.SettledBy = attack, []string{attack}
	}
	for i := range r.Skipped {
		evil(&r.Skipped[i].About)
		r.Skipped[i].Why = attack
	}
	for i := range r.Gaps {
		evil(&r.Gaps[i].About)
		r.Gaps[i].Why = attack
	}
	return r
}

// acts tells a rune that a terminal acts on or that hides or reorders what is around it.
func acts(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }

func TestHostileText(t *testing.T) {
	reports := []Report{hostile()}
	js, err := JSON(reports)
	if err != nil {
		t.Fatal(err)
	}
	ym, err := YAML(reports)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"text": Text(reports, Options{}), "wide": Text(reports, Options{Wide: true}), "markdown": Markdown(reports, nil),
		"JSON": string(js), "YAML": string(ym), "names": Names(reports),
	}
	for form, shown := range forms {
		if !utf8.ValidString(shown) {
			t.Errorf("%s is not UTF-8", form)
		}
		if i := strings.IndexFunc(shown, acts); i >= 0 {
			t.Errorf("%s lets %q through: %q", form, shown[i:i+1], shown[max(0, i-30):min(len(shown), i+30)])
		}
	}
	for _, form := range []string{"text", "wide"} {
		if strings.Contains(forms[form], "\n1. MEM001 certain forged") {
			t.Errorf("%s shows a forged cause", form)
		}
	}
	if strings.Contains(outsideFences(forms["markdown"]), "<script>") {
		t.Error("Markdown lets HTML through")
	}
}

// outsideFences returns the Markdown without its blocks of code, each of which ends at the fence that it began with.
func outsideFences(markdown string) string {
	var prose strings.Builder
	fence := ""
	for line := range strings.Lines(markdown) {
		mark := strings.TrimSuffix(strings.TrimSpace(line), "sh")
		switch {
		case fence == "" && strings.HasPrefix(mark, "```") && strings.Trim(mark, "`") == "":
			fence = mark
		case mark == fence:
			fence = ""
		case fence == "":
			prose.WriteString(line)
		}
	}
	return prose.String()
}

// TestJSONKeepsText checks that what JSON escapes is read back as the cluster said it.
func TestJSONKeepsText(t *testing.T) {
	r := New(quiet())
	r.Gaps[0].Why = "a\x1b[2J\u202eb\u009bc\u200bd\u2028e<f>\U000e0041\u3164"
	data, err := JSON([]Report{r})
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("read back differs (-wrote +read):\n%s", diff)
	}
}

// TestWidth checks that nothing but a single argument of a command is wider than the terminal.
func TestWidth(t *testing.T) {
	d := fleet()
	d.Causes[1].Message = strings.Repeat("a long sentence with äöü in it ", 20) + strings.Repeat("x", 300)
	d.Causes[0].Facts[0].Text = strings.Repeat("y", 500)
	for _, width := range []int{40, 60, 80, 120} {
		for _, wide := range []bool{false, true} {
			for i, line := range strings.Split(Text([]Report{New(d)}, Options{Width: width, Wide: wide}), "\n") {
				if length(line) > width && len(words(strings.TrimSuffix(strings.TrimSpace(line), ` \`))) > 1 {
					t.Errorf("line %d has %d columns, more than %d: %s", i+1, length(line), width, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends in spaces: %q", i+1, line)
				}
			}
		}
	}
}

// TestColorChangesNothing checks that the text reads the same without colours.
func TestColorChangesNothing(t *testing.T) {
	colored := Text([]Report{New(fleet())}, Options{Color: true})
	var bare strings.Builder
	for rest := colored; rest != ""; {
		before, after, found := strings.Cut(rest, "\x1b[")
		bare.WriteString(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, "m")
	}
	if diff := cmp.Diff(Text([]Report{New(fleet())}, Options{}), bare.String()); diff != "" {
		t.Errorf("colours change the text (-without +with):\n%s", diff)
	}
}

// TestSameBytes checks that a report does not depend on chance or on the time zone of the evidence.
func TestSameBytes(t *testing.T) {
	elsewhere := time.FixedZone("elsewhere", 5*3600)
	var first string
	for i := range 100 {
		d := fleet()
		if i%2 == 1 {
			d.Taken = d.Taken.In(elsewhere)
			d.Causes[0].At = d.Causes[0].At.In(elsewhere)
			d.Causes[0].Facts[0].At = d.Causes[0].Facts[0].At.In(elsewhere)
		}
		js, err := JSON([]Report{New(d)})
		if err != nil {
			t.Fatal(err)
		}
		all := string(js) + Text([]Report{New(d)}, Options{Wide: true}) + Markdown([]Report{New(d)}, nil)
		if first == "" {
			first = all
		}
		if all != first {
			t.Fatalf("run %d differs:\n%s", i, cmp.Diff(first, all))
		}
	}
}

func TestCommand(t *testing.T) {
	patch := Fix{Patch: &Patch{Target: Thing{Kind: "Deployment", Namespace: "shop", Name: "it's; reboot"}, Type: "json", Data: `[{"op":"add"}]`}}
	for _, c := range []struct {
		fix     Fix
		kubectl []string
		want    string
	}{
		{patch, nil, `kubectl -n shop patch 'deployment/it'\''s; reboot' --type json --patch='[{"op":"add"}]'`},
		{Fix{Command: "kubectl logs web-0"}, []string{"kubectl", "--context", "my cluster"}, `kubectl --context 'my cluster' logs web-0`},
		{Fix{Command: "journalctl -u kubelet"}, []string{"kubectl", "--context", "prod"}, `journalctl -u kubelet`},
		{Fix{Title: string(diagnosis.Strategic)}, nil, ""},
	} {
		if got := c.fix.Line(c.kubectl); got != c.want {
			t.Errorf("command is %s, want %s", got, c.want)
		}
	}
	long := `kubectl -n shop patch deployment/web --type strategic --patch='{"a": "b c"}' --and more`
	want := []string{`kubectl -n shop patch deployment/web \`, `  --type strategic --patch='{"a": "b c"}' \`, `  --and more`}
	if diff := cmp.Diff(want, continued(long, 44)); diff != "" {
		t.Errorf("continued lines (-want +got):\n%s", diff)
	}
}

// TestHarmless wants no command to be shown that means something else to a shell or to kubectl than the rule meant.
func TestHarmless(t *testing.T) {
	for command, shown := range map[string]bool{
		"": true, "kubectl -n shop logs web-0 -c app --previous --tail=50": true,
		`kubectl patch -n shop pod/web --type=json -p '[{"op":"remove","path":"/metadata/finalizers"}]'`:                           true,
		"kubectl create secret docker-registry NAME -n a --docker-server=r:5000 --docker-username=USER --docker-password=PASSWORD": true,
		"kubectl -n shop logs web; reboot # -c app": false, "kubectl describe node n1`id`": false, "kubectl -n $(id) logs web": false,
		"kubectl -n a logs b\nid": false, "kubectl logs x' ; id": false, "kubectl logs web --server=http://evil": false, "kubectl logs x > /etc/passwd": false,
		"kubectl describe node n1 && id": false, "kubectl describe node \"n1\"": false, "kubectl logs web -s http://evil": false,
	} {
		if got := harmless(command); (got == command) != shown || got != "" && got != command {
			t.Errorf("harmless(%q) = %q", command, got)
		}
	}
}
