// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// name is how a setting is spelled that programs take from their environment; fields are spelled in other ways too.
const (
	envName   = `[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+`
	anyName   = `[A-Za-z][\w.-]*`
	absent    = `(?:not (?:been )?(?:set|defined|found|provided|specified|configured)|unset|undefined|missing|empty|required|null or not set|mandatory|blank|(?:must|has to|needs? to|should) be (?:set|defined|provided|specified|configured|present))`
	isAbsent  = `["'\x60\]]?(?: environment| env)?(?: variable| var| setting)?,? (?:is |was |are |has |must not |must |cannot |can't |should |to )?(?:be |a )?`
	variables = `(?:[Ee]nvironment|[Ee]nv|ENV|ENVIRONMENT)[ _-]?(?:[Vv]ariables?|[Vv]ars?|VARIABLES?)?(?:\(s\))?`
)

// settings find the name of a setting that a line says is not there. The wordings are those of shells (parameter
// expansion), Python's os.environ, libraries that read the environment into a structure (envconfig and env for Go, pydantic,
// joi, Spring) and of images whose entrypoint asks for a password.
var settings = []*regex.Expr{
	regex.New(`KeyError: ['"](` + envName + `|[A-Z]{3,})['"]`),
	regex.New(`\b(` + anyName + `): (?:parameter not set|unbound variable|parameter null or not set)`),
	regex.New(`required key (` + anyName + `) missing value`),
	regex.New(`(?i:could not resolve placeholder) ['"]([^'"]+)['"]`),
	regex.New(variables + `:? ["'\x60\[]?(` + anyName + `)` + isAbsent + absent),
	regex.New(variables + isAbsent + absent + `:? ["'\x60\[]?(` + envName + `)`),
	regex.New(`(?i:missing|required|undefined|unset|no)(?: (?i:required|mandatory|necessary))? ` + variables + `:? ["'\x60\[]?(` + anyName + `)`),
	regex.New(`\b(` + envName + `)` + isAbsent + absent),
	regex.New(`(?i:missing|please set|must set|must specify|must provide|must define|need to set|set the|forgot to set|expected)(?: (?i:required|value for|the|a|` + variables + `))* ["'\x60]?(` + envName + `)\b`),
	regex.New(`["'](` + anyName + `)["'] is (?:a )?required`),
	regex.New(`validation errors? for \w+: (` + anyName + `): [Ff]ield required`),
	regex.New(`(?i:specify|specified).{0,60}\b(` + envName + `)\b`),
}

// lacks tells whether a line says that a setting is not there which the container's spec does not give a value of its
// own. One that the spec sets is not missing, whatever the program says, and then there is no more to say about the line;
// one that comes from elsewhere may be empty there.
func (e *end) lacks(line string) (missing, named bool) {
	for _, r := range settings {
		m := r.FindStringSubmatch(line)
		if m == nil || strings.Contains(m[1], "//") {
			continue
		}
		if slices.Contains(verbs, strings.ToLower(m[1])) {
			missing, named = true, true // which it does not name, or does so in another way
			continue
		}
		for _, v := range e.spec.Env {
			if v.Name == m[1] && v.Value != "" {
				return false, true
			}
		}
		e.names = []string{m[1]}
		return true, true
	}
	return missing, named
}

// verbs are what stands in the place of a name where a line says first that something is missing.
var verbs = []string{"is", "are", "was", "were", "has", "have", "not", "must", "needs", "should", "missing", "for", "in", "to", "which", "that", "and", "or"}
