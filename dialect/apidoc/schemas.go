package apidoc

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halberdhq/halberd/internal/request"
)

// schemas turns our types into JSON schemas by huma's registry, which knows
// neither a field that may be absent or null nor an object that may be null.
type schemas struct {
	huma.Registry
	told map[reflect.Type]bool
}

func newSchemas() *schemas {
	return &schemas{
		Registry: huma.NewMapRegistry("#/components/schemas/", schemaName),
		told:     map[reflect.Type]bool{},
	}
}

// schemaName keeps the dialects' types of one name apart.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if strings.HasSuffix(t.PkgPath(), "dialect/plain") {
		return "Plain" + name
	}
	return name
}

func (s *schemas) of(t reflect.Type) *huma.Schema {
	s.teach(t)
	ref := s.Schema(t, true, t.Name())
	s.nullObjects()
	return ref
}

// teach tells the registry of each optional field within t that it is the
// pointer to what it holds: a value or null.
func (s *schemas) teach(t reflect.Type) {
	if s.told[t] {
		return
	}
	s.told[t] = true
	if o, ok := reflect.TypeAssert[request.Optional](reflect.New(t)); ok {
		held := reflect.TypeOf(o.Receive(true))
		s.RegisterTypeAlias(t, held)
		s.teach(held.Elem())
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		s.teach(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if f.IsExported() {
				s.teach(f.Type)
			}
		}
	}
}

// nullObjects lets a pointer to a struct, or an optional one, be null, and says of what may be
// anything that it may be null too, which some readers doubt of an empty schema.
func (s *schemas) nullObjects() {
	for name, schema := range s.Map() {
		t := s.TypeFromRef("#/components/schemas/" + name)
		for _, f := range reflect.VisibleFields(t) { // those of embedded types too
			prop, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			p := schema.Properties[prop]
			switch {
			case p == nil || p.AnyOf != nil:
			case f.Type.Kind() == reflect.Interface:
				p.AnyOf = []*huma.Schema{{}, {Type: "null"}}
			case p.Ref != "" && f.Tag.Get("nullable") != "false" &&
				(f.Type.Kind() == reflect.Pointer || reflect.PointerTo(f.Type).Implements(reflect.TypeFor[request.Optional]())):
				schema.Properties[prop] = &huma.Schema{
					Description: p.Description,
					AnyOf:       []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
				}
			}
		}
	}
}
