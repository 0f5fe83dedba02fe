package apidoc

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/request"
)

// door adds what gateways ask. OpenAPI has no operation for any method: GET
// stands for all.
func (d *builder) door(tag string, door *gateway.Description) {
	o := &huma.Operation{
		Method: http.MethodGet, Path: door.Path, OperationID: door.Name, Tags: []string{tag},
		Summary: door.Summary, Description: door.Doc, Responses: map[string]*huma.Response{},
	}
	take := func(in string, fields []gateway.Field) {
		for _, f := range fields {
			s := &huma.Schema{Type: huma.TypeString}
			if f.Many {
				s = &huma.Schema{Type: huma.TypeArray, Items: s}
			}
			o.Parameters = append(o.Parameters, &huma.Param{Name: f.Name, In: in, Description: f.Doc, Schema: s})
		}
	}
	take("query", door.Query)
	take("header", door.Takes)
	for _, a := range door.Answers {
		r := &huma.Response{Description: http.StatusText(a.Status), Headers: map[string]*huma.Param{}}
		for _, f := range a.Gives {
			r.Headers[f.Name] = d.header(f)
		}
		if len(a.Codes) > 0 {
			var words []string
			for _, code := range a.Codes {
				words = append(words, string(code))
			}
			r.Description = "`" + strings.Join(words, "`, `") + "`"
			body := d.schemas.of(reflect.TypeOf(enveloped.Refusal("", &halberd.Error{})))
			r.Content = map[string]*huma.MediaType{request.JSON: {Schema: body}}
		}
		o.Responses[strconv.Itoa(a.Status)] = r
	}
	d.doc.AddOperation(o)
}

// header refers to a header of answers; the doors share them.
func (d *builder) header(f gateway.Field) *huma.Param {
	name := f.Name
	if !f.Always {
		name += ".sometimes"
	}
	s := &huma.Schema{Type: huma.TypeString}
	if f.Name == "Retry-After" {
		s.Type = huma.TypeInteger
	}
	d.headers[name] = &huma.Param{Description: f.Doc, Required: f.Always, Schema: s}
	return &huma.Param{Ref: "#/components/headers/" + name}
}
