// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A step is something done to a cluster after its manifests are applied: a command of kubectl with what it reads.
type step struct {
	args  []string // without the namespace
	stdin string
}

// verbs are the commands of kubectl that a step may be, with the flags that matter. Other flags with a value are in
// dropped; everything else is refused: no text of a case is given to a shell.
var verbs = map[string][]string{
	"apply":  {"-f"},
	"patch":  {"-p", "--patch", "--type"},
	"scale":  {"--replicas"},
	"delete": {"-l", "--selector", "--wait"},
}

// touched are the kinds that a step may name.
var touched = strings.Fields("deployment deployments deploy statefulset sts daemonset ds replicaset rs pod pods job service svc configmap cm secret pvc")

var (
	dropped = []string{"--context", "-n", "--namespace"}
	heredoc = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?\s*$`)
	plain   = regexp.MustCompile(`^[a-z0-9][a-z0-9./-]*$`)
)

// parse reads the commands of a text.
func parse(text string) ([]step, error) {
	var steps []step
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		command := lines[i]
		var s step
		if end := heredoc.FindStringSubmatch(command); end != nil {
			command = heredoc.ReplaceAllString(command, "")
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != end[1]; i++ {
				s.stdin += lines[i] + "\n"
			}
		}
		words, open := split(command)
		for ; open && i+1 < len(lines); words, open = split(command) {
			i++
			command += "\n" + lines[i]
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var err error
		if s.args, err = allowed(words); err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// split divides a command at blanks outside quotes, and tells whether a quote is still open.
func split(command string) (words []string, open bool) {
	var word strings.Builder
	var quote rune
	started := false
	for _, r := range command {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, started = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words, quote != 0
}

// allowed returns the arguments of a command that a step may be.
func allowed(words []string) ([]string, error) {
	var args []string
	if words[0] != "kubectl" {
		return nil, fmt.Errorf("step %q is not a command of kubectl", words[0])
	}
	verb := ""
	for i := 1; i < len(words); i++ {
		name, value, joined := strings.Cut(words[i], "=")
		switch {
		case slices.Contains(dropped, name):
			if !joined {
				i++
			}
		case !strings.HasPrefix(name, "-") && verb == "":
			verb = name
			if _, known := verbs[verb]; !known {
				return nil, fmt.Errorf("step kubectl %s is not one of those known", verb)
			}
			args = append(args, verb)
		case strings.HasPrefix(name, "-") && verb != "" && slices.Contains(verbs[verb], name):
			if !joined && i+1 < len(words) {
				i++
				value = words[i]
			}
			args = append(args, name, value)
			if strings.HasPrefix(name, "--") {
				args = append(args[:len(args)-2], name+"="+value)
			}
		case plain.MatchString(words[i]):
			args = append(args, words[i])
		default:
			return nil, fmt.Errorf("step kubectl %s has %q, which is not understood", verb, words[i])
		}
	}
	return args, about(args)
}

// about refuses a step that is about anything but one workload, or one thing that it needs.
func about(args []string) error {
	if slices.Equal(args, []string{"apply", "-f", "-"}) {
		return nil
	}
	words := positional(args)
	if len(words) < 2 {
		return fmt.Errorf("step %q names nothing", args)
	}
	kind, name, joined := strings.Cut(words[1], "/")
	kind, _, _ = strings.Cut(kind, ".")
	names := words[2:]
	if joined {
		names = append([]string{name}, names...)
	}
	if len(names) > 1 || len(names) == 1 && strings.Contains(names[0], "/") {
		return fmt.Errorf("step kubectl %q is about more than one thing", words)
	}
	if words[0] == "apply" || !slices.Contains(touched, kind) {
		return fmt.Errorf("step kubectl %s %s is not about a workload", words[0], words[1])
	}
	return nil
}

// positional returns the arguments that are no flags: one with two dashes is joined with its value.
func positional(args []string) []string {
	var words []string
	for i := 0; i < len(args); i++ {
		switch {
		case strings.HasPrefix(args[i], "--"):
		case strings.HasPrefix(args[i], "-"):
			i++
		default:
			words = append(words, args[i])
		}
	}
	return words
}
