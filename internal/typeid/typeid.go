// Package typeid writes and reads identifiers as TypeIDs: a lower-case prefix,
// an underscore and the 128 bits of a UUID in 26 characters of Crockford
// base32 (the TypeID specification, version 0.3). It does not make UUIDs.
package typeid

import "errors"

// TextLen is the length of the part after the underscore.
const TextLen = 26

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// ErrMalformed says that a text is not a TypeID of the wanted prefix.
var ErrMalformed = errors.New("typeid: malformed identifier")

// Append writes prefix, underscore and id to dst.
func Append(dst []byte, prefix string, id [16]byte) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, '_')
	// 130 bits of text hold 128 bits of value: the first character holds 3.
	var acc, bits uint
	acc, bits = 0, 2
	for _, b := range id {
		acc = acc<<8 | uint(b)
		bits += 8
		for bits >= 5 {
			bits -= 5
			dst = append(dst, alphabet[acc>>bits&31])
		}
		acc &= 1<<bits - 1
	}
	return dst
}

// Parse reads text, which must have exactly the given prefix. Only the
// canonical spelling is accepted: lower case, no look-alikes, no overflow, so
// that one identifier has one text.
func Parse(prefix, text string) (id [16]byte, err error) {
	n := len(prefix)
	if len(text) != n+1+TextLen || text[:n] != prefix || text[n] != '_' {
		return id, ErrMalformed
	}
	body := text[n+1:]
	if body[0] > '7' {
		return [16]byte{}, ErrMalformed
	}
	var acc, bits uint
	out := 0
	for i := range TextLen {
		v := value(body[i])
		if v > 31 {
			return [16]byte{}, ErrMalformed
		}
		acc = acc<<5 | v
		bits += 5
		if i == 0 {
			bits = 3
		}
		if bits >= 8 {
			bits -= 8
			id[out] = byte(acc >> bits)
			out++
			acc &= 1<<bits - 1
		}
	}
	return id, nil
}

// value returns the five bits of c, or 255 when c is not in the alphabet.
func value(c byte) uint {
	switch {
	case c >= '0' && c <= '9':
		return uint(c - '0')
	case c >= 'a' && c <= 'h':
		return uint(c-'a') + 10
	case c == 'j' || c == 'k':
		return uint(c-'j') + 18
	case c == 'm' || c == 'n':
		return uint(c-'m') + 20
	case c >= 'p' && c <= 't':
		return uint(c-'p') + 22
	case c >= 'v' && c <= 'z':
		return uint(c-'v') + 27
	}
	return 255
}
