package halberd

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
)

// A cursor is a place in one list, in text: the position and a MAC over it and
// over what the list was asked (endpoint, organization, filter, sort). It says
// nothing that the page before did not, and opens no other list.

const (
	cursorMAC = 16
	maxCursor = 4096
)

// cursor writes a position in the list that bound describes.
func (s *Service) cursor(bound string, pos KeyPosition) string {
	var p packer
	p.text(pos.Text)
	p.int(pos.Int)
	p.bytes(pos.ID[:])
	mac := s.seal.cursors.sum(cursorMessage(bound, p))
	return base64.RawURLEncoding.EncodeToString(append(p, mac[:cursorMAC]...))
}

// position reads a cursor; one of another list, or a changed one, is
// INVALID_REQUEST on `cursor`.
func (s *Service) position(bound, cursor string) (*KeyPosition, error) {
	if cursor == "" {
		return nil, nil
	}
	bad := Invalid("cursor", "must come from the page before, of the same list with the same filters and order")
	if len(cursor) > maxCursor {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < 4+8+16+cursorMAC {
		return nil, bad
	}
	body, mac := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	want := s.seal.cursors.sum(cursorMessage(bound, body))
	if !hmac.Equal(want[:cursorMAC], mac) {
		return nil, bad
	}
	n := int(binary.BigEndian.Uint32(body))
	if len(body) != 4+n+8+16 {
		return nil, bad
	}
	pos := &KeyPosition{Text: string(body[4 : 4+n]), Int: int64(binary.BigEndian.Uint64(body[4+n:]))}
	copy(pos.ID[:], body[4+n+8:])
	return pos, nil
}

func cursorMessage(bound string, body []byte) []byte {
	var p packer
	p.text(bound)
	p.bytes(body)
	return p
}
