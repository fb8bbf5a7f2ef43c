// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// A class is what an end is, as far as its status and the process' last words tell. This is the one place that decides
// which rule of the family speaks about a process that ended by its own doing: each rule asks for the class of the end
// and is silent unless it is its own. The general rules, an error and a completion, have the class that is left.
type class uint8

const (
	other    class = iota // not by its own doing: ordered, killed, unseen, or its command could not be run
	erred                 // with an error that has no remedy of its own
	finished              // without an error
	panicked
	leaseLost
	reloaded
	forbidden
	watchesOut
	filesOut
	threadsOut
	portTaken
	fileDenied
	settingMissing
	configBroken
	argumentsWrong
	threw
	childEnded
	faulted
)

// An end is one ended attempt with what its process said last.
type end struct {
	evidence.Attempt
	block  signature.Block // of its log, else of its termination message
	inLog  bool
	said   string // the line that tells the class, else the headline
	last   string // the last line of the log
	lastAt time.Time
	spec   corev1.Container
	names  []string
	class  class
	sent   evidence.Fact // the signal that ended it, as a node's agent traced it; no Name: not known
}

// endOf reads the end that the pass looks at.
func endOf(p *diagnosis.Pass) end { return diagnosis.Memo(p, "exit", func() end { return readEnd(p) }) }

func readEnd(p *diagnosis.Pass) end {
	e := end{Attempt: p.Attempt(), spec: *specOf(p)}
	e.lastAt, e.last = lastLine(p.Log().Text)
	if e.block, e.inLog = signature.Find(p.Log().Text); !e.inLog {
		e.block, _ = signature.Find(e.Message)
	}
	e.said = e.block.Headline
	_, ordered := p.Order()
	_, lost := lostWithSandbox(p, e.Attempt)
	e.sent = sentBy(p, e.Attempt)
	switch {
	case ordered || lost || e.sent.Name != "" && e.sent.Name != byKernel || madeUp(e.Attempt) || e.Reason == "OOMKilled" && !byItself(e.Attempt) || notRun(e.Attempt, e.block, e.inLog):
		return e
	case isGoPanic(e.Attempt, e.block):
		e.class = panicked
	case e.ExitCode == 0:
		e.class = finished
		if c := e.recognise(); slices.Contains(quiet, c) {
			e.class = c
		}
	case (e.ExitCode == 137 || byItself(e.Attempt)) && e.childDied(): // with SIGTERM, process 1 was ended, and its children by it
		e.class = childEnded
	case byItself(e.Attempt):
		e.class = erred
		if c := e.recognise(); c != other {
			e.class = c
		} else if signals[e.ExitCode].name != "" {
			e.class = faulted
		}
	}
	return e
}

// worded finds the class of one line.
func (e *end) worded(line string) class {
	low := strings.ToLower(line)
	for i, w := range wordings {
		if (w.exit == 0 || w.exit == e.ExitCode) && signature.MayMatch(needed()[i], low) && w.says.MatchString(low) && (w.not == nil || !w.not.MatchString(low)) {
			return w.class
		}
	}
	missing, named := e.lacks(line)
	if missing {
		return settingMissing
	}
	if data := unparsed.MatchString(low) && !strings.Contains(low, "tcp://"); named || data { // which Kubernetes sets for each Service
		return other
	}
	var known []class
	for _, h := range signature.Hits(line) {
		known = append(known, problems[h.Signature.Problem])
	}
	return cmp.Or(known...)
}

// unparsed are the words for a value that is no number, or no JSON at all but, as a rule, a page: as often of the data that a
// program reads, or of an answer that it gets, as of its configuration.
var unparsed = regex.New(`invalid literal for int|numberformatexception|strconv\.\w+: parsing|for input string|expecting value: line 1 column 1 |unexpected token '?<|invalid character '<'`)

// problems are the classes of what the catalogue of signatures knows, by problem. Left out are those that are of several
// classes here: a permission or a read-only state may be a server's.
var problems = map[string]class{
	"config": configBroken, "missing-env": settingMissing, "port-in-use": portTaken,
	"limits-inotify": watchesOut, "limits-threads": threadsOut, "leader-election": leaseLost,
}

// quiet are the classes of ends that programs are known to bring about with exit code 0.
var quiet = []class{leaseLost, reloaded, settingMissing, configBroken}

// recognise finds the class of the process' last words: of the headline, else of another line of the block that is no
// stack frame.
func (e *end) recognise() class {
	if e.block.Headline == "" && restarting.MatchString(strings.ToLower(e.last)) { // no trouble, so no block
		e.said = e.last
		return reloaded
	}
	for _, line := range append([]string{e.block.Headline}, e.block.Lines...) {
		frame := strings.TrimLeft(line, " \t") != line
		if c := e.worded(line); c != other && !frame {
			e.said = line
			return c
		}
	}
	e.said = e.block.Headline
	abort := e.block.Kind == signature.NodeError && signals[e.ExitCode].name != "" // of V8, not of a program in it
	if len(signature.Dependencies(e.block)) == 0 && exceptions[e.block.Kind] != "" && !abort {
		return threw
	}
	return other
}

// lastLine returns the last line of a log that is not empty, without the runtime's time stamp, and its time.
func lastLine(log string) (time.Time, string) {
	log = strings.TrimRight(log, " \r\n")
	return signature.Parse(log[strings.LastIndexByte(log, '\n')+1:])
}

// A wording is how programs and their libraries say one thing, in lower case.
type wording struct {
	class class
	says  *regex.Expr
	not   *regex.Expr // of another matter in the same words
	exit  int         // only with this exit code; 0: any
}

// needed are the literals without which a wording says nothing.
var needed = signature.LiteralsOf(len(wordings), func(i int) fmt.Stringer { return wordings[i].says })

// wordings in the order in which they count. The words are those of strerror(3), of Go, Java, Node.js, Python, client-go
// and of common servers; which class comes first matters where one line has the words of two: "too many open files" of an
// inotify watch is about watches.
var wordings = []wording{
	{class: leaseLost, says: regex.New(`leader ?election lost|lost leader ?election|lost (?:the )?(?:leadership|leader lock|leader lease|lease\b)|leadership (?:was )?lost|failed to (?:renew|update) (?:lease|lock)|error retrieving resource lock|no longer (?:the )?leader|stopped leading|leader lease expired`)},
	{class: reloaded, says: restarting},
	{class: forbidden, says: regex.New(`is forbidden: user "`)},
	{class: watchesOut, says: regex.New(`inotify.{0,80}(?:no space left|too many open files|limit|emfile|enospc)|(?:fsnotify|file watch\w*|filewatcher|watcher)\b.{0,80}(?:too many open files|no space left)|enospc: system limit for number of file watchers|user limit.{0,30}on inotify|max_user_(?:watches|instances)`)},
	{class: filesOut, says: regex.New(`too many open files|\bemfile\b|\benfile\b|file table overflow|no file descriptors available`)},
	{class: threadsOut, says: regex.New(`unable to create (?:new )?native thread|pthread_create.{0,40}fail|can't start new thread|failed to create (?:new os )?thread|newosproc|can(?:no|')t fork|(?:fork|clone|spawn|thread|exec).{0,80}(?:resource temporarily unavailable|eagain|errno ?= ?11)|resource temporarily unavailable.{0,40}(?:fork|thread|process)`)},
	{class: portTaken, says: regex.New(`address (?:is )?already in use|eaddrinuse|port \S+ (?:is|was) already (?:in use|allocated|bound|taken)|only one usage of each socket address|errno 98\b|could not bind.{0,60}in use`)},
	{class: fileDenied, says: regex.New(`read-only file ?system|\berofs\b|readonlyfilesystem|permission ?denied|permissionerror|\beacces\b|file\.accessdeniedexception|operation not permitted|\beperm\b|(?:run|running|execution|started|execute\w*)\b.{0,40}\bas (?:the )?(?:user )?["']?root|"root" execution|data directory .{0,80} has (?:wrong ownership|invalid permissions)|not owned by`), not: regex.New(`permission denied (?:for (?:table|schema|relation|database|sequence|function|view)|on resource|\()|rpc error|statuscode|permissiondenied: 403|is not authorized to|missing or insufficient permissions`)},
	{class: configBroken, says: regex.New(`yaml: (?:line|unmarshal|control|unknown)|(?:pars\w+|read\w*|load\w*|decod\w+|unmarshal\w*|process\w*|open\w*|invalid|bad|malformed|illegal|find|missing)\b.{0,60}\bconfig|\bconfig\w*\b.{0,80}(?:\bpars\w+|invalid|malformed|not valid|syntax|unexpected|no such file|not found|cannot be (?:found|read)|does not exist|missing|unknown (?:field|key|directive))|unexpected token .{0,40}json|jsondecodeerror|parsererror|scannererror|parsingerror|tomldecodeerror|toml: |invalid character .{0,40} looking for|mapping values are not allowed|did not find expected|unknown directive|unexpected "[;}]"|\[emerg\]|fatal config file error|unknown (?:configuration )?variable|unrecognized configuration parameter|invalid value for (?:parameter|option|property)|could not parse .{0,60}\.(?:ya?ml|json|toml|ini|conf|properties|xml)`), not: regex.New(`refused|timed out|timeout|no such host|ssl|x509|host not found|expecting value: line 1 column 1 |unexpected token '?<|invalid character '<'`)},
	{class: configBroken, says: regex.New(`(?:enoent|no such file or directory|filenotfound\w*|nosuchfileexception).{0,200}/(?:etc|config\w*|conf|secrets?|certs?|tls|var/run|opt|app|data|mnt|run)\b|/(?:etc|config\w*|conf|secrets?|certs?|tls|opt|mnt|run)/\S+.{0,40}(?:no such file|does not exist|not found)`), not: regex.New(`\.sock\b|exec|interpreter`)},
	{class: argumentsWrong, says: regex.New(`flag provided but not defined|(?:unknown|unrecognized|unrecognised|invalid|illegal|unexpected|bad) (?:shorthand )?(?:flag|option|argument|switch|subcommand)s?\b|unknown command "?\S+"? for|following arguments are required|flag needs an argument|option requires an argument|required flag\(s\)|no such option|unknown long option`)},
	{class: argumentsWrong, says: regex.New(`^\s*usage: `), exit: 2},
}

var restarting = regex.New(`(?:config\w*|settings?|certificates?|secret|file)\b.{0,60}\b(?:changed|modified|updated|rotated)\b.{0,60}\b(?:restart|exit|shut|terminat|quit)|chang\w*\b.{0,40}\b(?:config\w*|certificate|secret)\b.{0,60}\b(?:restart|exit|shut|terminat)|(?:restarting|exiting|shutting down|terminating)\b.{0,40}\b(?:to (?:pick up|reload|apply|load)|due to|because)\b.{0,40}\b(?:config|settings|certificate|change)`)
