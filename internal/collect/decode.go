// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

const (
	// maxDocumentBytes bounds one document. etcd takes requests up to 1.5 MiB (its --max-request-bytes); as YAML
	// the same object is larger.
	maxDocumentBytes = 4 << 20
	// maxDocumentMarks bounds the commas, colons, brackets, question marks and newlines of a document. Every value
	// needs at least one and costs about 400 bytes while it is decoded, which comes to 100 MiB. An object of 1.5 MiB
	// has fewer than 200,000, even when all of it is a dashboard in a ConfigMap.
	maxDocumentMarks = 250_000
	// maxNesting bounds how deep a document goes. The deepest honest ones, OpenAPI schemas in custom resource
	// definitions, stay below 60.
	maxNesting = 100
)

// DecodeYAML decodes one document, YAML or JSON, into the value that into points to, by its json tags and with case
// distinguished. Whole numbers in an untyped target become int64. Aliases are refused: no API server writes them, and
// a few of them unfold into any amount of memory. So are documents beyond 4 MiB, 250,000 values or 100 levels.
func DecodeYAML(doc []byte, into any) error {
	if len(doc) > maxDocumentBytes {
		return fmt.Errorf("document of %d bytes, more than the %d that are read", len(doc), maxDocumentBytes)
	}
	if n := countMarks(doc); n > maxDocumentMarks {
		return fmt.Errorf("document of about %d values, more than the %d that are read", n, maxDocumentMarks)
	}
	if !json.Valid(doc) {
		if err := refuseAliases(doc); err != nil {
			return err
		}
		var err error
		if doc, err = yaml.YAMLToJSON(doc); err != nil {
			return oneLine(err)
		}
	}
	if jsonDepth(doc) > maxNesting {
		return fmt.Errorf("document more than %d levels deep", maxNesting)
	}
	return oneLine(utiljson.Unmarshal(doc, into))
}

// countMarks counts the bytes without which no value can follow another.
func countMarks(doc []byte) int {
	n := 0
	for _, c := range doc {
		switch c {
		case ',', ':', '[', '{', '?', '\n', '\r':
			n++
		}
	}
	return n
}

// refuseAliases reports an error for a document in which an alias repeats an anchor. It parses only documents that
// hold "&x" and later "*x" for some x, which text in a block may do as well, and never unfolds anything.
func refuseAliases(doc []byte) error {
	if !mayAlias(doc) {
		return nil
	}
	var top yamlv3.Node
	if err := yamlv3.Unmarshal(doc, &top); err != nil {
		return oneLine(err)
	}
	for queue := []*yamlv3.Node{&top}; len(queue) > 0; {
		n := queue[len(queue)-1]
		if n.Kind == yamlv3.AliasNode {
			return fmt.Errorf("line %d: YAML alias *%.40q; write the value out", n.Line, n.Value)
		}
		queue = append(queue[:len(queue)-1], n.Content...)
	}
	return nil
}

// mayAlias says whether the text holds "&x" and later "*x".
func mayAlias(doc []byte) bool {
	anchors := make(map[string]bool)
	for {
		i := bytes.IndexAny(doc, "&*")
		if i < 0 {
			return false
		}
		mark := doc[i]
		doc = doc[i+1:]
		end := bytes.IndexFunc(doc, func(r rune) bool { return !isAnchorRune(r) })
		if end < 0 {
			end = len(doc)
		}
		name := string(doc[:end])
		switch {
		case mark == '&' && name != "":
			anchors[name] = true
		case anchors[name]:
			return true
		}
	}
}

func isAnchorRune(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// jsonDepth returns how deeply arrays and objects nest in valid JSON.
func jsonDepth(doc []byte) int {
	deepest, now := 0, 0
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		case '"':
			for i++; i < len(doc) && doc[i] != '"'; i++ {
				if doc[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}

// oneLine keeps an error of the YAML parser, which may list several, on one line.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
