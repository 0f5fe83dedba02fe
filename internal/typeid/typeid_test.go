package typeid_test

import (
	"crypto/rand"
	"encoding/hex"
	"testing"

	"github.com/halberdhq/halberd/internal/typeid"
)

// The vectors are those of the TypeID specification.
func TestSpecificationVectors(t *testing.T) {
	for _, v := range []struct{ text, hex string }{
		{"prefix_00000000000000000000000000", "00000000000000000000000000000000"},
		{"prefix_00000000000000000000000001", "00000000000000000000000000000001"},
		{"prefix_0000000000000000000000000a", "0000000000000000000000000000000a"},
		{"prefix_0000000000000000000000000g", "00000000000000000000000000000010"},
		{"prefix_00000000000000000000000010", "00000000000000000000000000000020"},
		{"prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffffffffffffffffffffffffffff"},
		{"prefix_0123456789abcdefghjkmnpqrs", "0110c8531d0952d8d73e1194e95b5f19"},
		{"prefix_01h455vb4pex5vsknk084sn02q", "01890a5dac96774bbcceb302099a8057"},
	} {
		id, err := typeid.Parse("prefix", v.text)
		if err != nil {
			t.Errorf("Parse(%s): %v", v.text, err)
			continue
		}
		if got := hex.EncodeToString(id[:]); got != v.hex {
			t.Errorf("Parse(%s) = %s, want %s", v.text, got, v.hex)
		}
		if got := string(typeid.Append(nil, "prefix", id)); got != v.text {
			t.Errorf("Append = %s, want %s", got, v.text)
		}
	}
}

func TestOneIdentifierHasOneText(t *testing.T) {
	for _, text := range []string{
		"", "key", "key_", "key_0000000000000000000000000", "key_000000000000000000000000000",
		"key_8zzzzzzzzzzzzzzzzzzzzzzzzz", "KEY_00000000000000000000000000",
		"key_0000000000000000000000000A", "key_0000000000000000000000000i",
		"key_0000000000000000000000000l", "key_0000000000000000000000000o",
		"key_0000000000000000000000000u", "key-00000000000000000000000000",
		"prj_00000000000000000000000000", " key_00000000000000000000000000",
	} {
		if _, err := typeid.Parse("key", text); err == nil {
			t.Errorf("Parse(%q) accepted", text)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for range 10_000 {
		var id [16]byte
		_, _ = rand.Read(id[:])
		text := string(typeid.Append(nil, "key", id))
		got, err := typeid.Parse("key", text)
		if err != nil || got != id {
			t.Fatalf("%x -> %s -> %x, %v", id, text, got, err)
		}
	}
}
