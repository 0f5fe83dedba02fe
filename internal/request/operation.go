package request

import (
	"context"
	"net/http"
	"reflect"

	"github.com/halberdhq/halberd"
)

// Operation is one line of a dialect's table. The routes, the OpenAPI document
// and the test of rights are all made from it.
type Operation struct {
	Method  string
	Path    string // as http.ServeMux writes it: /v1/api-keys/{key_id}
	Name    string // the OpenAPI operationId
	Summary string
	Doc     string
	Action  halberd.Action // asked of the gate before anything else is read
	Status  int            // of success
	Query   []Param
	// Refusals are the codes beyond those that the shape of the operation tells
	// (see Codes).
	Refusals []halberd.Code
	// Idempotent says that an Idempotency-Key makes it happen once.
	Idempotent bool
	// Conditional says that If-Match is heard.
	Conditional bool
	// BodyOptional says that no body at all is as good as {}.
	BodyOptional bool
	// Quiet says that a success is logged at level DEBUG only: a line for each
	// check would cost more than the check.
	Quiet bool
	// Free says that it takes nothing from what its caller may call a minute
	// (halberd.Service.Charge).
	Free bool
	Handling
}

// Handling is what an operation does, with the types that it reads and answers.
type Handling struct {
	Body   reflect.Type // nil: no body is read
	Answer reflect.Type
	serve  func(*Call) (any, error)
	append func(c *Call, raw, answer []byte) ([]byte, error) // instead of serve
}

// Answers is an operation without a body.
func Answers[A any](fn func(*Call) (A, error)) Handling {
	return Handling{
		Answer: reflect.TypeFor[A](),
		serve:  func(c *Call) (any, error) { return fn(c) },
	}
}

// Takes is an operation with a body.
func Takes[B, A any](fn func(*Call, *B) (A, error)) Handling {
	return Handling{
		Body:   reflect.TypeFor[B](),
		Answer: reflect.TypeFor[A](),
		serve: func(c *Call) (any, error) {
			var body B
			if c.raw != nil {
				if err := Decode(c.raw, &body); err != nil {
					return nil, err
				}
			}
			return fn(c, &body)
		},
	}
}

// Appends is an operation that reads its body and writes its answer by hand, for
// what is asked too often to be built out of values. B and A are what its
// document says of both; tests hold fn to that. raw and answer are used again
// after fn, which keeps neither.
func Appends[B, A any](fn func(c *Call, raw, answer []byte) ([]byte, error)) Handling {
	return Handling{Body: reflect.TypeFor[B](), Answer: reflect.TypeFor[A](), append: fn}
}

// Types are the media types of the operation's body.
func (o *Operation) Types() []string {
	if o.Method == http.MethodPatch {
		return []string{JSON, MergePatch}
	}
	return []string{JSON}
}

// Codes lists every way the operation may refuse, in the order of
// halberd.Codes.
func (o *Operation) Codes() []halberd.Code {
	may := map[halberd.Code]bool{
		halberd.CodeInvalid: true, halberd.CodeUnauthorized: true, halberd.CodeHeadersTooLarge: true,
		halberd.CodeRateLimited: true, halberd.CodeUnavailable: true, halberd.CodeInternal: true,
		halberd.CodeForbidden:           o.Action != halberd.ActionWhoAmI,
		halberd.CodePayloadTooLarge:     o.Body != nil,
		halberd.CodeUnsupportedMedia:    o.Body != nil,
		halberd.CodeConflict:            o.Conditional,
		halberd.CodeIdempotencyMismatch: o.Idempotent,
	}
	for _, c := range o.Refusals {
		may[c] = true
	}
	var out []halberd.Code
	for _, c := range halberd.Codes() {
		if may[c] {
			out = append(out, c)
		}
	}
	return out
}

// Call is one request that may be done: its caller is known and permitted, its
// headers and query are judged, its body is read.
type Call struct {
	Service   *halberd.Service
	Actor     halberd.Actor
	ID        string // of the request
	Version   int64  // from If-Match; 0: any
	Query     Query
	PublicURL string // for links
	Verdict   string // set by a check: the code of its verdict, for Tell

	request *http.Request
	answer  http.Header
	raw     []byte // the body; nil: none
	status  int    // instead of the operation's; 0: that
}

// Accepted makes the answer a 202: it is done, and does not hold everywhere yet.
func (c *Call) Accepted() {
	c.status = http.StatusAccepted
	c.answer.Set("Preference-Applied", "respond-async")
}

// Context ends when the caller goes away.
func (c *Call) Context() context.Context { return c.request.Context() }

// Path is a named part of the path, as it was sent.
func (c *Call) Path(name string) string { return c.request.PathValue(name) }

// Header is the answer's, for what an operation adds.
func (c *Call) Header() http.Header { return c.answer }
