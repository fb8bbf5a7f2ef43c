// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"
)

// givesAway tells whether a value holds a secret that anybody can read, by its name and by what it looks like.
func givesAway(name, value string) bool {
	after := value
	if redactNamed(name, &after) == 0 {
		return false
	}
	name += argBreak
	return len(openIn(name+value, name+after)) > 0
}

// inText tells whether a variable or a file holds one: its value by its name, or, where the value is a script or another text, something
// in that. A value that is made from variables is none.
func inText(name, value string) bool {
	after := value
	if strings.HasPrefix(value, "#!") {
		name = ""
	}
	if redactNamed(name, &after) == 0 {
		return false
	}
	if after == masked && classify(name) != ordinary {
		return !expands(value) && !strings.Contains(value, "{{")
	}
	return len(openIn(value, after)) > 0
}

// openWords returns the places of those words of a command line that hold one.
func openWords(words []string) []int {
	after := slices.Clone(words)
	if redactArgs(after) == 0 {
		return nil
	}
	text := strings.Join(words, argBreak)
	var list []int
	place, at := 0, 0
	for _, from := range openIn(text, strings.Join(after, argBreak)) {
		place += strings.Count(text[at:from], argBreak)
		list, at = append(list, place), from
	}
	return slices.Compact(list)
}

// openIn returns where secrets begin in a text of which it is known what masking makes of it. Masking is on the safe side: it takes what a
// shell puts in the place of a secret, and what names a Secret, for one, and a finding must not.
func openIn(text, after string) []int {
	var list []int
	at := 0
	pieces := strings.Split(after, masked)
	for i, piece := range pieces {
		if i > 0 {
			length := strings.Index(text[at:], piece)
			if i == len(pieces)-1 {
				length = len(text) - at - len(piece)
			}
			if length < 0 {
				break
			}
			if length > 0 && !standsFor(nameOfValue(text[:at]), text[at:at+length]) && !isDefined(text, at, length) {
				list = append(list, at)
			}
			at += length
		}
		at += len(piece)
	}
	return list
}

// nameOfValue returns the name that a text ends with before a value: "--token=", "token: '".
func nameOfValue(text string) string {
	text = text[max(0, len(text)-2*maxName):]
	text = strings.TrimRight(text, " \t\r\n=:\"'`\\["+argBreak)
	return text[strings.LastIndexFunc(text, func(c rune) bool { return c > 0x7f || !isNameByte(byte(c)) })+1:]
}

// definers are the words that a line begins with in which a script gives something a name.
var definers = wordSet("def function func import from let var const local read for export declare with async")

// isDefined tells whether what was masked, without quotes, is a name that the text itself gives to something, as pw in password=pw, or a
// field or a call of such: args.password, token().
func isDefined(text string, at, length int) bool {
	name := text[at : at+length]
	name = name[:len(name)-len(strings.TrimLeft(name, letters+"_0123456789"))]
	rest := text[at+len(name) : at+length]
	if name == "" || isDigit(name[0]) || at > 0 && (text[at-1] == '"' || text[at-1] == '\'') || rest != "" && strings.IndexByte(".([", rest[0]) < 0 {
		return false
	}
	if name == "self" || name == "this" {
		return rest != ""
	}
	for line := range strings.Lines(text) {
		if defines(line, name) {
			return true
		}
	}
	return false
}

// defines tells whether a line of a script gives a name to something.
func defines(line, name string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	for from := 0; ; {
		i := strings.Index(line[from:], name)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(name)
		from = end
		if start > 0 && isNameByte(line[start-1]) || end < len(line) && isNameByte(line[end]) && line[end] != '.' {
			continue
		}
		if definers[first] && !strings.HasSuffix(strings.TrimRight(line[:start], " "), "=") || assigned(line[end:]) {
			return true
		}
	}
}

// assigned tells whether a name is given a value by what comes after it.
func assigned(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	rest = strings.TrimPrefix(rest, ":")
	return strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "==") || strings.HasPrefix(rest, "() {") || strings.HasPrefix(rest, "(){")
}

// secretsOf are words before "secret" with which it is no name of an object: client-secret.
var secretsOf = wordSet("api app client consumer cookie hmac jwt oauth session shared")

// files are the ends of the names of files in which secrets lie.
var files = []string{".key", ".pem", ".crt", ".pub", ".json", ".yaml", ".yml", ".txt", ".env"}

// standsFor tells whether what was masked only says where a secret comes from: a variable, the output of a command, a template, the file
// that it lies in, which curl and others write as @FILE, the name of a Secret. The token of a cluster of etcd is its name.
func standsFor(name, value string) bool {
	if expands(value) || isMetavar(value) || strings.Contains(value, "{{") || strings.Contains(value, "`") || value[0] == '@' || strings.HasPrefix(value, "%s") {
		return true
	}
	if len(value) > maxLook || strings.Trim(value, pathBytes) != "" {
		return false
	}
	name = string(splitName(name, nil))
	if strings.Contains(value, "/") || strings.HasSuffix(name, "initial_cluster_token") || slices.ContainsFunc(files, func(end string) bool { return strings.HasSuffix(value, end) }) {
		return true
	}
	rest, isSecret := strings.CutSuffix(name, "secret")
	rest = strings.TrimSuffix(rest, "_")
	return isSecret && !secretsOf[rest[strings.LastIndexByte(rest, '_')+1:]]
}

// expands tells whether a shell or Kubernetes puts something into a value: $NAME, $1, ${NAME}, $(NAME), %NAME%. The hash of a password has
// such marks too.
func expands(value string) bool {
	if len(value) >= 28 && value[0] == '$' && strings.Count(value, "$") > 2 && strings.IndexByte("256ay1s", value[1]) >= 0 {
		return false
	}
	if value[0] == '$' && strings.Trim(value[1:], "0123456789") == "" {
		return true
	}
	if name, ok := between(value, "%", "%"); ok && strings.Trim(name, nameBytes) == "" {
		return true
	}
	for i := 0; i+1 < len(value); i++ {
		switch next := value[i+1]; {
		case value[i] != '$':
		case next == '$':
			i++
		case isLetter(next), next == '_', next == '{', next == '(':
			return true
		}
	}
	return false
}
