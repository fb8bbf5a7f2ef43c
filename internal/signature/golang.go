// SPDX-License-Identifier: Apache-2.0

package signature

import "strings"

// ahead is how many lines a form looks ahead for what proves it.
const ahead = 40

// goBelongs takes the lines of a Go crash. Before the first goroutine the message of the panic may have any lines.
func goBelongs(c *candidate, lines []line, i int) bool {
	l := &lines[i]
	switch {
	case goroutine(l.body):
		return true
	case begins(l.body, "\t", "panic: ", "panic(", "fatal error: ", "[signal ", "[originating from ", "created by ", "runtime: ", "runtime stack:",
		"exit status ", "...additional frames elided", "...", "PC=", "SIGQUIT: ", "SIGABRT: "):
		return true
	case goCall(l.body), register(l.body):
		return true
	}
	return !l.labelled() && i-c.first() < ahead/2 && i == c.last()+1 && goroutineWithin(lines, i)
}

func goroutine(body string) bool {
	return strings.HasPrefix(body, "goroutine ") && strings.HasSuffix(body, "]:")
}

// goroutineWithin says whether the lines from i on lead to the first goroutine of a crash.
func goroutineWithin(lines []line, i int) bool {
	for j := i; j < min(len(lines), i+ahead); j++ {
		if goroutine(lines[j].body) {
			return true
		}
		if lines[j].stamped || lines[j].used {
			return false
		}
	}
	return false
}

// goEntry says whether two lines are one frame. The stacks that loggers print have no arguments after the function.
func goEntry(call, file string) bool {
	return strings.HasPrefix(file, "\t") && strings.Contains(file, ".go:") && strings.IndexByte(call, '.') > 0 &&
		(goCall(call) || !strings.ContainsAny(call, " \t:"))
}

// goCall says whether a line is the call in a Go frame: main.(*Server).handle(0xc000010000, {0x1, 0x2}).
func goCall(body string) bool {
	open := strings.IndexByte(body, '(')
	if open <= 0 || !strings.HasSuffix(body, ")") {
		return strings.HasSuffix(body, ".main") || strings.HasSuffix(body, ".goexit")
	}
	return strings.IndexByte(body[:open], '.') > 0 && strings.IndexByte(body[:open], ' ') < 0
}

// register says whether a line is part of the register dump that follows a fatal signal: "rax    0x0".
func register(body string) bool {
	name, rest, _ := strings.Cut(body, " ")
	return len(name) <= 6 && strings.HasPrefix(strings.TrimLeft(rest, " "), "0x")
}

func goFatalBegins(lines []line, i int) bool {
	if !begins(lines[i].body, "fatal error: ", "SIGQUIT: quit", "SIGABRT: abort", "runtime: ") {
		return false
	}
	for j := i; j < min(len(lines), i+ahead); j++ {
		if goroutine(lines[j].body) || lines[j].body == "runtime stack:" {
			return true
		}
	}
	return begins(lines[i].body, "fatal error: all goroutines are asleep", "fatal error: concurrent map", "fatal error: stack overflow", "fatal error: runtime: ")
}

// goFatal moves the headline from the remarks of the runtime, "runtime: …", to the error itself.
func goFatal(c *candidate, lines []line) {
	for _, i := range c.own[:min(len(c.own), ahead)] {
		if strings.HasPrefix(lines[i].body, "fatal error: ") {
			c.head = i
			return
		}
	}
}

// standard are the first path elements of Go's standard library.
var standard = set(`archive bufio bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt
	go hash html image index io iter log maps math mime net os path plugin reflect regexp runtime slices sort strconv strings
	structs sync syscall testing text time unicode unique unsafe vendor weak panic internal`)

// goFrame is the first frame of the first goroutine outside the standard library and, if there is one, outside other
// modules too.
func goFrame(lines []string) string {
	library := ""
	lines = firstStack(lines)
	for i := 0; i+1 < len(lines); i++ {
		call, file := lines[i], lines[i+1]
		if !goEntry(call, file) || standardCall(call) {
			continue
		}
		file, _, _ = strings.Cut(strings.TrimSpace(file), " +0x")
		frame := goName(call) + " (" + file + ")"
		if !hasAny(file, []string{"@v", "/vendor/", "/go/src/"}) {
			return frame
		}
		library = first(library, frame)
	}
	return library
}

// firstStack cuts out the stack of the first goroutine. What is above a call of panic ran in deferred functions.
func firstStack(lines []string) []string {
	from, seen := 0, false
	for i, s := range lines {
		switch {
		case strings.HasPrefix(s, "panic("):
			from = i
		case strings.HasPrefix(s, "created by "), goroutine(s) && seen:
			return lines[from:i]
		}
		seen = seen || goroutine(s)
	}
	return lines[from:]
}

func standardCall(call string) bool {
	path, _, _ := strings.Cut(call, "(")
	elem, _, nested := strings.Cut(path, "/")
	if !nested {
		elem, _, _ = strings.Cut(path, ".")
	}
	return standard[elem]
}

// goName removes the arguments of a call.
func goName(call string) string {
	if i := strings.LastIndexByte(call, '('); i > 0 {
		return call[:i]
	}
	return call
}
