package request

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// MaxBody is the most a request's body may hold, in bytes.
const MaxBody = 64 << 10

// The media types of bodies. A merge patch (RFC 7396) is a JSON object too.
const (
	JSON       = "application/json"
	MergePatch = "application/merge-patch+json"
)

// readBody reads a body of one of the media types into room, or refuses: too
// large (the connection closes, and no more than MaxBody+1 bytes were read), of
// another type or charset, compressed.
func readBody(w http.ResponseWriter, r *http.Request, room []byte, types ...string) ([]byte, error) {
	if r.Header.Values("Content-Encoding") != nil {
		if r.ContentLength > MaxBody {
			w.Header().Set("Connection", "close") // what is left is not worth reading
		}
		return nil, &halberd.Error{Code: halberd.CodeUnsupportedMedia, Message: "the body must not be compressed: send it without Content-Encoding"}
	}
	if r.ContentLength > MaxBody {
		return nil, tooLarge(w)
	}
	if !acceptable(r.Header.Values("Content-Type"), types) {
		return nil, &halberd.Error{Code: halberd.CodeUnsupportedMedia, Message: "the body must be " + oneOf(types) + ", in UTF-8"}
	}
	if length := int(r.ContentLength); length >= 0 {
		// One byte more than was announced, so that the end is seen.
		room = slices.Grow(room[:0], length+1)[:length+1]
		if n, err := io.ReadFull(r.Body, room); n != length || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, halberd.Invalid("body", "could not be read to its end")
		}
		return room[:length], nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(w)
	}
	if err != nil {
		return nil, halberd.Invalid("body", "could not be read to its end")
	}
	return raw, nil
}

func tooLarge(w http.ResponseWriter) error {
	w.Header().Set("Connection", "close")
	return &halberd.Error{Code: halberd.CodePayloadTooLarge, Message: "the body must be at most 64 KiB"}
}

func acceptable(given, types []string) bool {
	if len(given) != 1 {
		return false
	}
	if slices.Contains(types, given[0]) {
		return true
	}
	media, params, err := mime.ParseMediaType(given[0])
	if err != nil || !slices.Contains(types, media) {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// noBody reports whether a request came without a body at all.
func noBody(r *http.Request) bool {
	return r.ContentLength == 0 && r.Header.Values("Content-Type") == nil
}
