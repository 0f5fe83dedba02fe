package hookshop

import "net/http"

// calls is who answers each route.
func (a *api) calls() map[string]http.Handler {
	const ok, created, accepted = http.StatusOK, http.StatusCreated, http.StatusAccepted
	return map[string]http.Handler{
		"GET /healthz": http.HandlerFunc(healthy),

		"GET /api/sources":                 answers(a, ok, list(sources())),
		"GET /api/sources/{id}":            answers(a, ok, get(sources())),
		"POST /api/sources":                takes(a, created, create[Source, sourceFields](sources())),
		"PATCH /api/sources/{id}":          takes(a, ok, update[Source, sourceFields](sources())),
		"DELETE /api/sources/{id}":         answers(a, ok, remove(sources())),
		"GET /api/destinations":            answers(a, ok, list(destinations())),
		"GET /api/destinations/{id}":       answers(a, ok, get(destinations())),
		"POST /api/destinations":           takes(a, created, create[Destination, destinationFields](destinations())),
		"PATCH /api/destinations/{id}":     takes(a, ok, update[Destination, destinationFields](destinations())),
		"DELETE /api/destinations/{id}":    answers(a, ok, remove(destinations())),
		"GET /api/routes":                  answers(a, ok, list(routes())),
		"GET /api/routes/{id}":             answers(a, ok, get(routes())),
		"POST /api/routes":                 takes(a, created, create[Route, routeFields](routes())),
		"PATCH /api/routes/{id}":           takes(a, ok, update[Route, routeFields](routes())),
		"DELETE /api/routes/{id}":          answers(a, ok, remove(routes())),
		"GET /api/events":                  answers(a, ok, list(events())),
		"GET /api/events/{id}":             answers(a, ok, get(events())),
		"GET /api/deliveries":              answers(a, ok, list(deliveries())),
		"GET /api/deliveries/{id}":         answers(a, ok, get(deliveries())),
		"POST /api/deliveries/{id}/replay": answers(a, ok, replay),
		"GET /api/analytics":               answers(a, ok, analytics),
		"GET /api/tunnels":                 answers(a, ok, list(tunnels())),
		"POST /api/tunnels":                takes(a, created, create[Tunnel, tunnelFields](tunnels())),
		"PATCH /api/tunnels/{id}":          takes(a, ok, update[Tunnel, tunnelFields](tunnels())),
		"DELETE /api/tunnels/{id}":         answers(a, ok, remove(tunnels())),

		"GET /api/engagements":         answers(a, ok, listEngagements),
		"GET /api/engagements/{id}":    answers(a, ok, get(engagements())),
		"PATCH /api/engagements/{id}":  takes(a, ok, update[Engagement, engagementFields](engagements())),
		"GET /api/runbooks":            answers(a, ok, listRunbooks),
		"POST /api/runbooks/{id}/runs": takes(a, accepted, startRun),
		"GET /api/runs":                answers(a, ok, listRuns),

		"GET /api/projects":         answers(a, ok, list(projects())),
		"GET /api/projects/{id}":    answers(a, ok, get(projects())),
		"POST /api/projects":        takes(a, created, create[Project, projectFields](projects())),
		"PATCH /api/projects/{id}":  takes(a, ok, update[Project, projectFields](projects())),
		"DELETE /api/projects/{id}": answers(a, ok, remove(projects())),
		"GET /api/experiments":      answers(a, ok, list(experiments())),
		"GET /api/tests":            answers(a, ok, list(tests())),
		"POST /api/tests/{id}/run":  answers(a, created, runTest),
		"GET /api/results":          answers(a, ok, list(results())),
		"GET /api/findings":         answers(a, ok, list(findings())),
		"PATCH /api/findings/{id}":  takes(a, ok, update[Finding, findingFields](findings())),
		"GET /api/users":            answers(a, ok, list(users())),
		"POST /api/users":           takes(a, created, create[User, userFields](users())),

		"GET /api/reviews":               answers(a, ok, list(reviews())),
		"POST /api/reviews":              takes(a, created, triggerReview),
		"GET /api/reports":               answers(a, ok, list(reports())),
		"GET /api/reports/{id}":          answers(a, ok, get(reports())),
		"GET /api/reports/{id}/download": answers(a, ok, downloadReport),
	}
}
