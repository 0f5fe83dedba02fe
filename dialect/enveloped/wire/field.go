package wire

import (
	"bytes"
	"encoding/json"
)

// Field is a member of a body that may be absent, null, or a value. The zero
// Field is absent and, with omitzero, is not written.
type Field[T any] struct {
	Set   bool // present, null or not
	Null  bool
	Value T
}

// Some is a present value.
func Some[T any](v T) Field[T] { return Field[T]{Set: true, Value: v} }

// Null is a present null.
func Null[T any]() Field[T] { return Field[T]{Set: true, Null: true} }

// IsZero reports whether the field is absent.
func (f Field[T]) IsZero() bool { return !f.Set }

// MarshalJSON writes null or the value.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if !f.Set || f.Null {
		return []byte("null"), nil
	}
	return json.Marshal(f.Value)
}

// UnmarshalJSON reads null or a value with the standard decoder. The server
// reads bodies with its own strict one, which treats Field itself.
func (f *Field[T]) UnmarshalJSON(b []byte) error {
	*f = Field[T]{Set: true}
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		f.Null = true
		return nil
	}
	return json.Unmarshal(b, &f.Value)
}

// Receive marks the field present and returns where its value goes, for a
// decoder that reads the value itself.
func (f *Field[T]) Receive(null bool) any {
	*f = Field[T]{Set: true, Null: null}
	return &f.Value
}
