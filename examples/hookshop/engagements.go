package hookshop

import (
	"slices"
	"time"
)

// Engagement is a customer's assignment. Keys may be limited to some: the
// resource is engagement/ and the id.
type Engagement struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"` // planned, running, closed
}

type engagementFields struct {
	Name   *string `json:"name"`
	Status *string `json:"status"`
}

func (f engagementFields) into(_ *shop, e *Engagement) error {
	set(&e.Name, f.Name)
	set(&e.Status, f.Status)
	if !slices.Contains([]string{"planned", "running", "closed"}, e.Status) {
		return invalid("status", "must be planned, running or closed")
	}
	return named("name", e.Name)
}

func engagements() kind[Engagement] {
	return kind[Engagement]{
		one: "engagement", many: "engagements",
		of: func(s *shop) *shelf[Engagement] { return &s.engagements },
	}
}

// Runbook is what is done in an engagement, again and again.
type Runbook struct {
	ID           string `json:"id"`
	EngagementID string `json:"engagementId"`
	Name         string `json:"name"`
}

// Run is a runbook once.
type Run struct {
	ID           string    `json:"id"`
	RunbookID    string    `json:"runbookId"`
	EngagementID string    `json:"engagementId"`
	TargetURL    string    `json:"targetUrl"`
	Status       string    `json:"status"` // queued, and so it stays
	StartedAt    time.Time `json:"startedAt"`
}

// sees reports whether the caller's key may act on an engagement.
func (c *call) sees(engagement string) bool {
	return c.key.Resources.Allows("engagement/" + engagement)
}

// only keeps what belongs to the engagements of the caller's key (S1-30).
func only[T any](c *call, things []T, engagement func(T) string) []T {
	return slices.DeleteFunc(things, func(t T) bool { return !c.sees(engagement(t)) })
}

func listEngagements(c *call) (any, error) {
	return map[string]any{"engagements": only(c, c.engagements.all(), func(e Engagement) string { return e.ID })}, nil
}

func listRunbooks(c *call) (any, error) {
	return map[string]any{"runbooks": only(c, c.runbooks.all(), func(b Runbook) string { return b.EngagementID })}, nil
}

func listRuns(c *call) (any, error) {
	return map[string]any{"runs": only(c, c.runs.all(), func(r Run) string { return r.EngagementID })}, nil
}

type runFields struct {
	TargetURL string `json:"targetUrl"`
}

// startRun starts a runbook. One of another engagement is as absent as one that
// never was.
func startRun(c *call, body runFields) (any, error) {
	book, ok := c.runbooks.things[c.id]
	if !ok || !c.sees(book.EngagementID) {
		return nil, notFound()
	}
	if err := address("targetUrl", body.TargetURL); err != nil {
		return nil, err
	}
	runs := kind[Run]{
		one: "run", many: "runs", prefix: "run_",
		of: func(s *shop) *shelf[Run] { return &s.runs },
		fresh: func(id string) Run {
			return Run{ID: id, RunbookID: book.ID, EngagementID: book.EngagementID, Status: "queued", StartedAt: c.api.stamp()}
		},
	}
	run, err := runs.add(c.shop, func(r *Run) error { r.TargetURL = body.TargetURL; return nil })
	if err != nil {
		return nil, err
	}
	return map[string]any{"run": run}, nil
}

// stamp is the present as bodies show it.
func (a *api) stamp() time.Time { return a.now().UTC().Truncate(time.Second) }
