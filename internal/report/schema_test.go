// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

const schemaFile = "../../docs/schema/report.v1alpha1.json"

// schema is the JSON Schema of what JSON and YAML write, made from the types and their comments.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{ExpandedStruct: false}
	if err := r.AddGoComments("github.com/kubeinquest/inquest/internal/report", ".", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	delete(r.CommentMap, "")
	s := r.Reflect(&List{})
	s.ID = "https://kubeinquest.io/schema/report.v1alpha1.json"
	s.Title = "Report"
	s.Description = "What inquest why writes with -o json and -o yaml: a Report, or a ReportList for several questions."
	s.Ref = ""
	s.OneOf = []*jsonschema.Schema{{Ref: "#/$defs/Report"}, {Ref: "#/$defs/List"}}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSchemaIsCurrent fails when the types have changed and the schema has not: go generate writes it.
func TestSchemaIsCurrent(t *testing.T) { current(t, schemaFile, string(schema(t))) }

func TestOutputIsValid(t *testing.T) {
	raw, err := validator.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("report.json", raw); err != nil {
		t.Fatal(err)
	}
	valid, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, reports := range map[string][]Report{
		"fleet": {New(fleet())}, "quiet": {New(quiet())}, "list": {New(quiet()), New(fleet())}, "none": {}, "hostile": {hostile()},
	} {
		js, err := JSON(reports)
		if err != nil {
			t.Fatal(err)
		}
		ym, err := YAML(reports)
		if err != nil {
			t.Fatal(err)
		}
		fromYAML, err := yaml.YAMLToJSON(ym)
		if err != nil {
			t.Fatalf("%s as YAML: %v", name, err)
		}
		for form, data := range map[string][]byte{"JSON": js, "YAML": fromYAML} {
			v, err := validator.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Errorf("%s as %s: %v", name, form, err)
			}
			if err := valid.Validate(v); err != nil {
				t.Errorf("%s as %s: %v", name, form, err)
			}
		}
	}
	if err := valid.Validate(map[string]any{"kind": "Report"}); err == nil {
		t.Error("the schema takes a report without anything in it")
	}
}
