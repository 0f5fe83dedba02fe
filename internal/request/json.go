package request

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/halberdhq/halberd"
)

// maxDepth bounds how deep a body may nest. None of ours goes beyond four.
const maxDepth = 16

// Optional is a member of a body that tells absent, null and a value apart. It
// is an interface so that whatever it holds is read by the same strict decoder,
// and not by an UnmarshalJSON of its own.
type Optional interface {
	// Receive marks the member present, null or not, and returns the pointer its
	// value is to be read into.
	Receive(null bool) any
}

var errNull = errors.New("null")

// strict is how every body is read. Duplicate names, other letter cases,
// invalid UTF-8 and trailing data are refused by the decoder itself.
var strict = json.JoinOptions(
	json.RejectUnknownMembers(true),
	json.WithUnmarshalers(json.UnmarshalFromFunc(readMember)),
)

// readMember stands before every value: an Optional takes its null, anything
// else but a pointer refuses one, which would otherwise pass for a zero.
func readMember(d *jsontext.Decoder, at any) error {
	null := d.PeekKind() == 'n'
	if o, ok := at.(Optional); ok {
		if null {
			o.Receive(true)
			return d.SkipValue()
		}
		return json.UnmarshalDecode(d, o.Receive(false))
	}
	if null && reflect.TypeOf(at).Elem().Kind() != reflect.Pointer {
		return errNull
	}
	return errors.ErrUnsupported // go on as usual
}

// Decode reads a body that is one JSON object into a struct, or says which
// field is wrong. What was sent is never repeated, except a plain field name.
func Decode(raw []byte, into any) error { return decode(raw, into, false) }

// DecodeList is Decode for a body that is a list of things in a member, and says
// of a field which of them it is of: checks[3].cost.
func DecodeList(raw []byte, into any) error { return decode(raw, into, true) }

func decode(raw []byte, into any, numbered bool) error {
	if first := bytes.TrimLeft(raw, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return halberd.Invalid("body", "must be a JSON object")
	}
	if depth(raw) > maxDepth {
		return halberd.Invalid("body", "must not nest deeper than %d levels", maxDepth)
	}
	if err := json.Unmarshal(raw, into, strict); err != nil {
		return explain(err, numbered)
	}
	return nil
}

// depth counts how deep raw nests, without believing that it is JSON.
func depth(raw []byte) (deepest int) {
	now, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// Encode appends v to an answer that is written by hand.
func Encode(answer []byte, v any) ([]byte, error) {
	text, err := encode(v)
	return append(answer, text...), err
}

// AppendText appends s to an answer that is written by hand, as Encode would.
func AppendText(answer []byte, s string) ([]byte, error) {
	return jsontext.AppendQuote(answer, s)
}

func explain(err error, numbered bool) *halberd.Error {
	fieldAt := func(at jsontext.Pointer) string { return fieldAt(at, numbered) }
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(e, jsontext.ErrDuplicateName) {
			return halberd.Invalid(fieldAt(e.JSONPointer), "must be there once")
		}
		return halberd.Invalid("body", "must be one well-formed JSON object in UTF-8 (byte %d)", e.ByteOffset)
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		field := fieldAt(e.JSONPointer)
		switch {
		case errors.Is(e.Err, json.ErrUnknownName):
			return halberd.Invalid(field, "is not a field of this call")
		case errors.Is(e.Err, errNull):
			return halberd.Invalid(field, "must not be null")
		case e.GoType != nil:
			return halberd.Invalid(field, "must be %s", kindOf(e.GoType))
		}
		return halberd.Invalid(field, "cannot have this value")
	}
	return halberd.Invalid("body", "must be a JSON object as documented")
}

// fieldAt writes a JSON pointer as a person would: /rate_limits/0/limit is
// rate_limits.limit, or, numbered, rate_limits[0].limit.
func fieldAt(at jsontext.Pointer, numbered bool) string {
	var parts []string
	for part := range at.Tokens() {
		if _, err := strconv.Atoi(part); err != nil {
			parts = append(parts, printable(part))
		} else if numbered && len(parts) > 0 {
			parts[len(parts)-1] += "[" + part + "]"
		}
	}
	if len(parts) == 0 {
		return "body"
	}
	return strings.Join(parts, ".")
}

// printable is a field's name as it may be repeated: a plain word of the length
// ours have, so that a secret in the wrong place is not.
func printable(name string) string {
	if name == "" || len(name) > 32 {
		return "a field"
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "a field"
		}
	}
	return name
}

func kindOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// encode writes an answer: a nil list or map is null, names are in a fixed
// order.
func encode(answer any) ([]byte, error) {
	return json.Marshal(answer,
		json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true), json.Deterministic(true))
}
