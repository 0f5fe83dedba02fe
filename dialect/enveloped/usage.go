package enveloped

import (
	"net/http"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func usageOperations() []request.Operation {
	span := []request.Param{
		{Name: "from", Doc: "An instant, or a date, which is its beginning. Default: an hour of minutes, 24 hours or 30 days before `to`."},
		{Name: "to", Doc: "An instant, or a date, which is its end. Not in the series. Default: now."},
		{Name: "step", Doc: "Default: minutes up to two hours, hours up to four days, else days.", Enum: []string{"minute", "hour", "day"}},
	}
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/v1/usage", Name: "getUsage", Status: http.StatusOK,
			Summary: "Read usage",
			Doc: "How often each verdict fell, step by step, up to now: of a key, of the keys of a customer of yours, of a project, " +
				"or of all that the caller reaches. The series has every point, at most 2,000, and begins and ends at whole steps of UTC.",
			Action: halberd.ActionReadUsage,
			Query: append([]request.Param{
				{Name: "key_id", Doc: "Of one key, also a revoked one. It goes by itself."},
				{Name: "project_id", Doc: "Of one project's keys."},
				{Name: "external_id", Doc: "Of the keys of this customer of the API, at most 1,000."},
				organizationParam,
			}, span...),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getUsage),
		},
		{
			Method: http.MethodGet, Path: "/v1/api-keys/{key_id}/usage", Name: "getKeyUsage", Status: http.StatusOK,
			Summary: "Read the usage of an API key",
			Action:  halberd.ActionReadUsage, Query: span,
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getKeyUsage),
		},
	}
}

func getUsage(c *request.Call) (out one[wire.Usage], err error) {
	q := halberd.UsageQuery{ExternalID: c.Query["external_id"]}
	if q.Organization, err = organizationNamed(c.Query["organization_id"]); err != nil {
		return out, err
	}
	if q.Project, err = projectNamed(c.Query["project_id"]); err != nil {
		return out, err
	}
	if text := c.Query["key_id"]; text != "" {
		if q.Key, err = halberd.ParseKeyID(text); err != nil {
			return out, halberd.Invalid("key_id", "must be a key's id: key_ and 26 characters")
		}
	}
	return usageOf(c, q)
}

func getKeyUsage(c *request.Call) (out one[wire.Usage], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	return usageOf(c, halberd.UsageQuery{Key: id})
}

func usageOf(c *request.Call, q halberd.UsageQuery) (out one[wire.Usage], err error) {
	q.Step = halberd.UsageStep(c.Query["step"])
	if q.From, err = edge("from", c.Query["from"], 0); err != nil {
		return out, err
	}
	if q.To, err = edge("to", c.Query["to"], 24*time.Hour); err != nil {
		return out, err
	}
	u, err := c.Service.Usage(c.Context(), c.Actor, q)
	if err != nil {
		return out, err
	}
	return oneOf(c, usage(&u)), nil
}

// edge is where a series begins or ends: an instant, or that much after the
// beginning of a day. Both days that are named are in the series.
func edge(field, text string, after time.Duration) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil && day.Unix() >= 0 {
		return day.Add(after), nil
	}
	at, err := request.Instant(field, text)
	if err != nil {
		return at, halberd.Invalid(field, "must be an instant such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31")
	}
	return at, nil
}

func usage(u *halberd.UsageSeries) wire.Usage {
	out := wire.Usage{
		From: u.From, To: u.To, Step: string(u.Step), KeptFrom: timeOrNull(u.KeptFrom),
		Series: make([]wire.UsagePoint, len(u.Points)), Total: counts(u.Total),
	}
	for i, p := range u.Points {
		out.Series[i] = wire.UsagePoint{Start: p.Start, Counts: counts(p.Counts)}
	}
	return out
}

func counts(m map[halberd.VerdictCode]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for code, n := range m {
		out[string(code)] = n
	}
	return out
}
