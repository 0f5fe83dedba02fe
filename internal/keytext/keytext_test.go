package keytext_test

import (
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/keytext"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// S2-07, S2-08: `hb_live_` and 32 characters, of which eleven may be shown.
func TestMintedKeyHasThePublishedShape(t *testing.T) {
	for prefix, length := range map[string]int{"hb_live": 40, "whr_live": 41, "hrdly": 38} {
		k := keytext.Mint(prefix)
		if len(k) != length || !strings.HasPrefix(k, prefix+"_") || !keytext.Parse(k) {
			t.Errorf("Mint(%q) has length %d, parses: %v", prefix, len(k), keytext.Parse(k))
		}
		if h := keytext.Hint(k); h != k[:len(prefix)+4] {
			t.Errorf("Hint = %q of a key of prefix %q", h, prefix)
		}
	}
}

// at the parser: nothing but the exact text.
func TestOnlyTheExactTextParses(t *testing.T) {
	k := keytext.Mint("hb_live")
	for n := range len(k) {
		if keytext.Parse(k[:n]) {
			t.Errorf("the first %d characters parse", n)
		}
	}
	for n := 1; n <= 64; n++ {
		for _, more := range []string{"a", "=", k[len(k)-1:], " "} {
			if keytext.Parse(k + strings.Repeat(more, n)) {
				t.Errorf("%d × %q appended parses", n, more)
			}
		}
	}
	for i := range len(k) {
		for _, c := range base62 + "_" {
			if byte(c) != k[i] && keytext.Parse(k[:i]+string(c)+k[i+1:]) {
				t.Errorf("position %d changed to %q parses", i, c)
			}
		}
	}
	for _, other := range []string{
		strings.ToUpper(k), strings.ToLower(k), "HB_LIVE_" + k[8:], "hb_test_" + k[8:],
		" " + k, k + "\n", "\u00a0" + k, "", "_", strings.Repeat("a", 1000),
	} {
		if other != k && keytext.Parse(other) {
			t.Errorf("%d characters of another spelling parse", len(other))
		}
	}
}

func TestPrefixes(t *testing.T) {
	for p, want := range map[string]bool{
		"hb_live": true, "a": true, "a1_2_3": true, "abcdefghijklmnop": true,
		"": false, "abcdefghijklmnopq": false, "1a": false, "_a": false, "a_": false,
		"a__b": false, "A": false, "a-b": false, "é": false, "a b": false,
	} {
		if got := keytext.ValidPrefix(p); got != want {
			t.Errorf("ValidPrefix(%q) = %v", p, got)
		}
	}
}

// G20 in small: no repeats, and each position uses each character evenly.
func TestMintedKeysAreRandom(t *testing.T) {
	const n = 62 * 500
	seen := make(map[string]bool, n)
	var counts [26][256]int
	for range n {
		k := keytext.Mint("hb_live")
		if seen[k] {
			t.Fatal("the same key twice")
		}
		seen[k] = true
		for i := range 26 {
			counts[i][k[8+i]]++
		}
	}
	for i := range counts {
		chi := 0.0
		for _, c := range base62 {
			d := float64(counts[i][c]) - n/62.0
			chi += d * d / (n / 62.0)
		}
		// 61 degrees of freedom; 61 + 6·sqrt(122) is beyond p = 1e-6 even 26 times.
		if chi > 61+6*math.Sqrt(122) {
			t.Errorf("position %d: chi-square %.0f", i, chi)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(keytext.Mint("hb_live"))
	f.Add("hb_live_")
	f.Fuzz(func(t *testing.T, text string) {
		if keytext.Parse(text) {
			if len(text) > keytext.MaxLen || !keytext.ValidPrefix(text[:len(text)-33]) {
				t.Error("accepted beyond the format")
			}
			_ = keytext.Hint(text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	k := keytext.Mint("hb_live")
	b.ReportAllocs()
	for b.Loop() {
		if !keytext.Parse(k) {
			b.Fatal("refused")
		}
	}
}

// Whatever its checksum says, a text with any other byte in its tail is no key;
// with a digit or letter there, it is one.
func TestTheTailIsBase62(t *testing.T) {
	for at := range 26 {
		for c := range 256 {
			body := []byte("hb_live_0aZ9bY8cX7dW6eV5fU4gT3hS2i")
			body[8+at] = byte(c)
			sum := make([]byte, 6)
			for i, n := 5, crc32.ChecksumIEEE(body); i >= 0; i-- {
				sum[i] = base62[n%62]
				n /= 62
			}
			if got, want := keytext.Parse(string(body)+string(sum)), strings.ContainsRune(base62, rune(c)) && c < 0x80; got != want {
				t.Fatalf("byte %#x at %d: %v", c, at, got)
			}
		}
	}
}
