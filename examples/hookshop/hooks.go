package hookshop

import "time"

// Source is where webhooks come from.
type Source struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
	Active   bool   `json:"active"`
}

type sourceFields struct {
	Name     *string `json:"name"`
	Provider *string `json:"provider"`
	Active   *bool   `json:"active"`
}

func (f sourceFields) into(_ *shop, s *Source) error {
	set(&s.Name, f.Name)
	set(&s.Provider, f.Provider)
	set(&s.Active, f.Active)
	if err := named("name", s.Name); err != nil {
		return err
	}
	return named("provider", s.Provider)
}

func sources() kind[Source] {
	return kind[Source]{
		one: "source", many: "sources", prefix: "src_",
		of:    func(s *shop) *shelf[Source] { return &s.sources },
		fresh: func(id string) Source { return Source{ID: id, Provider: "custom", Active: true} },
		used: func(s *shop, id string) bool {
			return s.routed(func(r Route) bool { return r.SourceID == id })
		},
	}
}

// Destination is where webhooks go.
type Destination struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

type destinationFields struct {
	Name *string `json:"name"`
	URL  *string `json:"url"`
}

func (f destinationFields) into(_ *shop, d *Destination) error {
	set(&d.Name, f.Name)
	set(&d.URL, f.URL)
	if err := named("name", d.Name); err != nil {
		return err
	}
	return address("url", d.URL)
}

func destinations() kind[Destination] {
	return kind[Destination]{
		one: "destination", many: "destinations", prefix: "dst_",
		of:    func(s *shop) *shelf[Destination] { return &s.destinations },
		fresh: func(id string) Destination { return Destination{ID: id} },
		used: func(s *shop, id string) bool {
			return s.routed(func(r Route) bool { return r.DestinationID == id })
		},
	}
}

// Route leads from a source to a destination.
type Route struct {
	ID            string `json:"id"`
	SourceID      string `json:"sourceId"`
	DestinationID string `json:"destinationId"`
	Active        bool   `json:"active"`
}

type routeFields struct {
	SourceID      *string `json:"sourceId"`
	DestinationID *string `json:"destinationId"`
	Active        *bool   `json:"active"`
}

func (f routeFields) into(s *shop, r *Route) error {
	set(&r.SourceID, f.SourceID)
	set(&r.DestinationID, f.DestinationID)
	set(&r.Active, f.Active)
	if _, ok := s.sources.things[r.SourceID]; !ok {
		return invalid("sourceId", "must name a source")
	}
	if _, ok := s.destinations.things[r.DestinationID]; !ok {
		return invalid("destinationId", "must name a destination")
	}
	return nil
}

func routes() kind[Route] {
	return kind[Route]{
		one: "route", many: "routes", prefix: "rte_",
		of:    func(s *shop) *shelf[Route] { return &s.routes },
		fresh: func(id string) Route { return Route{ID: id, Active: true} },
	}
}

func (s *shop) routed(by func(Route) bool) bool {
	for _, r := range s.routes.things {
		if by(r) {
			return true
		}
	}
	return false
}

// Event is one webhook that came in.
type Event struct {
	ID         string    `json:"id"`
	SourceID   string    `json:"sourceId"`
	Type       string    `json:"type"`
	ReceivedAt time.Time `json:"receivedAt"`
}

func events() kind[Event] {
	return kind[Event]{one: "event", many: "events", of: func(s *shop) *shelf[Event] { return &s.events }}
}

// Delivery is an event on its way to a destination.
type Delivery struct {
	ID            string `json:"id"`
	EventID       string `json:"eventId"`
	DestinationID string `json:"destinationId"`
	Status        string `json:"status"` // delivered, failed
	Attempts      int    `json:"attempts"`
}

func deliveries() kind[Delivery] {
	return kind[Delivery]{one: "delivery", many: "deliveries", of: func(s *shop) *shelf[Delivery] { return &s.deliveries }}
}

// replay delivers once more. Nothing is sent: it succeeds.
func replay(c *call) (any, error) {
	d, ok := c.deliveries.things[c.id]
	if !ok {
		return nil, notFound()
	}
	d.Status = "delivered"
	d.Attempts++
	c.deliveries.put(d.ID, d)
	return map[string]any{"delivery": d}, nil
}

// Analytics is the shop in numbers.
type Analytics struct {
	Events     int `json:"events"`
	Deliveries int `json:"deliveries"`
	Failed     int `json:"failed"`
}

func analytics(c *call) (any, error) {
	out := Analytics{Events: len(c.events.ids), Deliveries: len(c.deliveries.ids)}
	for _, d := range c.deliveries.things {
		if d.Status == "failed" {
			out.Failed++
		}
	}
	return map[string]any{"analytics": out}, nil
}

// Tunnel leads webhooks to a developer's machine.
type Tunnel struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Target string `json:"target"`
}

type tunnelFields struct {
	Name   *string `json:"name"`
	Target *string `json:"target"`
}

func (f tunnelFields) into(_ *shop, t *Tunnel) error {
	set(&t.Name, f.Name)
	set(&t.Target, f.Target)
	if err := named("name", t.Name); err != nil {
		return err
	}
	return address("target", t.Target)
}

func tunnels() kind[Tunnel] {
	return kind[Tunnel]{
		one: "tunnel", many: "tunnels", prefix: "tun_",
		of:    func(s *shop) *shelf[Tunnel] { return &s.tunnels },
		fresh: func(id string) Tunnel { return Tunnel{ID: id} },
	}
}
