package gateway

import "strings"

// maxSegments bounds how deep a path may go, and a template with it.
const maxSegments = 64

// segment is a part of a path between slashes.
type segment struct {
	text    string // decoded
	encoded bool   // it was sent in another spelling
}

// segments takes a path apart, as it was sent and without its query. False: it
// could be read in more than one way, so that the API behind the gateway might
// serve another one than was judged here. That is a step (`..`), an empty
// segment, an encoded slash, a backslash, a semicolon, a percent sign behind a
// percent sign, a character encoded that never needs to be, and whatever is no
// visible ASCII as it stands. Nothing is put right: the gateway passes on what
// was sent. (guard, which passes on what it has put right, takes more:
// docs/decisions/0042-one-path-one-route.md.) A slash at the end makes no
// difference, since to many routers it makes none.
func segments(path string, into []segment) ([]segment, bool) {
	if path == "" || path[0] != '/' {
		return nil, false
	}
	path = strings.TrimSuffix(path[1:], "/")
	if path == "" {
		return into, true
	}
	for more := true; more; {
		var raw string
		raw, path, more = strings.Cut(path, "/")
		if len(into) == maxSegments {
			return nil, false
		}
		s, fine := decode(raw)
		if !fine {
			return nil, false
		}
		into = append(into, s)
	}
	return into, true
}

func decode(raw string) (segment, bool) {
	if raw == "" || raw == "." || raw == ".." {
		return segment{}, false
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || strings.IndexByte(`\;?#"<>^`+"`{|}", c) >= 0 {
			return segment{}, false
		}
	}
	if strings.IndexByte(raw, '%') < 0 {
		return segment{raw, false}, true
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			out = append(out, raw[i])
			continue
		}
		if i+2 >= len(raw) {
			return segment{}, false
		}
		high, low := nibble(raw[i+1]), nibble(raw[i+2])
		c := high<<4 | low
		if high > 15 || low > 15 || c < ' ' || c == 0x7f || unreserved(c) || strings.IndexByte(`/\;%?#`, c) >= 0 {
			return segment{}, false
		}
		out = append(out, c)
		i += 2
	}
	return segment{string(out), true}, true
}

// nibble is the value of a hexadecimal digit, more than 15 of anything else.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// unreserved characters mean the same encoded or not (RFC 3986, 2.3), so nobody
// who means well encodes them.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
