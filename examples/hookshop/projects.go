package hookshop

import (
	"slices"
	"time"
)

// Project is what is tested.
type Project struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type projectFields struct {
	Name *string `json:"name"`
}

func (f projectFields) into(_ *shop, p *Project) error {
	set(&p.Name, f.Name)
	return named("name", p.Name)
}

func projects() kind[Project] {
	return kind[Project]{
		one: "project", many: "projects", prefix: "prj_",
		of:    func(s *shop) *shelf[Project] { return &s.projects },
		fresh: func(id string) Project { return Project{ID: id} },
		used: func(s *shop, id string) bool {
			return slices.ContainsFunc(s.tests.all(), func(t Test) bool { return t.ProjectID == id }) ||
				slices.ContainsFunc(s.experiments.all(), func(e Experiment) bool { return e.ProjectID == id })
		},
	}
}

// Experiment is a question about a project.
type Experiment struct {
	ID        string `json:"id"`
	ProjectID string `json:"projectId"`
	Name      string `json:"name"`
}

func experiments() kind[Experiment] {
	return kind[Experiment]{one: "experiment", many: "experiments", of: func(s *shop) *shelf[Experiment] { return &s.experiments }}
}

// Test asks it.
type Test struct {
	ID        string `json:"id"`
	ProjectID string `json:"projectId"`
	Name      string `json:"name"`
}

func tests() kind[Test] {
	return kind[Test]{one: "test", many: "tests", of: func(s *shop) *shelf[Test] { return &s.tests }}
}

// Result is what a test said when it ran.
type Result struct {
	ID     string    `json:"id"`
	TestID string    `json:"testId"`
	Passed bool      `json:"passed"`
	RanAt  time.Time `json:"ranAt"`
}

func results() kind[Result] {
	return kind[Result]{
		one: "result", many: "results", prefix: "res_",
		of:    func(s *shop) *shelf[Result] { return &s.results },
		fresh: func(id string) Result { return Result{ID: id} },
	}
}

// runTest runs a test: it passes unless something it found is still open.
func runTest(c *call) (any, error) {
	if _, ok := c.tests.things[c.id]; !ok {
		return nil, notFound()
	}
	result, err := results().add(c.shop, func(r *Result) error {
		r.TestID, r.RanAt = c.id, c.api.stamp()
		r.Passed = !slices.ContainsFunc(c.findings.all(), func(f Finding) bool { return f.TestID == c.id && f.Status == "open" })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"result": result}, nil
}

// Finding is what a test found.
type Finding struct {
	ID     string `json:"id"`
	TestID string `json:"testId"`
	Title  string `json:"title"`
	Status string `json:"status"` // open, fixed, accepted
}

type findingFields struct {
	Status *string `json:"status"`
}

func (f findingFields) into(_ *shop, to *Finding) error {
	set(&to.Status, f.Status)
	if !slices.Contains([]string{"open", "fixed", "accepted"}, to.Status) {
		return invalid("status", "must be open, fixed or accepted")
	}
	return nil
}

func findings() kind[Finding] {
	return kind[Finding]{one: "finding", many: "findings", of: func(s *shop) *shelf[Finding] { return &s.findings }}
}
