// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// shellSafe matches an argument that a shell takes as it is.
var shellSafe = regex.New(`^[A-Za-z0-9_./:=@%+,-]+$`)

// quote makes one argument of a POSIX shell out of any text: names come from the cluster, and a command is there to
// be pasted.
func quote(arg string) string {
	if shellSafe.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

var (
	singleQuoted = regex.New(`'[^']*'`)
	plainWords   = regex.New(`^[A-Za-z0-9_./:=@%+, -]*$`)
	elsewhere    = regex.New(`(^| )(-s|--(server|kubeconfig|token|as|context|cluster|user|password|client|certificate|insecure|tls)\b)`)
)

// harmless returns a rule's command, or "" where a name in it would make a shell run something else, or kubectl ask
// another cluster. An API server gives objects no such names, but a bundle may, and image names are anyone's.
func harmless(command string) string {
	bare := singleQuoted.ReplaceAllString(command, "")
	if !plainWords.MatchString(bare) || elsewhere.MatchString(bare) {
		return ""
	}
	return command
}

// Line returns what a person types to carry out a fix, or "" when there is nothing to type, or somebody would put it back. kubectl is how the
// command begins: with the flags that name the cluster that was asked.
func (f *Fix) Line(kubectl []string) string {
	begin := "kubectl"
	if len(kubectl) > 0 {
		begin = quoted(kubectl)
	}
	if f.Owner != "" {
		return ""
	}
	if f.Patch != nil {
		return begin + " " + f.patch()
	}
	if rest, ok := strings.CutPrefix(f.Command, "kubectl "); ok {
		return begin + " " + rest
	}
	return f.Command
}

// Owned says what a live change of an object comes to that somebody else applies; "" where nobody is known to.
func (f *Fix) Owned(inquest string) string {
	if f.Owner == "" {
		return ""
	}
	return f.Owner + " would put the old value back: " + cmp.Or(inquest, "inquest") + " fix says where to change it instead"
}

// patch returns what follows kubectl to apply the patch, or "" when there is none.
func (f *Fix) patch() string {
	if f.Patch == nil {
		return ""
	}
	var args []string
	if ns := f.Patch.Target.Namespace; ns != "" {
		args = append(args, "-n", ns)
	}
	args = append(args, "patch", f.Patch.Target.typeName(), "--type", f.Patch.Type)
	return quoted(args) + " --patch=" + quote(f.Patch.Data)
}

func quoted(args []string) string {
	list := make([]string, 0, len(args))
	for _, arg := range args {
		list = append(list, quote(arg))
	}
	return strings.Join(list, " ")
}

// words splits a command at the spaces outside of quotes, where a line may be continued.
func words(command string) []string {
	var list []string
	var inside rune
	start := 0
	for i, r := range command {
		switch {
		case inside != 0 && r == inside:
			inside = 0
		case inside == 0 && (r == '\'' || r == '"'):
			inside = r
		case inside == 0 && r == ' ':
			list = append(list, command[start:i])
			start = i + 1
		}
	}
	return append(list, command[start:])
}

// continued breaks a command at arguments into lines that a shell reads as one. An argument that is longer than a line
// stays whole: pasted in pieces it would mean something else.
func continued(command string, width int) []string {
	const mark = ` \`
	var lines []string
	line := ""
	for _, w := range words(command) {
		switch {
		case line == "":
			line = w
		case length(line)+1+length(w)+len(mark) > width:
			lines = append(lines, line+mark)
			line = "  " + w
		default:
			line += " " + w
		}
	}
	return append(lines, line)
}
