package halberd

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"sync"
	"unsafe"
)

// Digest is what a store keeps of a secret: HMAC-SHA256(pepper,
// SHA-256(secret)), under each layered pepper in turn. Without the pepper it
// is of no use. The zero value is no digest.
type Digest [sha256.Size]byte

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// PepperLen is the length of one pepper in bytes. A Keeper holds one pepper, or
// several one after the other where new ones were layered over the first.
const PepperLen = 32

// seal does everything that needs the pepper: digests, row MACs, tombstone
// MACs, cursors, what is kept encrypted. Safe for concurrent use.
type seal struct {
	layers      int64
	fingerprint string
	digests     []*macPool // one per layer, oldest first
	rows        *macPool
	cursors     *macPool
	hidden      cipher.AEAD // AES-256-GCM
}

func newPepper() []byte {
	p := make([]byte, PepperLen)
	_, _ = rand.Read(p) // never fails: it ends the program instead
	return p
}

// newSeal refuses a pepper that is no whole number of layers, or plainly not
// random.
func newSeal(pepper []byte) (*seal, error) {
	if len(pepper) == 0 || len(pepper)%PepperLen != 0 {
		return nil, refuse(CodeUnavailable, "the pepper must be %d random bytes; it has %d", PepperLen, len(pepper))
	}
	s := &seal{layers: int64(len(pepper) / PepperLen)}
	for i := range int(s.layers) {
		layer := pepper[i*PepperLen : (i+1)*PepperLen]
		seen := map[byte]bool{}
		for _, b := range layer {
			seen[b] = true
		}
		if len(seen) < 12 { // 32 random bytes have 30 distinct ones, and never so few
			return nil, refuse(CodeUnavailable, "the pepper is not random; make a new one, or restore the right one")
		}
		s.digests = append(s.digests, newMACPool(layer))
	}
	newest := s.digests[len(s.digests)-1]
	derive := func(purpose string) []byte {
		k := newest.sum([]byte("halberd " + purpose))
		return k[:]
	}
	fp := derive("fingerprint")
	s.fingerprint = hex.EncodeToString(fp[:16])
	s.rows = newMACPool(derive("row mac"))
	s.cursors = newMACPool(derive("cursor mac"))
	block, err := aes.NewCipher(derive("hidden"))
	if err == nil {
		s.hidden, err = cipher.NewGCM(block)
	}
	return s, err
}

// digest is the stored form of a secret.
func (s *seal) digest(secret Secret) Digest {
	d := Digest(sha256.Sum256(unsafe.Slice(secret.text, secret.size)))
	for _, layer := range s.digests {
		layer.again(&d)
	}
	return d
}

// macPool is HMAC-SHA256 under one key, with states kept for reuse: setting
// one up costs more than the hash.
type macPool struct{ pool sync.Pool }

type macState struct {
	h       hash.Hash
	in, out Digest
}

func newMACPool(key []byte) *macPool {
	k := append([]byte(nil), key...)
	return &macPool{pool: sync.Pool{New: func() any {
		return &macState{h: hmac.New(sha256.New, k)}
	}}}
}

func (p *macPool) sum(msg []byte) Digest {
	m := p.pool.Get().(*macState)
	m.h.Reset()
	m.h.Write(msg)
	m.h.Sum(m.out[:0])
	d := m.out
	p.pool.Put(m)
	return d
}

// again replaces d by the MAC of d. It allocates nothing: what goes into a
// hash.Hash escapes, so the bytes are copied into the pooled state first.
func (p *macPool) again(d *Digest) {
	m := p.pool.Get().(*macState)
	m.in = *d
	m.h.Reset()
	m.h.Write(m.in[:])
	m.h.Sum(m.out[:0])
	*d = m.out
	p.pool.Put(m)
}

// packer writes fields so that no two different rows have the same bytes:
// every text has its length before it.
type packer []byte

func (p *packer) text(s string) {
	*p = binary.BigEndian.AppendUint32(*p, uint32(len(s)))
	*p = append(*p, s...)
}
func (p *packer) bytes(b []byte) { *p = append(*p, b...) }
func (p *packer) int(n int64)    { *p = binary.BigEndian.AppendUint64(*p, uint64(n)) }
func (p *packer) bool(b bool) {
	if b {
		p.int(1)
	} else {
		p.int(0)
	}
}

func (r *KeyRecord) pack(p *packer) {
	p.text("key 1")
	p.bytes(r.ID[:])
	p.bytes(r.Organization[:])
	p.bytes(r.Project[:])
	p.bytes(r.Digest[:])
	p.bytes(r.PreviousDigest[:])
	p.int(r.PepperID)
	p.text(string(r.State))
	p.text(r.Hint)
	p.text(r.Name)
	p.text(r.ExternalID)
	p.text(r.Scopes)
	p.text(r.Policy)
	p.text(r.Detail)
	p.int(r.CreatedAt)
	p.int(r.ExpiresAt)
	p.int(r.NotBefore)
	p.int(r.PreviousExpiresAt)
	p.int(r.RevokedAt)
	p.int(r.Version)
}

func (r *ProjectRecord) pack(p *packer) {
	p.text("project 1")
	p.bytes(r.ID[:])
	p.bytes(r.Organization[:])
	p.text(r.Name)
	p.bool(r.Default)
	p.int(r.DeletedAt)
	p.int(r.CreatedAt)
	p.int(r.Version)
	p.text(r.Detail)
}

func (r *OrganizationRecord) pack(p *packer) {
	p.text("organization 1")
	p.bytes(r.ID[:])
	p.text(r.Name)
	p.bool(r.Active)
	p.int(r.CreatedAt)
	p.int(r.Version)
}

func (t *Tombstone) pack(p *packer) {
	p.text("tombstone 1")
	p.bytes(t.Key[:])
	p.int(t.At)
}

// mac is the MAC of a record. The buffer is the caller's to reuse.
func (s *seal) mac(r interface{ pack(*packer) }, buf *packer) Digest {
	*buf = (*buf)[:0]
	r.pack(buf)
	return s.rows.sum(*buf)
}

// genuine reports whether got is the MAC of r. Digests of equal length are
// compared in constant time, although an attacker learns nothing here.
func (s *seal) genuine(r interface{ pack(*packer) }, got [32]byte, buf *packer) bool {
	want := s.mac(r, buf)
	return hmac.Equal(want[:], got[:])
}

// hide encrypts what must be read again, such as the secret that signs a
// webhook's messages. It opens only under the same purpose.
func (s *seal) hide(purpose, text string) string {
	nonce := make([]byte, s.hidden.NonceSize())
	_, _ = rand.Read(nonce) // never fails: it ends the program instead
	return base64.RawStdEncoding.EncodeToString(s.hidden.Seal(nonce, nonce, []byte(text), []byte(purpose)))
}

// reveal opens what hide made.
func (s *seal) reveal(purpose, hidden string) (Secret, error) {
	b, err := base64.RawStdEncoding.DecodeString(hidden)
	if err != nil || len(b) < s.hidden.NonceSize() {
		return Secret{}, errHidden
	}
	n := s.hidden.NonceSize()
	text, err := s.hidden.Open(nil, b[:n], b[n:], []byte(purpose))
	if err != nil {
		return Secret{}, errHidden
	}
	return NewSecret(string(text)), nil
}

var errHidden = errors.New("it was not hidden under this pepper, or it is damaged")
