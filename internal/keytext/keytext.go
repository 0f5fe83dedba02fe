// Package keytext is the spelling of keys: `<prefix>_`, 26 random base62
// characters and 6 base62 characters of CRC-32 (IEEE) over everything before
// them, zero padded. There is one format and one parser: nothing is folded,
// trimmed or read in an older way. It knows nothing of digests or storage.
package keytext

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"unsafe"
)

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	randomLen = 26 // log2(62^26) = 154 bits
	sumLen    = 6  // 62^6 > 2^32
	tailLen   = randomLen + sumLen

	// HintLen is how many random characters may be displayed beside the
	// prefix: 3 of 26, which leaves 137 bits hidden.
	HintLen = 3
	// MaxPrefix is the longest prefix, in bytes, without its underscore.
	MaxPrefix = 16
	// MaxLen is the longest well-formed key, in bytes.
	MaxLen = MaxPrefix + 1 + tailLen
)

// ValidPrefix reports whether p may stand before the underscore of a key:
// `[a-z][a-z0-9]*(_[a-z0-9]+)*`, at most MaxPrefix bytes.
func ValidPrefix(p string) bool {
	if len(p) == 0 || len(p) > MaxPrefix || p[0] < 'a' || p[0] > 'z' {
		return false
	}
	for i := 1; i < len(p); i++ {
		c := p[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '_' && p[i-1] != '_' && i != len(p)-1:
		default:
			return false
		}
	}
	return true
}

// Mint makes a new key text. The prefix must be valid; a wrong one is a bug of
// the caller and panics.
func Mint(prefix string) string {
	if !ValidPrefix(prefix) {
		panic("keytext: Mint with an invalid prefix")
	}
	out := make([]byte, 0, MaxLen)
	out = append(out, prefix...)
	out = append(out, '_')
	for n := 0; n < randomLen; {
		var buf [64]byte
		_, _ = rand.Read(buf[:]) // never fails: it ends the program instead
		for _, b := range buf {
			// 248 is the largest multiple of 62 below 256: no character is likelier.
			if b < 248 && n < randomLen {
				out = append(out, alphabet[b%62])
				n++
			}
		}
	}
	return string(appendSum(out, crc32.ChecksumIEEE(out)))
}

// Parse reports whether text is a well-formed key. It allocates nothing and
// looks nothing up.
func Parse(text string) bool {
	n := len(text) - tailLen - 1
	if n < 1 || len(text) > MaxLen || text[n] != '_' || !ValidPrefix(text[:n]) {
		return false
	}
	// A view, not a copy: a buffer would escape into the checksum's assembly.
	key := unsafe.Slice(unsafe.StringData(text), len(text))
	tail := key[n+1:]
	for i := 0; i < tailLen; i += 8 {
		if !alphanumeric(binary.LittleEndian.Uint64(tail[i:])) {
			return false
		}
	}
	return uint64(crc32.ChecksumIEEE(key[:len(key)-sumLen])) == readSum((*[sumLen]byte)(tail[randomLen:]))
}

// Hint returns what may be displayed of a well-formed key: its prefix,
// underscore included, and the next HintLen characters.
func Hint(text string) string {
	return text[:len(text)-tailLen+HintLen]
}

// alphanumeric reports whether each of eight bytes is a digit or a letter. It
// works on all eight at once, since every check of a key asks four times: a
// byte below 0x80 plus (0x80 - x) has its top bit set when the byte is at least
// x, and no sum reaches into the next byte. Bit 0x20 folds the letters' cases,
// and nothing else into a letter.
func alphanumeric(eight uint64) bool {
	const each, top = 0x0101010101010101, 0x8080808080808080
	folded := eight | 0x20*each
	digit := (eight + (0x80-'0')*each) &^ (eight + (0x80-'9'-1)*each)
	letter := (folded + (0x80-'a')*each) &^ (folded + (0x80-'z'-1)*each)
	return eight&top == 0 && (digit|letter)&top == top
}

// readSum is the number that six base62 characters write.
func readSum(text *[sumLen]byte) uint64 {
	pair := func(i int) uint64 { return digit(text[i])*62 + digit(text[i+1]) }
	return (pair(0)*62*62+pair(2))*62*62 + pair(4)
}

// digit is the value of a base62 character.
func digit(c byte) uint64 {
	d := int32(c) - '0'
	d -= ('9' - int32(c)) >> 31 & ('A' - '9' - 1)
	d -= ('Z' - int32(c)) >> 31 & ('a' - 'Z' - 1)
	return uint64(d)
}

func appendSum(dst []byte, sum uint32) []byte {
	var b [sumLen]byte
	for i := sumLen - 1; i >= 0; i-- {
		b[i] = alphabet[sum%62]
		sum /= 62
	}
	return append(dst, b[:]...)
}
