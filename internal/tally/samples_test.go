package tally_test

import (
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/halberdhq/halberd/internal/tally"
)

// What is kept is a copy: the buffer a text came in is used again meanwhile.
func TestSamplesOutliveTheirBuffers(t *testing.T) {
	var s tally.Samples
	from := netip.MustParseAddr("203.0.113.7")
	buffer := []byte("curl/8.14.1")
	s.Note(3, 100, from, unsafe.String(&buffer[0], len(buffer)))
	s.Note(67, 101, netip.Addr{}, "") // the same shard
	s.Note(3, 102, from, "second")
	copy(buffer, "overwritten")
	var got []string
	s.Drain(func(number uint32, at int64, addr netip.Addr, text []byte) {
		got = append(got, strings.Join([]string{string(rune('0' + number%64)), addr.String(), string(text)}, " "))
		if at < 100 || at > 102 {
			t.Errorf("at %d", at)
		}
	})
	if want := "3 203.0.113.7 curl/8.14.1|3 invalid IP |3 203.0.113.7 second"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
	s.Drain(func(uint32, int64, netip.Addr, []byte) { t.Error("handed over twice") })
}

func TestSamplesAreBounded(t *testing.T) {
	var s tally.Samples
	long := strings.Repeat("x", 100_000)
	for i := range uint32(200_000) {
		s.Note(i, 1, netip.Addr{}, long)
	}
	n := 0
	s.Drain(func(_ uint32, _ int64, _ netip.Addr, text []byte) {
		n++
		if len(text) > 256 {
			t.Fatalf("%d bytes of text", len(text))
		}
	})
	if n == 0 || n > 64*1024 {
		t.Errorf("%d samples", n)
	}
}

func TestNoteAllocatesNothingWhenWarm(t *testing.T) {
	var s tally.Samples
	round := func() {
		for i := range uint32(640) {
			s.Note(i, 1, netip.Addr{}, "curl/8.14.1")
		}
		s.Drain(func(uint32, int64, netip.Addr, []byte) {})
	}
	for range 3 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
