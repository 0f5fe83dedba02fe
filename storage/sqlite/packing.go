package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/halberdhq/halberd"
)

// A packed batch is its texts, each once (owners as 32 bytes among them), then
// its counts and its uses, which name texts by number: some 30 bytes each.

type packing struct {
	texts  []byte
	number map[string]uint64
	body   []byte
}

func (p *packing) word(n uint64) { p.body = binary.AppendUvarint(p.body, n) }

func (p *packing) text(s string) {
	n, there := p.number[s]
	if !there {
		n = uint64(len(p.number))
		p.number[s] = n
		p.texts = append(binary.AppendUvarint(p.texts, uint64(len(s))), s...)
	}
	p.word(n)
}

func (p *packing) owner(o halberd.OrganizationID, of halberd.ProjectID) {
	var both [len(o) + len(of)]byte
	copy(both[:], o[:])
	copy(both[len(o):], of[:])
	if n, there := p.number[string(both[:])]; there { // which makes no string, for once
		p.word(n)
	} else {
		p.text(string(both[:]))
	}
}

func packBatch(b halberd.UsageBatch) []byte {
	p := packing{number: map[string]uint64{}, body: make([]byte, 0, 32*(len(b.Counts)+len(b.Uses)))}
	p.word(uint64(len(b.Counts)))
	for i := range b.Counts {
		c := &b.Counts[i]
		p.body = append(p.body, c.Key[:]...)
		p.owner(c.Organization, c.Project)
		p.word(uint64(c.Minute))
		p.text(c.Verdict)
		p.word(uint64(c.Count))
	}
	p.word(uint64(len(b.Uses)))
	for i := range b.Uses {
		u := &b.Uses[i]
		p.body = append(p.body, u.Key[:]...)
		p.owner(u.Organization, u.Project)
		p.word(uint64(u.At))
		sampled := uint64(0)
		if u.Sampled {
			sampled = 1
		}
		p.word(sampled)
		p.text(u.From)
		p.text(u.Agent)
	}
	out := make([]byte, 0, binary.MaxVarintLen64+len(p.texts)+len(p.body))
	out = binary.AppendUvarint(out, uint64(len(p.number)))
	return append(append(out, p.texts...), p.body...)
}

// unpacking reads a packed batch. After its end everything is zero, and short.
type unpacking struct {
	rest  []byte
	texts []string
	short bool
}

func (p *unpacking) word() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.short, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *unpacking) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.short, p.rest = true, nil
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *unpacking) text() string {
	n := p.word()
	if n >= uint64(len(p.texts)) {
		p.short = true
		return ""
	}
	return p.texts[n]
}

func (p *unpacking) owner() (o halberd.OrganizationID, of halberd.ProjectID) {
	both := p.text()
	if len(both) != len(o)+len(of) {
		p.short = true
		return o, of
	}
	copy(o[:], both)
	copy(of[:], both[len(o):])
	return o, of
}

func unpackBatch(packed []byte) (b halberd.UsageBatch, err error) {
	p := unpacking{rest: packed}
	for n := p.word(); n > 0 && !p.short; n-- {
		p.texts = append(p.texts, string(p.bytes(p.word())))
	}
	for n := p.word(); n > 0 && !p.short; n-- {
		var c halberd.UsageCount
		copy(c.Key[:], p.bytes(uint64(len(c.Key))))
		c.Organization, c.Project = p.owner()
		c.Minute, c.Verdict, c.Count = int64(p.word()), p.text(), int64(p.word())
		b.Counts = append(b.Counts, c)
	}
	for n := p.word(); n > 0 && !p.short; n-- {
		var u halberd.KeyUse
		copy(u.Key[:], p.bytes(uint64(len(u.Key))))
		u.Organization, u.Project = p.owner()
		u.At, u.Sampled, u.From, u.Agent = int64(p.word()), p.word() == 1, p.text(), p.text()
		b.Uses = append(b.Uses, u)
	}
	if p.short || len(p.rest) > 0 {
		return b, fmt.Errorf("a note of %d bytes cannot be read: %w", len(packed), ErrDamaged)
	}
	return b, nil
}
