package halberd

import (
	"log/slog"
	"unsafe"

	"github.com/halberdhq/halberd/internal/keytext"
)

// Secret is the full text of a key. It exists in the answer of create and
// rotate and in the hands of its holder, never at rest, and does not print
// itself: fmt, slog, JSON and a panic show a placeholder or an address. Reveal
// is the only way out. The zero value is no secret.
//
// It holds a pointer and a length instead of a string because fmt reads
// unexported string fields of an enclosing struct without asking any method.
type Secret struct {
	text *byte
	size int
}

const redacted = "[secret]"

// NewSecret wraps a text. It does not copy or check it.
func NewSecret(text string) Secret {
	return Secret{text: unsafe.StringData(text), size: len(text)}
}

func mintSecret(prefix string) Secret { return NewSecret(keytext.Mint(prefix)) }

// Reveal returns the text.
func (s Secret) Reveal() string { return unsafe.String(s.text, s.size) }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.size == 0 }

// WellFormed reports whether the text has the shape and checksum of a key. No
// lookup is made.
func (s Secret) WellFormed() bool { return keytext.Parse(s.Reveal()) }

// Hint returns the part of a well-formed secret that may be displayed (S2-08,
// S3-14): the prefix and the next three characters. Empty if not well formed.
func (s Secret) Hint() string {
	if !s.WellFormed() {
		return ""
	}
	return keytext.Hint(s.Reveal())
}

// String is a placeholder.
func (s Secret) String() string { return redacted }

// GoString is a placeholder.
func (s Secret) GoString() string { return redacted }

// MarshalText is a placeholder, for JSON, XML, YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
