package hookshop

import "github.com/halberdhq/halberd/guard"

// Routes is what each call asks of a key. A route that is not here is refused.
func Routes() guard.Routes {
	read, write, admin := guard.Rule{Scope: "read"}, guard.Rule{Scope: "write"}, guard.Rule{Scope: "admin"}
	return guard.Routes{
		"GET /healthz": {Open: true},

		// Webhooks (S3-29, S3-30).
		"GET /api/sources":                 read,
		"GET /api/sources/{id}":            read,
		"POST /api/sources":                write,
		"PATCH /api/sources/{id}":          write,
		"DELETE /api/sources/{id}":         write,
		"GET /api/destinations":            read,
		"GET /api/destinations/{id}":       read,
		"POST /api/destinations":           write,
		"PATCH /api/destinations/{id}":     write,
		"DELETE /api/destinations/{id}":    write,
		"GET /api/routes":                  read,
		"GET /api/routes/{id}":             read,
		"POST /api/routes":                 write,
		"PATCH /api/routes/{id}":           write,
		"DELETE /api/routes/{id}":          write,
		"GET /api/events":                  read,
		"GET /api/events/{id}":             read,
		"GET /api/deliveries":              read,
		"GET /api/deliveries/{id}":         read,
		"POST /api/deliveries/{id}/replay": write,
		"GET /api/analytics":               read,
		"GET /api/tunnels":                 read,
		"POST /api/tunnels":                write,
		"PATCH /api/tunnels/{id}":          write,
		"DELETE /api/tunnels/{id}":         write,

		// Engagements, all or some (S1-05 to S1-08, S1-30). Lists show what the
		// key's resources allow, and so does the engagement of a runbook, which no
		// path names: those handlers look at the resources themselves.
		"GET /api/engagements":         {Scope: "read", Filters: true},
		"GET /api/engagements/{id}":    {Scope: "read", Resource: "engagement/{id}"},
		"PATCH /api/engagements/{id}":  {Scope: "write", Resource: "engagement/{id}"},
		"GET /api/runbooks":            {Scope: "read", Filters: true},
		"POST /api/runbooks/{id}/runs": {Scope: "write", Filters: true},
		"GET /api/runs":                {Scope: "read", Filters: true},

		// Projects (S0-17 to S0-19).
		"GET /api/projects":         read,
		"GET /api/projects/{id}":    read,
		"POST /api/projects":        write,
		"PATCH /api/projects/{id}":  write,
		"DELETE /api/projects/{id}": admin, // nothing brings it back
		"GET /api/experiments":      read,
		"GET /api/tests":            read,
		"POST /api/tests/{id}/run":  write,
		"GET /api/results":          read,
		"GET /api/findings":         read,
		"PATCH /api/findings/{id}":  write,
		"GET /api/users":            admin,
		"POST /api/users":           admin,

		// Reviews (S4-01).
		"GET /api/reviews":               read,
		"POST /api/reviews":              write,
		"GET /api/reports":               read,
		"GET /api/reports/{id}":          read,
		"GET /api/reports/{id}/download": read,
	}
}
