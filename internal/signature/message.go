// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// suspicious says whether a line may be the reason by itself. A warning is none unless it speaks of trouble.
func (l *line) suspicious() bool {
	return !l.usage && (l.level > warning || l.level == warning && complaint(l.body) != unknown)
}

// message returns the block of a line that carries a level, or speaks of trouble, with the lines that hang under it.
func message(active []*form, lines []line, i int) candidate {
	l := &lines[i]
	c := candidate{kind: Message, level: l.level, own: []int{i}, head: i}
	if l.level <= doubt {
		c.kind = Tail
	}
	next := i + 1
	switch {
	case next == len(lines):
	case l.level >= claim && pythonBegins(lines, next):
		c.takeTraceback(lines, next)
	case strings.HasPrefix(l.body, "Task exception ") && next+1 < len(lines) && pythonBegins(lines, next+1):
		c.takeTraceback(lines, next+1)
	case l.level >= claim && frameWithin(lines, next, 0), exceptionHead(l.body) > 0 && frameWithin(lines, next, maxForeign):
		c.grow(lines, atBelongs)
		stackKind(&c, lines)
	case goroutine(lines[next].body):
		c.grow(lines, goBelongs)
	default:
		for next < len(lines) && len(c.own) < maxLines && c.hangs(lines, next) && beginning(active, lines, next) == nil {
			c.own = append(c.own, next)
			next++
		}
		c.takeCauses(lines, next)
	}
	if l.level == claim && c.kind == Message && shellError(l.body) {
		c.kind = Shell
	}
	return c
}

// takeTraceback adds the traceback that begins at line i: the line before announced it.
func (c *candidate) takeTraceback(lines []line, i int) {
	t := candidate{own: []int{i}, head: i}
	t.grow(lines, pythonBelongs)
	pythonHead(&t, lines)
	c.kind, c.own, c.head = PythonTraceback, append(c.own, t.own...), t.head
}

// takeCauses adds the list with which Rust's anyhow and eyre end an error: "Caused by:" and indented lines.
func (c *candidate) takeCauses(lines []line, i int) {
	if i+1 < len(lines) && lines[i].blank() && lines[i+1].body == "Caused by:" {
		for i++; i < len(lines) && len(c.own) < maxLines && (lines[i].body == "Caused by:" || lines[i].indented()); i++ {
			c.own = append(c.own, i)
		}
	}
}

// hangs says whether line i continues the message. A program that stamps its lines does not stamp the further lines
// of a message.
func (c *candidate) hangs(lines []line, i int) bool {
	l, head := &lines[i], &lines[c.head]
	switch {
	case l.used || l.blank():
		return false
	case l.level == detail:
		return true
	case l.stamped:
		return false
	case l.indented() || begins(l.body, "Caused by: ", "** (", "}"):
		return true
	case i+1 < len(lines) && goEntry(l.body, lines[i+1].body):
		return true
	}
	if strings.HasSuffix(lines[i-1].body, ":") && !l.labelled() {
		return true
	}
	return head.stamped && head.labelled() && i-c.head <= ahead/4 && (l.level == unknown || l.level == doubt)
}

// describe writes the headline and the location of a candidate.
func (c *candidate) describe(lines []line, b *Block) {
	bodies := make([]string, len(c.own))
	for k, i := range c.own {
		bodies[k] = lines[i].body
	}
	b.Headline = strings.TrimSpace(lines[c.head].body)
	switch c.kind {
	case GoPanic, GoFatal:
		b.Headline, _, _ = strings.Cut(b.Headline, " [recovered") // what is nested below was raised again
		b.Location = goFrame(bodies)
	case PythonTraceback:
		b.Headline = pythonHeadline(c, lines)
		b.Location = pythonFrame(bodies)
	case JavaException:
		b.Location = javaFrame(bodies)
	case NodeError:
		b.Headline = strings.TrimSuffix(strings.TrimPrefix(b.Headline, "[cause]: "), " {")
		if _, reason, ok := strings.Cut(b.Headline, "was not handled with .catch(). "); ok {
			b.Headline = strings.TrimSuffix(reason, "]")
		}
		b.Location = nodeFrame(bodies)
	case DotNet:
		b.Headline = strings.TrimPrefix(b.Headline, "---> ")
		b.Location = dotNetFrame(bodies)
	case Ruby:
		if m := rubyRaised.FindStringSubmatch(b.Headline); m != nil {
			b.Headline = m[3] + " (" + m[4] + ")"
		}
		b.Location = rubyFrame(bodies)
	case Rust:
		if m := rustOld.FindStringSubmatch(b.Headline); m != nil {
			b.Headline = m[1]
		}
		b.Location = rustFrame(bodies)
	case PHP:
		b.Headline = b.Headline[max(0, strings.Index(b.Headline, "PHP Fatal error: ")):] // PHP-FPM tells what a worker said
		b.Location = phpFrame(bodies)
	case Sanitizer:
		b.Location = sanitizerFrame(bodies)
	case Abort:
		b.Headline += abortWhat(bodies)
	case Message, Tail, Shell:
		c.describeMessage(lines, b)
		b.Location = first(b.Location, goFrame(bodies))
	}
}

// describeMessage fills in what a log line says; a stack trace inside a structured line is read as if it stood alone.
func (c *candidate) describeMessage(lines []line, b *Block) {
	b.Headline = c.message(lines)
	for k, i := range c.own[:len(c.own)-1] {
		if lines[i].body == "Caused by:" && k > 0 {
			b.Headline += ": " + strings.TrimLeft(lines[c.last()].body, " 0123456789:")
		}
	}
	e, _ := structured(lines[c.head].body)
	if e.stack == "" {
		return
	}
	stack := unquote(e.stack)
	if inner, ok := reason(stack); ok && inner.Kind != Message && inner.Kind != Tail && inner.Kind != Shell {
		b.Kind, b.Location = inner.Kind, inner.Location
		if _, said, _ := strings.Cut(inner.Headline, ": "); said == "" || !strings.HasPrefix(e.errText(), said+": ") {
			b.Headline = inner.Headline // else the error has its cause in it already
		}
	} else {
		b.Location = goFrame(strings.Split(stack, "\n"))
	}
}

// message is what the line says, without the dress of its logger.
func (c *candidate) message(lines []line) string {
	if c.kind != Message && c.kind != Tail && c.kind != Shell {
		return lines[c.head].body
	}
	if e, ok := structured(lines[c.head].body); ok {
		return first(e.text(), lines[c.head].body)
	}
	return headline(lines, c)
}

var (
	nginxHead  = regex.New(`^\d+#\d+: (?:\*\d+ )?`)
	springName = regex.New(`^\d+ --- .*?\] \S+\s+: `)
	brackets   = regex.New(`^(?:\[[^\]]*\][ :]*)+`)
	loggerDash = regex.New(`^(?:\([^()]*\) )?(?:\[[^\]]*\] )?[\w.$:/-]+ - `)
	pythonName = regex.New(`^[\w.]+:`)
	netName    = regex.New(`^\S+\[\d+\]$`)
	jsonTail   = regex.New(`^(?:(\S+)\t)?(.*?)\s*(\{".*\})$`)
)

// headline is the message of a plain line: without its level, its logger's name and its place in the source.
func headline(lines []line, c *candidate) string {
	l := &lines[c.head]
	lv, rest := levelPrefix(l.body, l.stamped)
	if lv == unknown || rest == "" || l.level == doubt || l.level == claim {
		return strings.TrimSpace(l.body)
	}
	if exceptionHead(l.body) > 0 || begins(strings.ToLower(l.body[:min(len(l.body), 8)]), "error: ", "fatal: ") && !l.stamped {
		return strings.TrimSpace(l.body)
	}
	if netName.MatchString(rest) && len(c.own) > 1 { // .NET's console logger has the message on the next line
		return lines[c.own[1]].body
	}
	rest = strings.TrimLeft(brackets.ReplaceAllString(rest, ""), " ")
	if _, n := stampAt(rest); n > 0 { // Cassandra has the time behind the level
		rest = strings.TrimLeft(rest[n:], " ")
	}
	if name := pythonName.FindString(rest); name != "" && strings.Contains(clip(l.body, 80), ":"+name) {
		rest = rest[len(name):]
	}
	for _, r := range []*regex.Expr{nginxHead, springName, loggerDash} {
		if n := len(r.FindString(rest)); n < len(rest) {
			rest = rest[n:]
		}
	}
	if m := jsonTail.FindStringSubmatch(rest); m != nil { // zap's console encoder
		if e, _ := structured(m[3]); e.errText() != "" {
			e.msg = m[2]
			return e.text()
		}
	}
	rest, _, _ = strings.Cut(rest, ` {"exception":"[object]`) // Monolog
	return klogText(rest)
}

// klogText unites the quoted message and the error of klog's structured form: "Failed to run" err="refused".
func klogText(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	e := entry{msg: quoted(s)}
	logfmtFields(s[len(e.msg):], func(key, raw string) { e.take(key, raw, 1) })
	return e.text()
}
