package hookshop

import "time"

// Review is one look at a repository. It is done as soon as it is asked for.
type Review struct {
	ID          string    `json:"id"`
	Repository  string    `json:"repository"`
	Status      string    `json:"status"`
	ReportID    string    `json:"reportId"`
	TriggeredAt time.Time `json:"triggeredAt"`
}

func reviews() kind[Review] {
	return kind[Review]{
		one: "review", many: "reviews", prefix: "rev_",
		of:    func(s *shop) *shelf[Review] { return &s.reviews },
		fresh: func(id string) Review { return Review{ID: id, Status: "completed"} },
	}
}

// Report is what a review says.
type Report struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Summary string `json:"summary"`
}

func reports() kind[Report] {
	return kind[Report]{
		one: "report", many: "reports", prefix: "rep_",
		of:    func(s *shop) *shelf[Report] { return &s.reports },
		fresh: func(id string) Report { return Report{ID: id} },
	}
}

type reviewFields struct {
	Repository string `json:"repository"`
}

// triggerReview makes a review and its report.
func triggerReview(c *call, body reviewFields) (any, error) {
	if err := named("repository", body.Repository); err != nil {
		return nil, err
	}
	report, err := reports().add(c.shop, func(r *Report) error {
		r.Title, r.Summary = "Review of "+body.Repository, "Nothing was found."
		return nil
	})
	if err != nil {
		return nil, err
	}
	review, err := reviews().add(c.shop, func(r *Review) error {
		r.Repository, r.ReportID, r.TriggeredAt = body.Repository, report.ID, c.api.stamp()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"review": review}, nil
}

func downloadReport(c *call) (any, error) {
	r, ok := c.reports.things[c.id]
	if !ok {
		return nil, notFound()
	}
	return file{name: r.ID + ".md", media: "text/markdown; charset=utf-8", text: "# " + r.Title + "\n\n" + r.Summary + "\n"}, nil
}
