// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// The runtimes whose heap and threads are looked at.
const (
	Go   = "Go"
	Java = "Java"
	Node = "Node.js"
)

// A Runtime is what a program runs by, and what says so. Without a name nobody knows.
type Runtime struct{ Name, Version, By string }

// Or is a runtime, or where it is not known another; what that knows of its version counts where it is the same.
func (r Runtime) Or(more Runtime) Runtime {
	switch {
	case r.Name == "":
		return more
	case r.Name == more.Name && r.Version == "":
		r.Version = more.Version
	}
	return r
}

// Said is a runtime in words.
func (r Runtime) Said() string {
	switch {
	case r.Name == "":
		return "its runtime is not known, so its heap and threads were not checked against its limits"
	case r.Version == "":
		return "it runs " + r.Name + ", by " + r.By
	}
	return "it runs " + r.named() + ", by " + r.By
}

// named is its name with its version.
func (r Runtime) named() string { return r.Name + " " + strings.TrimLeft(r.Version, "gov") }

// since tells whether its version is known to be at least another. What a version does not say, as a tag of an image, is the latest.
func (r Runtime) since(least ...int) bool {
	if r.Version == "" {
		return false
	}
	said := digits.FindAllString(early.ReplaceAllString(r.Version, "8."), -1)
	for i, want := range least {
		if i >= len(said) {
			return true
		}
		if n, err := strconv.Atoi(said[i]); err != nil || n != want {
			return err != nil || n > want
		}
	}
	return true
}

// The numbers of a version; and how Java 8 writes its own, of which its update is to come second: 1.8.0_362, 8u362.
var (
	digits = regex.New(`\d+`)
	early  = regex.New(`^(?:1\.8\.0_|8u)`)
)

var (
	javaNames  = []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS", "_JAVA_OPTIONS", "JAVA_OPTIONS"}
	goOwnNames = []string{"GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS", "GOTRACEBACK"}
	nodeTools  = []string{"node", "nodejs", "npm", "npx", "yarn", "pnpm", "nodemon", "ts-node"}
	shells     = []string{"sh", "bash", "ash", "dash"}
	// What starts other programs, as the user that comes first, or at once.
	asUsers  = []string{"gosu", "su-exec"}
	starters = []string{"env", "exec", "tini", "dumb-init", "catatonit", "nice", "nohup", "time", "timeout", "command", "then", "do", "else"}

	nodeImage = regex.New(`^(?:docker\.io/)?(?:library/)?node:v?(\d+(?:\.\d+)*)`)
	javaImage = regex.New(`^(?:docker\.io/)?(?:library/)?(?:openjdk|eclipse-temurin|amazoncorretto):(\d+(?:[.u]\d+)*)`)
	nodeFile  = regex.New(`\.(?:[mc]?js|ts)$`)
	parts     = regex.New(`[;|\n]|&&|\s&\s`)                // what is between commands of a shell
	noProgram = regex.New(`^(?:-.*|\w+=.*|[\d:]*[smhd]?)$`) // words before a program: options, variables, numbers
	valued    = regex.New(`^-(?:[a-z]*o|[anpuC])$`)         // options that a value of their own may follow
	// What a shell does itself or waits for, before or after the program that it is there for, and what only takes on what another writes.
	builtins = strings.Fields("[ [[ : . test if elif while until for case esac fi done function true false echo printf cd pushd popd export set unset source umask ulimit " +
		"trap wait kill exit return break continue local read shift eval sleep mkdir rm cp mv ln touch chown chmod cat tee grep sed awk tr date id whoami hostname logger")
)

// ofSpec recognises a runtime by the command, or by variables that only it reads. The version is that of an official image.
func ofSpec(c *corev1.Container) Runtime {
	r, before := ofCommand(append(slices.Clone(c.Command), c.Args...), len(c.Command) > 0)
	r.By = "its command"
	if r.Name == "" {
		r.By = "its variables"
		switch { // what ran before may read them as well
		case has(c, javaNames...) && !slices.Contains(before, Java):
			r.Name = Java
		case has(c, "NODE_OPTIONS") && !slices.Contains(before, Node):
			r.Name = Node
		case has(c, goOwnNames...):
			r.Name = Go
		default:
			return Runtime{}
		}
	}
	image := map[string]*regex.Expr{Node: nodeImage, Java: javaImage}[r.Name]
	if image == nil {
		return r
	}
	if m := image.FindStringSubmatch(c.Image); m != nil {
		r.Version = m[1]
	}
	return r
}

// ofCommand recognises a runtime by the program that a command ends in: of the lines of a shell what the last exec puts in its place, or what comes last.
// What they start before may be of others. Where only its arguments are known, an image may take "node" for one of its own words, so that it must be
// given a file.
func ofCommand(list []string, whole bool) (r Runtime, before []string) {
	inShell, replaced := false, false
	for _, part := range parts.Split(strings.Join(list, " "), -1) {
		fields := strings.Fields(part)
		words, shell := program(fields, inShell)
		if inShell = inShell || shell; !inShell {
			return Runtime{Name: ofProgram(words, whole)}, nil
		}
		puts := slices.ContainsFunc(fields[:len(fields)-len(words)], isExec)
		if len(words) == 0 || slices.Contains(builtins, words[0]) || replaced && !puts {
			continue
		}
		if r.Name != "" {
			before = append(before, r.Name)
		}
		replaced, r.Name = puts, ofProgram(words, whole)
	}
	return r, before
}

// isExec tells whether a word of a line puts what follows in the place of the shell.
func isExec(word string) bool { return strings.Trim(word, "\"'(){}") == "exec" }

// ofProgram recognises a runtime by a program with its arguments.
func ofProgram(words []string, whole bool) string {
	if len(words) == 0 {
		return ""
	}
	name := path.Base(words[0])
	file := slices.ContainsFunc(words, nodeFile.MatchString)
	script := !slices.Contains(words, "--daemon") && (slices.Contains(words, "start") || slices.Contains(words, "run"))
	switch {
	case name == "java":
		return Java
	case !slices.Contains(nodeTools, name) || !whole && !file:
		return ""
	case name == "yarn" && !file && !script: // Hadoop has a program of that name
		return ""
	case name == "npm" && !file && !script && !slices.Contains(words, "…"): // which a node's agent puts in place of arguments
		return ""
	}
	return Node
}

// program leaves out what only starts another program, with its options where there is a starter already, and tells whether a shell does.
func program(words []string, started bool) (rest []string, shell bool) {
	for len(words) > 0 {
		word := strings.Trim(words[0], "\"'(){}")
		name, skip := path.Base(word), 1
		switch {
		case slices.Contains(shells, name):
			started, shell = true, true
		case slices.Contains(starters, name):
			started = true
		case slices.Contains(asUsers, name):
			started, skip = true, 2
		case strings.HasSuffix(name, ".sh"): // its options are its own
			started, skip = false, slices.Index(words, "--")+1
		case started && valued.MatchString(word) && len(words) > 1 && !strings.HasPrefix(words[1], "-"):
			skip = 2
		case !started || !noProgram.MatchString(word):
			return append([]string{word}, words[1:]...), shell
		}
		words = words[min(max(skip, 1), len(words)):]
	}
	return nil, shell
}

// tasks are how the kernel calls the processes of runtimes.
var tasks = map[string]string{"java": Java, "node": Node}

// task finds the process that the kernel killed.
var task = regex.New(`\btask=(\S+)`)

// The forms of logs that one runtime alone writes, each at the beginning of a line, behind the runtime's time stamp at most: what a program
// passes on of others is behind words of its own.
var logForms = []struct {
	name string
	form *regex.Expr
}{
	{Go, regex.New(`(?m)^(?:\d{4}-\d\d-\d\dT\S+ )?goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[[a-z]`)},
	{Node, regex.New(`(?m)^(?:\d{4}-\d\d-\d\dT\S+ )?(?:FATAL ERROR: .*(?:JavaScript heap out of memory|Reached heap limit)|Node\.js v(\d+\.\d+\.\d+)$)`)},
	{Java, regex.New(`(?m)^(?:\d{4}-\d\d-\d\dT\S+ )?(?:Exception in thread "[^"\n]+" [\w.$]+|\tat [\w.$/@]+\([\w$]+\.(?:java|kt|scala):\d+\))`)},
}

// springs is how a program of Spring Boot says which Java it has.
var springs = regex.New(`: Starting \S+ (?:v\S+ )?using Java (\d[\w.]*) `)

// ofLog recognises a runtime by what it writes when a program ends; none where that is of two.
func ofLog(text string) (r Runtime) {
	for _, f := range logForms {
		m := f.form.FindAllStringSubmatch(text, 50)
		if m == nil {
			continue
		}
		if r.Name != "" {
			return Runtime{}
		}
		r = Runtime{Name: f.name, By: "its log"}
		for _, groups := range m {
			if len(groups) > 1 && groups[1] != "" {
				r.Version = groups[1]
			}
		}
	}
	if m := springs.FindStringSubmatch(text); m != nil && (r.Name == "" || r.Name == Java) {
		r = Runtime{Java, m[1], "its log"}
	}
	return r
}

// What says of a runtime which process there was, whatever a line of a shell starts.
const (
	byProcess = "its process, as the agent of its node knows it"
	byKilled  = "the process that the kernel killed"
)

// ofProcess is the name of the fact by which a node's agent tells what a container runs.
const ofProcess = "command"

// runtimeOf recognises the runtime of a container of a pod by what its node and its log tell.
func runtimeOf(s *evidence.Snapshot, of evidence.Ref) (r Runtime) {
	for _, f := range s.FactsOn(of, func(f *evidence.Fact) bool { return f.Name == ofProcess && f.About.InAttempt(evidence.NoAttempt) == of }) {
		said, _ := ofCommand(strings.Fields(f.Text), true)
		said.By = byProcess
		if said.Name != "" {
			r = r.Or(said)
		}
	}
	for _, f := range s.FactsOn(of, func(f *evidence.Fact) bool {
		return f.Name == "oom-kill" && f.About.InAttempt(evidence.NoAttempt) == of
	}) {
		if m := task.FindStringSubmatch(f.Text); m != nil && tasks[m[1]] != "" {
			r = r.Or(Runtime{Name: tasks[m[1]], By: byKilled})
		}
	}
	for _, run := range s.Attempts(of) {
		r = r.Or(ofLog(run.Log.Text))
	}
	return r
}
