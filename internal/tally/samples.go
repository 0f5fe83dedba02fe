package tally

import (
	"net/netip"
	"sync"
)

const (
	// maxSamples and maxText bound what one shard keeps between two Drains.
	maxSamples = 1024
	maxText    = 256
)

// Samples keeps what came with some events: where from, and a text. It is told
// of an event now and then, such as of the first one since the last Drain. The
// zero Samples is ready.
type Samples struct {
	shards [shards]sampleShard
}

type sampleShard struct {
	mu           sync.Mutex
	now, drained samples
	_            [32]byte // shards on lines of their own
}

// samples holds its texts end to end: they outlive the buffers they came in,
// and once the list is warm nothing is allocated.
type samples struct {
	list []sample
	text []byte
}

type sample struct {
	number uint32
	end    uint32 // of its text
	at     int64
	from   netip.Addr
}

// Note keeps a sample of an event on thing number. At most 256 bytes of text
// are kept, and nothing while its shard is full.
func (s *Samples) Note(number uint32, at int64, from netip.Addr, text string) {
	if len(text) > maxText {
		text = text[:maxText]
	}
	h := &s.shards[number%shards]
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.now.list) >= maxSamples {
		return
	}
	h.now.text = append(h.now.text, text...)
	h.now.list = append(h.now.list, sample{number, uint32(len(h.now.text)), at, from})
}

// Drain hands over and forgets every sample since the last Drain. A text is
// only valid during the call. One Drain may run at a time.
func (s *Samples) Drain(each func(number uint32, at int64, from netip.Addr, text []byte)) {
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		h.now, h.drained = samples{h.drained.list[:0], h.drained.text[:0]}, h.now
		h.mu.Unlock()
		begin := uint32(0)
		for _, one := range h.drained.list {
			each(one.number, one.at, one.from, h.drained.text[begin:one.end])
			begin = one.end
		}
	}
}
