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
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
)

// What is kept of a log, of whatever size it is.
const (
	maxLine     = 32 << 20 // bytes of an event: a list in its answer can be as large as that
	mostUsers   = 20_000
	mostAsked   = 300_000 // different requests of all users
	longest     = 4 << 10 // bytes of what a request is about, and of the name of a user or a group
	mostNames   = 500     // names of one verb on one resource in one namespace of one user, beside those that roles name
	mostGroups  = 100     // of one user
	mostOpen    = 200_000 // watches under way
	mostPassing = 50_000  // namespaces that come and go
	brokenNamed = 3       // lines that could not be read and are named
)

// manyNames stands for those that were not kept.
const manyNames = "*"

// A Use is how often one request was made.
type Use struct {
	Asked   int // and not refused
	Refused int // by an authorizer
	Dry     int // of Asked, as a dry run
	Open    int // in reviews of which the log does not have the answer
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
	Reviews  int      // SubjectAccessReviews that do not say whom and what they ask about
	Missed   int      // requests that were not kept, as there are too many different ones, or users

	Keep    map[string]bool // names that roles name: they are all kept
	Passing map[string]bool // namespaces that were made or removed meanwhile
	Users   map[string]*Activity

	kept     int // of different requests
	nameless int // requests that were kept without their name
	loose    int // memberships of groups that were not kept
	moved    int // namespaces that came or went and were not kept
	twice    int // watches that may have been counted twice
	seed     maphash.Seed
	open     map[uint64]struct{} // requests whose begin has been counted
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

// The levels and the stages of what is logged (apiserver pkg/apis/audit/v1).
var (
	levels = []string{"Metadata", "Request", "RequestResponse"}
	stages = []string{received, started, "ResponseComplete", "Panic"}
)

const (
	received = "RequestReceived"
	started  = "ResponseStarted"
)

func (e *event) valid() bool {
	return slices.Contains(stages, e.Stage) && slices.Contains(levels, e.Level) && !e.at().IsZero() &&
		e.Verb != "" && e.User.Username != "" && len(e.RequestURI) > 0 && e.RequestURI[0] == '/'
}

func (e *event) at() time.Time {
	if e.StageTimestamp.IsZero() {
		return e.RequestReceivedTimestamp
	}
	return e.StageTimestamp
}

// event counts an event. A request has several, one a stage: it is counted with the first one that tells what was decided.
func (l *Log) event(e *event) {
	l.Events++
	l.Levels[e.Level]++
	l.Stages[e.Stage]++
	at := e.at()
	if l.From.IsZero() || at.Before(l.From) {
		l.From = at
	}
	if at.After(l.To) {
		l.To = at
	}
	if e.Stage == received || l.counted(e) {
		return
	}
	l.Requests++
	l.passing(e)
	all, mute := e.askings()
	for _, a := range all {
		l.add(a, at)
	}
	if mute {
		l.Reviews++
	}
}

// counted tells whether an earlier stage of the request was counted.
func (l *Log) counted(e *event) bool {
	id := maphash.String(l.seed, e.AuditID)
	if _, again := l.open[id]; again {
		if e.Stage != started {
			delete(l.open, id)
		}
		return true
	}
	switch {
	case e.Stage != started:
	case len(l.open) < mostOpen:
		l.open[id] = struct{}{}
	default:
		l.twice++
	}
	return false
}

// passing keeps the namespaces that come and go.
func (l *Log) passing(e *event) {
	o := e.ObjectRef
	switch {
	case o.Resource != "namespaces" || e.Verb != "create" && e.Verb != "delete" || l.Passing[o.Name]:
	case len(l.Passing) < mostPassing && len(o.Name) <= longest:
		l.Passing[o.Name] = true
	default:
		l.moved++
	}
}

func (l *Log) add(a asking, at time.Time) {
	act := l.Users[a.user]
	if act == nil {
		if len(l.Users) >= mostUsers || len(a.user) > longest {
			l.Missed++
			return
		}
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
		switch {
		case slices.Contains(act.Groups, g):
		case len(act.Groups) < mostGroups && len(g) <= longest:
			act.Groups = append(act.Groups, g)
		default:
			l.loose++
		}
	}
	use := l.use(act, a.request)
	switch {
	case use == nil:
		l.Missed++
	case a.open:
		use.Open++
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
	of := r
	of.Name = ""
	counts := r.Name != "" && !l.Keep[r.Name]
	if counts && act.names[of] >= mostNames {
		l.nameless++
		r.Name, counts = manyNames, false
		if use := act.Uses[r]; use != nil {
			return use
		}
	}
	if l.kept >= mostAsked || r.length() > longest {
		return nil
	}
	if r, of = r.clone(), of.clone(); counts {
		act.names[of]++
	}
	l.kept++
	use := &Use{}
	act.Uses[r] = use
	return use
}

func (r Request) length() int {
	return len(r.Verb) + len(r.Group) + len(r.Resource) + len(r.Namespace) + len(r.Name) + len(r.Path)
}

// clone keeps nothing of the event that a request was read from.
func (r Request) clone() Request {
	for _, word := range []*string{&r.Verb, &r.Group, &r.Resource, &r.Namespace, &r.Name, &r.Path} {
		*word = strings.Clone(*word)
	}
	return r
}

// Overflows says what the log has beyond what is kept of any, each with what follows.
func (l *Log) Overflows() (all []string) {
	for _, o := range []struct {
		n    int
		text string
	}{
		{l.Missed, fmt.Sprintf("requests were not kept, as they are of more than %d users, more than %d different ones, or longer than %d bytes, so that no right can be called unused: read fewer files", mostUsers, mostAsked, longest)},
		{l.nameless, fmt.Sprintf("requests were kept without their names, as one user asked for more than %d: no role is narrowed to them", mostNames)},
		{l.loose, fmt.Sprintf("memberships of groups were not kept, as one user has more than %d: what they are granted is missing below", mostGroups)},
		{l.moved, fmt.Sprintf("namespaces that came or went were not kept, as there are more than %d: a Role may be proposed for one of them", mostPassing)},
		{l.twice, fmt.Sprintf("watches may have been counted twice, as more than %d are under way at once", mostOpen)},
	} {
		if o.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", o.n, o.text))
		}
	}
	return all
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
		sum.Asked, sum.Refused, sum.Dry, sum.Open = sum.Asked+use.Asked, sum.Refused+use.Refused, sum.Dry+use.Dry, sum.Open+use.Open
	}
}
