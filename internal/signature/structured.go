// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// An entry is what a structured line, JSON or logfmt, says about itself. All values are as written: quoted. More is what
// a message says by which its fields go on, as MongoDB's "WiredTiger error message" does in attr.message.
type entry struct{ level, msg, more, err, stack, at string }

// roles maps the names that loggers give to fields to what the field means. Sources: zap, logrus, zerolog, slog,
// pino, bunyan, winston, structlog, python-json-logger, Logback and Log4j 2 layouts, ECS, GCP, MongoDB, tracing, Serilog,
// Monolog, OpenTelemetry. Capitals do not count.
var roles = map[string]func(*entry) *string{
	"level": levelField, "severity": levelField, "lvl": levelField, "loglevel": levelField, "log.level": levelField,
	"levelname": levelField, "level_name": levelField, "@l": levelField, "severitytext": levelField, "@level": levelField, "severity_text": levelField, "s": levelField,
	"@m": msgField, "@mt": msgField, "body": msgField,
	"msg": msgField, "message": msgField, "@message": msgField, "event": msgField, "text": msgField, "textpayload": msgField, "short_message": msgField,
	"@x":  errField,
	"err": errField, "error": errField, "errmsg": errField, "error.message": errField, "exception": errField, "error_message": errField,
	"exception.message": errField, "cause": errField, "reason": errField, "error_str": errField, "errormessage": errField,
	"errormsg": errField, "error_msg": errField, "err_msg": errField, "error.msg": errField, "err.message": errField, "err.msg": errField,
	"stack": stackField, "stacktrace": stackField, "extendedstacktrace": stackField, "stack_trace": stackField, "error.stack_trace": stackField,
	"error.stack": stackField, "exception.stacktrace": stackField, "exc_info": stackField, "traceback": stackField,
	"err.stack": stackField, "errorverbose": stackField, "errorstack": stackField, "error_stack": stackField,
	"@t":   timeField,
	"time": timeField, "ts": timeField, "timestamp": timeField, "@timestamp": timeField, "t": timeField, "asctime": timeField, "$date": timeField,
}

// nested are the fields whose objects hold more fields: the error of pino, the log of ECS, the fields of tracing, what
// was thrown for Log4j, the context of Monolog, winston's meta. Of these, faults are errors, causes what errors came from,
// and asides say nothing of the line but an error.
var (
	nested = set("error err errors exception log fields attr t thrown context causedby cause message msg meta extra properties jsonpayload")
	faults = set("error err errors exception thrown causedby cause")
	causes = set("causedby cause")
	asides = set("context meta extra properties")
)

// deepest is how many objects within each other are looked into.
const deepest = 4

func levelField(e *entry) *string { return &e.level }
func msgField(e *entry) *string   { return &e.msg }
func errField(e *entry) *string   { return &e.err }
func stackField(e *entry) *string { return &e.stack }
func timeField(e *entry) *string  { return &e.at }

// structured reads a JSON or logfmt line.
func structured(body string) (entry, bool) {
	var e entry
	if strings.HasPrefix(body, "{") {
		jsonFields(body, func(key, raw string) { e.take(key, raw, 0) })
		if e.msg == "" {
			e.msg, e.more = e.more, ""
		}
		for _, s := range []string{e.err, e.msg, e.more} {
			if e.stack == "" && strings.Contains(s, `\n`) {
				e.stack = s
			}
		}
		return e, e.level != "" || e.msg != ""
	}
	if strings.Contains(body, "level=") || strings.Contains(body, "lvl=") || strings.Contains(body, "severity=") {
		logfmtFields(body, func(key, raw string) { e.take(key, raw, 1) })
		return e, severity(e.level) != unknown
	}
	return e, false
}

// take keeps a field if it means something and is the first of its meaning.
func (e *entry) take(key, raw string, depth int) {
	key = strings.ToLower(key)
	if inner := strings.TrimLeft(strings.TrimPrefix(raw, "["), " \t"); inner != raw && strings.HasPrefix(inner, "{") {
		raw = inner // the first of several errors
	}
	if strings.HasPrefix(raw, "{") && nested[key] && depth < deepest {
		inner := entry{}
		jsonFields(raw, func(k, v string) { inner.take(k, v, depth+1) })
		e.adopt(key, inner)
		return
	}
	role, ok := roles[key]
	if !ok || key == "s" && len(unquote(raw)) != 1 {
		return
	}
	field := role(e)
	if strings.HasPrefix(raw, "[") {
		if field != &e.stack {
			return
		}
		raw = joined(raw)
	}
	if *field == "" || key == "msg" || key == "message" || key == "level_name" || field == &e.err && isNumber(*field) {
		*field = raw
	}
}

// joined makes one string, as written, of an array of strings: the lines of a stack.
func joined(raw string) string {
	var b strings.Builder
	for i := strings.IndexByte(raw, '"'); i >= 0; i = strings.IndexByte(raw, '"') {
		s := quoted(raw[i:])
		if b.Len() > 0 {
			b.WriteString(`\n`)
		}
		b.WriteString(strings.Trim(s, `"`))
		raw = raw[i+len(s):]
	}
	return `"` + b.String() + `"`
}

// isNumber says whether an error is told by its number alone, which any words tell better.
func isNumber(raw string) bool {
	_, err := strconv.ParseFloat(unquote(raw), 64)
	return err == nil
}

// adopt takes over what an object in a field says: the message of an error is not the message of the line.
func (e *entry) adopt(key string, inner entry) {
	switch {
	case causes[key]:
		e.err = first(first(inner.err, inner.msg), e.err)
		return
	case faults[key]:
		inner.err, inner.msg, inner.level = first(inner.err, inner.msg), "", ""
	case asides[key]:
		inner.msg, inner.more, inner.level = "", "", ""
	case key != "message" && key != "msg":
		inner.msg, inner.more = "", first(inner.msg, inner.more)
	}
	if isNumber(e.err) {
		e.err = first(inner.err, e.err)
	}
	e.level, e.msg, e.more = first(e.level, inner.level), first(e.msg, inner.msg), first(e.more, inner.more)
	e.err = first(e.err, inner.err)
	e.stack, e.at = first(e.stack, inner.stack), first(e.at, inner.at)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// severity is the level of the line. A line without one is a failure when it carries an error.
func (e *entry) severity() level {
	if lv := severity(e.level); lv != unknown {
		return lv
	}
	if e.errText() != "" {
		return failure
	}
	return complaint(e.text())
}

// severity reads a level by name or number: 10 to 60 as pino and bunyan count, 0 to 7 as syslog does, 100 to 600 as
// Monolog does.
func severity(raw string) level {
	s := unquote(raw)
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		if lv := oneLetter[s]; lv != unknown {
			return lv
		}
		if s, _, _ = strings.Cut(s, " "); s == "" {
			return unknown
		}
		return levelNamed(s)
	case n >= 100:
		return severity(strconv.Itoa(n/100*10 + 10))
	case n >= 60, n >= 0 && n < 3:
		return fatal
	case n >= 50, n == 3:
		return failure
	case n >= 40, n == 4:
		return warning
	}
	return info
}

// oneLetter are the levels of MongoDB.
var oneLetter = map[string]level{"D": info, "I": info, "W": warning, "E": failure, "F": fatal}

// errText is the error that the line carries, "" when it says that there is none.
func (e *entry) errText() string {
	s, _, _ := strings.Cut(unquote(e.err), "\n")
	if begins(s, "Traceback (most recent", "[object] ") { // Monolog's is an object in a string
		return ""
	}
	switch strings.ToLower(s) {
	case "null", "nil", "<nil>", "none", "false", "true", "0", "{}":
		return ""
	}
	return s
}

// text is the line in one: the message, what its fields add and the error, unless one says the other.
func (e *entry) text() string {
	more, err := unquote(e.more), e.errText()
	if more != "" && isNumber(e.err) {
		err = ""
	}
	return united(united(unquote(e.msg), more), err)
}

func united(msg, err string) string {
	switch {
	case err == "" || strings.Contains(msg, err):
		return msg
	case msg == "" || strings.HasPrefix(err, msg):
		return err
	}
	return msg + ": " + err
}

// time is when the line says it was written: a stamp, or seconds, milliseconds or nanoseconds since 1970.
func (e *entry) time() time.Time {
	s := unquote(e.at)
	if at, n := stampAt(s); n > 0 {
		return at
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 1e9 || f > 4e18 {
		return time.Time{}
	}
	for f >= 1e10 {
		f /= 1e3
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e6)*1e3).UTC()
}

// unquote gives the value of a JSON or logfmt field. A string that was cut short keeps what there is of it.
func unquote(raw string) string {
	if len(raw) == 0 || raw[0] != '"' {
		return raw
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) == nil {
		return s
	}
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\"`, `"`, `\\`, `\`).Replace(strings.Trim(raw, `"`))
}

// jsonFields calls f with the fields of the object at the start of s. It takes what it can get from a broken one.
func jsonFields(s string, f func(key, raw string)) {
	s = s[1:]
	for {
		i := strings.IndexAny(s, `"}`)
		if i < 0 || s[i] == '}' {
			return
		}
		key := quoted(s[i:])
		s = strings.TrimLeft(s[i+len(key):], " \t")
		if !strings.HasPrefix(s, ":") {
			return
		}
		s = strings.TrimLeft(s[1:], " \t")
		n := valueLen(s)
		f(strings.Trim(key, `"`), strings.TrimRight(s[:n], " \t"))
		s = s[n:]
	}
}

// quoted is the string in quotation marks at the start of s, or all of s when it does not end.
func quoted(s string) string {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1]
		}
	}
	return s
}

// valueLen is the length of the JSON value at the start of s.
func valueLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i += len(quoted(s[i:])) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// logfmtFields calls f with the key=value pairs of a line; words without a value are passed over.
func logfmtFields(s string, f func(key, raw string)) {
	for s != "" {
		s = strings.TrimLeft(s, " \t")
		i := strings.IndexAny(s, "= \t")
		if i < 0 {
			return
		}
		key, rest := s[:i], s[i+1:]
		if s[i] != '=' {
			s = rest
			continue
		}
		raw := rest
		if strings.HasPrefix(rest, `"`) {
			raw = quoted(rest)
		} else if end := strings.IndexAny(rest, " \t"); end >= 0 {
			raw = rest[:end]
		}
		f(key, raw)
		s = rest[len(raw):]
	}
}
