// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write openapi.json")

type object = map[string]any

// pathParameter matches what an address is filled in with.
var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// about says what the parameters of addresses are.
var about = map[string]string{
	"id": "of the incident, death or rule, as lists give it", "name": "of the node", "state": "all, open, quiet or closed",
	"q": "words that all occur in names, causes or evidence; the last may be the beginning of one", "rule": "the id of a rule", "node": "the name of a node", "namespace": "the name of a namespace",
	"image": "the image of a container, as its status has it", "since": "how long ago at most: 15m, 1h, 6h, 24h, 7d, 30d", "from": "not before: RFC 3339, or how long ago, as 2h or 7d", "to": "before: likewise",
	"after": "where the page before ended: follow next", "span": "how much time is shown", "page": "which page of the list, from 1: follow next",
}

// document is the description of the API, made from the types of the pages and their comments.
func document(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{Namer: func(of reflect.Type) string {
		if path.Base(of.PkgPath()) == "report" {
			return "Report" + of.Name()
		}
		return of.Name()
	}}
	for _, dir := range []string{"web", "report"} {
		err := r.AddGoComments("github.com/kubeinquest/inquest/internal/"+dir, map[string]string{"web": ".", "report": "../report"}[dir], jsonschema.WithFullComment())
		if err != nil {
			t.Fatal(err)
		}
	}
	schemas, paths := object{}, object{}
	define := func(value any) object {
		s := r.Reflect(value)
		for name, d := range s.Definitions {
			schemas[name] = d
		}
		return object{"$ref": "#/components/schemas/" + reflect.TypeOf(value).Name()}
	}
	define(Failure{})
	for _, route := range (&Console{}).routes() {
		address := strings.TrimSuffix(route.path, "{$}")
		responses := failures()
		responses["200"] = object{"description": route.name, "content": object{
			"application/json": object{"schema": define(route.value)}, "text/html": object{"schema": object{"type": "string"}},
		}}
		paths[address] = object{"get": object{
			"summary": reflect.TypeOf(route.value).Name(), "description": r.CommentMap["github.com/kubeinquest/inquest/internal/web."+reflect.TypeOf(route.value).Name()],
			"parameters": parameters(address, append([]string{"format"}, route.query...)), "responses": responses,
		}}
	}
	archives(paths)
	plain(paths)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(object{
		"openapi": "3.1.0", "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": object{
			"title": "Inquest console", "version": "v1alpha1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Every page of the console is JSON as well: ask for it with Accept: application/json, or with format=json. Within a version fields are added, never renamed or removed. What the caller may not see is not in an answer.",
		},
		"security": []object{{"session": []string{}}, {"token": []string{}}},
		"paths":    paths,
		"components": object{"schemas": schemas, "securitySchemes": object{
			"session": object{"type": "apiKey", "in": "cookie", "name": cookie, "description": "as /login sets it: by TLS there is __Host- before its name, and on a laptop something behind it"},
			"token":   object{"type": "http", "scheme": "bearer", "description": "the caller's Kubernetes token, where the console runs in a cluster"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("#/$defs/"), []byte("#/components/schemas/"))
}

// archives adds what is served as files.
func archives(paths object) {
	zip := object{"application/zip": object{"schema": object{"type": "string", "format": "binary"}}}
	csv := object{"text/csv": object{"schema": object{"type": "string"}}}
	for address, what := range map[string]string{
		"/incidents.csv": "what the list of incidents shows, a thousand at most, for spreadsheets", "/incidents/{id}/deaths.csv": "the latest deaths of an incident, for spreadsheets",
		"/incidents/{id}/bundle.zip": "the evidence of the deaths of an incident as one bundle, as inquest why --from reads it", "/deaths/{id}/bundle.zip": "the evidence of a death, as inquest why --from reads it",
	} {
		responses := failures()
		responses["200"] = object{"description": what, "content": zip}
		var query []string
		if strings.HasSuffix(address, ".csv") {
			responses["200"] = object{"description": what, "content": csv}
		}
		if address == "/incidents.csv" {
			query = []string{"state", "q", "namespace", "rule", "node", "image", "since", "from", "to", "after"}
		}
		paths[address] = object{"get": object{"summary": what, "parameters": parameters(address, query), "responses": responses}}
	}
}

func parameters(address string, query []string) []object {
	all := []object{}
	for _, m := range pathParameter.FindAllStringSubmatch(address, -1) {
		all = append(all, object{"name": m[1], "in": "path", "required": true, "description": about[m[1]], "schema": object{"type": "string"}})
	}
	for _, name := range query {
		schema := object{"type": "string"}
		if name == "format" {
			schema["enum"] = []string{"json"}
		}
		all = append(all, object{"name": name, "in": "query", "description": about[name], "schema": schema})
	}
	return all
}

func failures() object {
	all := object{}
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusServiceUnavailable, http.StatusInternalServerError} {
		all[fmt.Sprint(status)] = object{"description": http.StatusText(status), "content": object{
			"application/json": object{"schema": object{"$ref": "#/components/schemas/Failure"}},
		}}
	}
	return all
}

// plain adds what is neither a page nor an archive.
func plain(paths object) {
	answer := func(what, kind string) object {
		return object{"summary": what, "responses": object{"200": object{"description": what, "content": object{kind: object{"schema": object{"type": "string"}}}}}}
	}
	paths["/live"] = object{"get": answer("a stream of events: change when there is something new to ask for", "text/event-stream")}
	paths["/healthz"] = object{"get": answer("ok as long as the server answers", "text/plain")}
	paths["/static/{file}"] = object{"get": answer("what pages use", "text/plain")}
	paths["/api/openapi.json"] = object{"get": answer("this document", "application/json")}
	in := object{"summary": "let a browser in", "responses": object{"303": object{"description": "to the first page"}, "401": object{"description": "not let in"}}}
	paths["/login"] = object{"get": in, "post": in}
	paths["/static/{file}"].(object)["get"].(object)["parameters"] = parameters("/static/{file}", nil)
}

// TestOpenAPIIsCurrent fails when types or routes have changed and the description has not: go generate writes it.
func TestOpenAPIIsCurrent(t *testing.T) {
	want := document(t)
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.json is not what the types say: run go generate ./internal/web")
	}
}

// TestOpenAPIIsComplete finds each route in the description, and nothing else.
func TestOpenAPIIsComplete(t *testing.T) {
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(document(t), &doc); err != nil {
		t.Fatal(err)
	}
	var told, served []string
	for address, methods := range doc.Paths {
		for method := range methods {
			told = append(told, strings.ToUpper(method)+" "+address)
		}
	}
	for pattern := range (&Console{}).handlers() {
		if pattern != "/" { // says that there is nothing
			served = append(served, strings.Replace(strings.TrimSuffix(pattern, "{$}"), "/static/", "/static/{file}", 1))
		}
	}
	slices.Sort(told)
	slices.Sort(served)
	if !slices.Equal(told, served) {
		t.Errorf("described are %q, served %q", told, served)
	}
}

// described compiles a part of the description.
func described(t *testing.T, name string) *validator.Schema {
	t.Helper()
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validAnswer checks what an address tells in JSON.
func validAnswer(t *testing.T, h http.Handler, schema *validator.Schema, address string, want int) {
	t.Helper()
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	code, body, _ := get(t, h, "*", address+sep+"format=json")
	answer, err := validator.UnmarshalJSON(strings.NewReader(body))
	if err != nil || code != want {
		t.Fatalf("%s: %d, %v", address, code, err)
	}
	if err := schema.Validate(answer); err != nil {
		t.Errorf("%s: %v", address, err)
	}
}

// TestAnswersAreValid checks what every page answers as JSON against the description.
func TestAnswersAreValid(t *testing.T) {
	h, addresses := recorded(t)
	for _, route := range (&Console{}).routes() {
		schema := described(t, reflect.TypeOf(route.value).Name())
		pattern := regexp.MustCompile("^" + pathParameter.ReplaceAllString(strings.TrimSuffix(route.path, "{$}"), `[^/]+`) + `(\?.*)?$`)
		of := keep(addresses, pattern.MatchString)
		if len(of) == 0 {
			t.Errorf("nothing leads to %s", route.path)
		}
		for _, address := range of {
			validAnswer(t, h, schema, address, http.StatusOK)
		}
	}
	if described(t, "Now").Validate(map[string]any{"open": "many"}) == nil {
		t.Error("anything is valid")
	}
}

// TestFailures: what cannot be answered says why, as described.
func TestFailures(t *testing.T) {
	h := console(t)
	failure := described(t, "Failure")
	for address, want := range map[string]int{
		"/incidents/none": http.StatusNotFound, "/incidents?state=odd": http.StatusBadRequest, "/incidents?after=!": http.StatusBadRequest,
		"/incidents?from=yesterday": http.StatusBadRequest, "/workloads?span=1y": http.StatusBadRequest, "/deaths/x": http.StatusNotFound,
		"/nowhere": http.StatusNotFound, "/search?q=" + strings.Repeat("x", mostText+1): http.StatusBadRequest, "/incidents/x?span=never": http.StatusBadRequest,
		"/nodes/none": http.StatusNotFound, "/rules/NONE": http.StatusNotFound,
	} {
		validAnswer(t, h, failure, address, want)
	}
}
