package apidoc

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/plain"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/request"
)

const about = "Keys for APIs: issue, list, edit, rotate, revoke and check them.\n\n" +
	"`/v1` is the whole product. `/api/api-keys` is a second dialect of the same keys, for programs that speak it.\n\n" +
	"Send `X-Request-Id` to name a request; every answer repeats it or makes one. Unknown fields and parameters are refused."

// Document is the OpenAPI 3.1 document of all dialects and of the doors. It is the same bytes
// for the same tables.
func Document() []byte {
	d := builder{
		schemas:  newSchemas(),
		refusals: map[string]*huma.Response{},
		headers:  map[string]*huma.Param{},
		doc: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Halberd", Version: "1", Description: about,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Servers: []*huma.Server{{URL: "/"}},
			// Either header alone is enough.
			Security: []map[string][]string{{"bearer": {}}, {"apiKey": {}}},
			Tags: []*huma.Tag{
				{Name: "v1", Description: "The canonical dialect"},
				{Name: "api", Description: "The plain dialect"},
				{Name: "gateways", Description: "The doors that gateways ask"},
			},
		},
	}
	for _, op := range enveloped.Operations() {
		d.add("v1", &op, enveloped.Refusal)
	}
	for _, op := range plain.Operations() {
		d.add("api", &op, plain.Refusal)
	}
	for _, door := range gateway.Described() {
		d.door("gateways", &door)
	}
	d.doc.Components = &huma.Components{
		Schemas:   d.schemas.Registry,
		Responses: d.refusals,
		Headers:   d.headers,
		SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", Description: "Authorization: Bearer <key>"},
			"apiKey": {Type: "apiKey", In: "header", Name: "X-API-Key"},
		},
	}
	text, err := json.Marshal(d.doc)
	if err != nil {
		panic(err) // the tables are constant, and a test makes the document
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		panic(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

type builder struct {
	doc      *huma.OpenAPI
	schemas  *schemas
	refusals map[string]*huma.Response // by dialect and codes
	headers  map[string]*huma.Param    // of the doors' answers
}

type refusal func(requestID string, e *halberd.Error) any

func (d *builder) add(tag string, op *request.Operation, refuse refusal) {
	o := &huma.Operation{
		Method: op.Method, Path: op.Path, OperationID: op.Name, Tags: []string{tag},
		Summary: op.Summary, Description: op.Doc, Parameters: parameters(op), Responses: map[string]*huma.Response{},
	}
	if op.Body != nil {
		o.RequestBody = &huma.RequestBody{Required: !op.BodyOptional, Content: map[string]*huma.MediaType{}}
		for _, media := range op.Types() {
			o.RequestBody.Content[media] = &huma.MediaType{Schema: d.schemas.of(op.Body)}
		}
	}
	o.Responses[strconv.Itoa(op.Status)] = &huma.Response{
		Description: http.StatusText(op.Status),
		Headers:     headers(op.Status),
		Content:     map[string]*huma.MediaType{request.JSON: {Schema: d.schemas.of(op.Answer)}},
	}
	if !op.Free {
		limitHeaders(o.Responses[strconv.Itoa(op.Status)].Headers)
	}
	if enveloped.Waits(op) {
		accepted := *o.Responses[strconv.Itoa(op.Status)]
		accepted.Description = "Done, and asked for with `Prefer: respond-async`; it holds on every node at `meta.propagation.effective_by` at the latest"
		o.Responses[strconv.Itoa(http.StatusAccepted)] = &accepted
	}
	codes := map[int][]string{}
	for _, code := range op.Codes() {
		status := request.Status(code)
		codes[status] = append(codes[status], string(code))
	}
	for status, words := range codes {
		o.Responses[strconv.Itoa(status)] = d.refusal(tag, status, words, refuse)
	}
	d.doc.AddOperation(o)
}

// refusal refers to the answer with one of codes; operations share them.
func (d *builder) refusal(tag string, status int, codes []string, refuse refusal) *huma.Response {
	name := tag + "." + strings.Join(codes, ".")
	if d.refusals[name] == nil {
		body := d.schemas.of(reflect.TypeOf(refuse("", &halberd.Error{})))
		d.refusals[name] = &huma.Response{
			Description: "`" + strings.Join(codes, "`, `") + "`",
			Headers:     headers(status),
			Content:     map[string]*huma.MediaType{request.JSON: {Schema: body}},
		}
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func parameters(op *request.Operation) []*huma.Param {
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
	var out []*huma.Param
	for _, m := range inPath.FindAllStringSubmatch(op.Path, -1) {
		out = append(out, &huma.Param{Name: m[1], In: "path", Required: true, Schema: text()})
	}
	for _, p := range op.Query {
		s := text()
		switch {
		case p.Int:
			low, high := float64(p.Min), float64(p.Max)
			s = &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}
		case p.List:
			s.Pattern = "^(" + strings.Join(p.Enum, "|") + ")(,(" + strings.Join(p.Enum, "|") + "))*$"
		default:
			for _, e := range p.Enum {
				s.Enum = append(s.Enum, e)
			}
		}
		out = append(out, &huma.Param{Name: p.Name, In: "query", Description: p.Doc, Schema: s})
	}
	if enveloped.Waits(op) {
		out = append(out, &huma.Param{
			Name: "Prefer", In: "header", Schema: text(),
			Description: "`respond-async`, and perhaps `wait=5`: answer 202 where another node cannot be reached in that many seconds, instead of waiting for its lease to end.",
		})
	}
	if op.Idempotent {
		s := text()
		s.Pattern = `^[!-~]{1,255}$`
		out = append(out, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: s,
			Description: "A repetition with the same key and body within 24 hours does nothing twice; with another body it is IDEMPOTENCY_MISMATCH.",
		})
	}
	if op.Conditional {
		s := text()
		s.Pattern = `^("[1-9][0-9]*"|\*)$`
		out = append(out, &huma.Param{
			Name: "If-Match", In: "header", Schema: s,
			Description: "The version that was seen, in quotes. Another one by now is CONFLICT.",
		})
	}
	return out
}

func headers(status int) map[string]*huma.Param {
	out := map[string]*huma.Param{
		"X-Request-Id": {Schema: &huma.Schema{Type: huma.TypeString}, Description: "The name of this request"},
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		out["WWW-Authenticate"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}, Description: "RFC 6750"}
	case http.StatusTooManyRequests:
		limitHeaders(out)
		out["Retry-After"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds"}
	case http.StatusServiceUnavailable:
		out["Retry-After"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds"}
	}
	return out
}

// limitHeaders adds where the caller's limit stands.
func limitHeaders(to map[string]*huma.Param) {
	text := func(doc string) *huma.Param {
		return &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}, Description: doc}
	}
	to["RateLimit-Policy"] = text("What the caller may call a minute, such as `\"management\";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11)")
	to["RateLimit"] = text("Where that stands, such as `\"management\";r=199;t=1`")
}
