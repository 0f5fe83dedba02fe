package hookshop

import (
	"net/http"
	"slices"
	"strconv"
)

// maxThings bounds each shelf: this shop lives in memory.
const maxThings = 1000

// shelf keeps things of one kind in the order they came.
type shelf[T any] struct {
	ids    []string
	things map[string]T
	made   int // since the beginning: an id is not given twice
}

func (s *shelf[T]) put(id string, thing T) {
	if s.things == nil {
		s.things = map[string]T{}
	}
	if _, there := s.things[id]; !there {
		s.ids = append(s.ids, id)
		s.made++
	}
	s.things[id] = thing
}

func (s *shelf[T]) all() []T {
	out := make([]T, len(s.ids))
	for i, id := range s.ids {
		out[i] = s.things[id]
	}
	return out
}

func (s *shelf[T]) take(id string) {
	delete(s.things, id)
	s.ids = slices.DeleteFunc(s.ids, func(other string) bool { return other == id })
}

// kind is what calls need to know about one kind of thing.
type kind[T any] struct {
	one, many string // the names in bodies
	prefix    string // of ids
	of        func(*shop) *shelf[T]
	fresh     func(id string) T
	used      func(s *shop, id string) bool // by something else; nil: never
}

// fields is the body of a create or an update: what was sent is put into a
// thing, which is then judged as a whole.
type fields[T any] interface{ into(s *shop, thing *T) error }

// add makes a new thing and lets fill complete it.
func (k kind[T]) add(s *shop, fill func(thing *T) error) (thing T, err error) {
	shelf := k.of(s)
	if len(shelf.ids) >= maxThings {
		return thing, &problem{http.StatusConflict, "LIMIT_REACHED", "there are " + strconv.Itoa(maxThings) + " " + k.many + " already"}
	}
	id := k.prefix + strconv.Itoa(shelf.made+1)
	thing = k.fresh(id)
	if err := fill(&thing); err != nil {
		return thing, err
	}
	shelf.put(id, thing)
	return thing, nil
}

func list[T any](k kind[T]) operation {
	return func(c *call) (any, error) { return map[string]any{k.many: k.of(c.shop).all()}, nil }
}

func get[T any](k kind[T]) operation {
	return func(c *call) (any, error) {
		thing, ok := k.of(c.shop).things[c.id]
		if !ok {
			return nil, notFound()
		}
		return map[string]any{k.one: thing}, nil
	}
}

func create[T any, F fields[T]](k kind[T]) func(c *call, body F) (any, error) {
	return func(c *call, body F) (any, error) {
		thing, err := k.add(c.shop, func(thing *T) error { return body.into(c.shop, thing) })
		if err != nil {
			return nil, err
		}
		return map[string]any{k.one: thing}, nil
	}
}

func update[T any, F fields[T]](k kind[T]) func(c *call, body F) (any, error) {
	return func(c *call, body F) (any, error) {
		thing, ok := k.of(c.shop).things[c.id]
		if !ok {
			return nil, notFound()
		}
		if err := body.into(c.shop, &thing); err != nil {
			return nil, err
		}
		k.of(c.shop).put(c.id, thing)
		return map[string]any{k.one: thing}, nil
	}
}

func remove[T any](k kind[T]) operation {
	return func(c *call) (any, error) {
		if _, ok := k.of(c.shop).things[c.id]; !ok {
			return nil, notFound()
		}
		if k.used != nil && k.used(c.shop, c.id) {
			return nil, &problem{http.StatusConflict, "CONFLICT", "the " + k.one + " is in use"}
		}
		k.of(c.shop).take(c.id)
		return map[string]any{"success": true}, nil
	}
}
