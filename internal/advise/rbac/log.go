// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
)

// What is kept of a log, of whatever size it is.
const (
	maxLine     = 32 << 20 // bytes of an event: a list in its answer can be as large as that
	mostAsked   = 300_000  // different requests of all users
	mostNames   = 500      // names of one verb on one resource in one namespace of one user, beside those that roles name
	mostGroups  = 100      // of one user
	mostOpen    = 200_000  // watches under way
	mostPassing = 50_000   // namespaces that come and go
	brokenNamed = 3        // lines that could not be read and are named
)

// manyNames stands for those that were not kept.
const manyNames = "*"

// A Use is how often one request was made.
type Use struct {
	Asked   int // and not refused
	Refused int // by an authorizer
	Dry     int // of Asked, as a dry run
}

// An Activity is what one user did.
type Activity struct {
	Groups      []string
	First, Last time.Time
	Uses        map[Request]*Use
	names       map[Request]int
}

// A Log is what audit logs tell, added up. Its zero value is ready for use.
type Log struct {
	From, To time.Time
	Events   int            // that were read, each stage of a request being one
	Requests int            // that were answered, or that go on
	Levels   map[string]int // events by the level of the policy
	Stages   map[string]int
	Broken   int      // lines that are no events
	Examples []string // of them, by file and line
	Missed   int      // requests that were not kept, as there are too many different ones
	Reviews  int      // SubjectAccessReviews that do not say whom and what they ask about

	Keep    map[string]bool // names that roles name: they are all kept
	Passing map[string]bool // namespaces that were made or removed meanwhile
	Users   map[string]*Activity

	kept int // of different requests
	seed maphash.Seed
	open map[uint64]struct{} // requests whose begin has been counted
}

// Read adds a file, which may be packed by gzip. A line that is no event is counted, and no error.
func (l *Log) Read(name string, r io.Reader) error {
	l.begin()
	in := bufio.NewReaderSize(r, 1<<20)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("read audit log %s: %w", name, err)
		}
		in = bufio.NewReaderSize(unpacked, 1<<20)
	}
	var long []byte
	for number := 1; ; number++ {
		line, whole, err := readLine(in, &long)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return fmt.Errorf("read audit log %s, line %d: %w", name, number, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if why := l.line(line, whole); why != "" {
				l.broken(fmt.Sprintf("%s line %d: %s", name, number, why))
			}
		}
		if end {
			return nil
		}
	}
}

func (l *Log) begin() {
	if l.Users == nil {
		l.Users, l.Levels, l.Stages = map[string]*Activity{}, map[string]int{}, map[string]int{}
		l.open, l.seed, l.Passing = map[uint64]struct{}{}, maphash.MakeSeed(), map[string]bool{}
	}
}

func (l *Log) broken(text string) {
	l.Broken++
	if len(l.Examples) < brokenNamed {
		l.Examples = append(l.Examples, text)
	}
}

// readLine returns a line, valid until the next one is read; of one that is too long its begin.
func readLine(in *bufio.Reader, long *[]byte) (line []byte, whole bool, err error) {
	line, err = in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, true, err
	}
	*long, whole = append((*long)[:0], line...), true
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = in.ReadSlice('\n')
		if whole = whole && len(*long)+len(line) <= maxLine; whole {
			*long = append(*long, line...)
		}
	}
	return *long, whole, err
}

// line adds one event or a list of them, and says what is wrong with it.
func (l *Log) line(line []byte, whole bool) string {
	if !whole {
		return fmt.Sprintf("longer than %d bytes", maxLine)
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return "cut off or no JSON"
	}
	switch {
	case e.Kind == "EventList":
		for _, item := range e.Items {
			var one event
			if json.Unmarshal(item, &one) != nil || !one.valid() {
				return "a list with an item that is no audit event"
			}
			l.event(&one)
		}
		return ""
	case !e.valid():
		return "no audit event (audit.k8s.io/v1)"
	}
	l.event(&e)
	return ""
}

func (e *event) valid() bool {
	return e.Stage != "" && e.Level != "" && e.Verb != "" && e.User.Username != "" && len(e.RequestURI) > 0 && e.RequestURI[0] == '/'
}

// event counts an event. A request has several, one a stage: it is counted with the first one that tells what was decided.
func (l *Log) event(e *event) {
	l.Events++
	l.Levels[e.Level]++
	l.Stages[e.Stage]++
	at := e.StageTimestamp
	if at.IsZero() {
		at = e.RequestReceivedTimestamp
	}
	if l.From.IsZero() || at.Before(l.From) {
		l.From = at
	}
	if at.After(l.To) {
		l.To = at
	}
	if e.Stage == "RequestReceived" {
		return
	}
	id := maphash.String(l.seed, e.AuditID)
	if _, again := l.open[id]; again {
		if e.Stage != "ResponseStarted" {
			delete(l.open, id)
		}
		return
	}
	if e.Stage == "ResponseStarted" && len(l.open) < mostOpen {
		l.open[id] = struct{}{}
	}
	l.Requests++
	if o := e.ObjectRef; o.Resource == "namespaces" && (e.Verb == "create" || e.Verb == "delete") && len(l.Passing) < mostPassing {
		l.Passing[o.Name] = true
	}
	for _, a := range e.askings() {
		l.add(a, at)
	}
	if (e.ObjectRef.Resource == "subjectaccessreviews" || e.ObjectRef.Resource == "localsubjectaccessreviews") && len(e.RequestObject) == 0 {
		l.Reviews++
	}
}

func (l *Log) add(a asking, at time.Time) {
	act := l.Users[a.user]
	if act == nil {
		act = &Activity{First: at, Last: at, Uses: map[Request]*Use{}, names: map[Request]int{}}
		l.Users[a.user] = act
	}
	if at.Before(act.First) {
		act.First = at
	}
	if at.After(act.Last) {
		act.Last = at
	}
	for _, g := range a.groups {
		if len(act.Groups) < mostGroups && !slices.Contains(act.Groups, g) {
			act.Groups = append(act.Groups, g)
		}
	}
	use := l.use(act, a.request)
	switch {
	case use == nil:
		l.Missed++
	case a.refused:
		use.Refused++
	default:
		use.Asked++
		if a.dryRun {
			use.Dry++
		}
	}
}

// use returns where a request is counted, or nil when there is no room.
func (l *Log) use(act *Activity, r Request) *Use {
	if use := act.Uses[r]; use != nil {
		return use
	}
	if r.Name != "" && !l.Keep[r.Name] {
		of := r
		of.Name = ""
		if act.names[of]++; act.names[of] > mostNames {
			r.Name = manyNames
			if use := act.Uses[r]; use != nil {
				return use
			}
		}
	}
	if l.kept >= mostAsked {
		return nil
	}
	l.kept++
	use := &Use{}
	act.Uses[r] = use
	return use
}

// Of returns what the members of a subject did: one user, or all whom the log has in a group.
func (l *Log) Of(s Subject) *Activity {
	if s.Kind != rbacv1.GroupKind {
		return l.Users[s.User()]
	}
	var all *Activity
	for _, user := range slices.Sorted(maps.Keys(l.Users)) {
		act := l.Users[user]
		if !slices.Contains(act.Groups, s.Name) {
			continue
		}
		if all == nil {
			all = &Activity{Groups: []string{s.Name}, First: act.First, Last: act.Last, Uses: map[Request]*Use{}}
		}
		all.join(act)
	}
	return all
}

func (a *Activity) join(other *Activity) {
	if other.First.Before(a.First) {
		a.First = other.First
	}
	if other.Last.After(a.Last) {
		a.Last = other.Last
	}
	for r, use := range other.Uses {
		sum := a.Uses[r]
		if sum == nil {
			sum = &Use{}
			a.Uses[r] = sum
		}
		sum.Asked, sum.Refused, sum.Dry = sum.Asked+use.Asked, sum.Refused+use.Refused, sum.Dry+use.Dry
	}
}
