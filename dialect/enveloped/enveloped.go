// Package enveloped is the canonical dialect, /v1: S2's envelope over the whole
// product (DIALECT.md).
//
// operations.go is the table; the other files hold its functions, by noun, and
// values.go and render.go translate between the wire and the ground.
package enveloped

import (
	"log/slog"
	"net/http"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// Handler serves /v1/…. It must see paths as they were sent: mounted below a
// mux that cleans paths, `//` and `..` would be redirects instead of 404. A nil
// log discards.
func Handler(svc *halberd.Service, log *slog.Logger, options ...Option) http.Handler {
	s := request.Surface{Service: svc, Log: log, Operations: Operations(), Refusal: Refusal}
	for _, o := range options {
		o(&s)
	}
	return s.Handler()
}

// Option changes how Handler answers.
type Option func(*request.Surface)

// PublicURL is how people reach the server. Links are made from it; without one
// they are paths.
func PublicURL(url string) Option { return func(s *request.Surface) { s.PublicURL = url } }

// Refusal is the body of every refusal (S2-12).
func Refusal(requestID string, e *halberd.Error) any {
	return wire.ErrorEnvelope{
		Error: wire.Error{Code: string(e.Code), Message: e.Message, Field: e.Field, KeyID: e.KeyID.String()},
		Meta:  wire.Meta{RequestID: requestID},
	}
}

type (
	one[T any]     = wire.Envelope[T]
	many[T any]    = wire.ListEnvelope[T]
	changed[T any] = wire.ChangeEnvelope[T]
)

func oneOf[T any](c *request.Call, v T) one[T] {
	return one[T]{Data: v, Meta: wire.Meta{RequestID: c.ID}}
}

// manyOf renders a page; the end of a list is a null cursor.
func manyOf[G, T any](c *request.Call, list []G, next string, render func(*G) T) many[T] {
	out := many[T]{Data: make([]T, len(list)), Meta: wire.ListMeta{RequestID: c.ID, NextCursor: textOrNull(next)}}
	for i := range list {
		out.Data[i] = render(&list[i])
	}
	return out
}

func changedTo[T any](c *request.Call, v T, p halberd.Propagation) changed[T] {
	return changed[T]{Data: v, Meta: changeMeta(c, p)}
}

func changeMeta(c *request.Call, p halberd.Propagation) wire.ChangeMeta {
	if !p.Confirmed && !p.EffectiveBy.IsZero() {
		c.Accepted()
	}
	return wire.ChangeMeta{
		RequestID: c.ID,
		Propagation: wire.Propagation{
			Confirmed: p.Confirmed, Nodes: p.Nodes, WaitedMS: p.Waited.Milliseconds(), EffectiveBy: timeOrNull(p.EffectiveBy),
		},
	}
}
