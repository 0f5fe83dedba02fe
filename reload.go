package halberd

import "math"

// reload is what the directory notes while a load fills it that is not the first,
// of a node that was left behind. What the load does not find may have been there
// before, and where the store lost changes it may be good here and nowhere else.
// A nil reload notes nothing. The directory's mu guards it.
type reload struct {
	found  map[KeyID]bool   // by the load
	newest map[KeyID]newest // keys whose secrets were all unknown
}

// newest is a key that was put under a new ordinal: what the table has of it under
// others is left over.
type newest struct {
	ordinal uint32
	good    bool // it is not revoked
}

// dropped is no ordinal: all that the table has of the key is left over.
const dropped = math.MaxUint32

func (a *reload) put(id KeyID, ordinal uint32, known, good bool) {
	if a == nil {
		return
	}
	if _, anew := a.newest[id]; anew || !known {
		a.newest[id] = newest{ordinal, good}
	}
}

func (a *reload) drop(id KeyID) {
	if a != nil {
		a.newest[id] = newest{ordinal: dropped}
	}
}

// settle ends a load that was not the first: it walks the whole table and takes
// out what is left over of keys by secrets that the store does not name. It notes
// as revived a key that was revoked by one of these, and one that may be good here
// and that the load did not find: no row is ever taken out, but for what was
// revoked long ago. Called with mu held.
func (d *directory) settle() {
	var left []root
	d.keys.Each(func(digest [32]byte, r *record) {
		e := entry{identity: *d.counts.Label(r.ordinal)}
		r.unpack(&e)
		switch n, anew := d.again.newest[e.id]; {
		case anew && n.ordinal != e.ordinal:
			left = append(left, root{digest, e})
			if e.flags&flagRevoked != 0 && n.good {
				d.revived = e.id
			}
		case e.flags&flagRevoked == 0 && !d.again.found[e.id] && !d.fresh[e.id]:
			d.revived = e.id
		}
	})
	d.remove(left)
}
