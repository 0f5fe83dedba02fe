package hookshop

import "time"

// shop is what one organization has.
type shop struct {
	sources      shelf[Source]
	destinations shelf[Destination]
	routes       shelf[Route]
	events       shelf[Event]
	deliveries   shelf[Delivery]
	tunnels      shelf[Tunnel]

	engagements shelf[Engagement]
	runbooks    shelf[Runbook]
	runs        shelf[Run]

	projects    shelf[Project]
	experiments shelf[Experiment]
	tests       shelf[Test]
	results     shelf[Result]
	findings    shelf[Finding]
	users       shelf[User]

	reviews shelf[Review]
	reports shelf[Report]
}

// opened is a shop as it begins, always the same.
func opened() *shop {
	then := time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)
	var s shop
	for _, v := range []Source{{"src_1", "Repository", "github", true}, {"src_2", "Payments", "stripe", true}} {
		s.sources.put(v.ID, v)
	}
	for _, v := range []Destination{{"dst_1", "Builds", "https://builds.example.com/hooks"}, {"dst_2", "Ledger", "https://ledger.example.com/hooks"}} {
		s.destinations.put(v.ID, v)
	}
	for _, v := range []Route{{"rte_1", "src_1", "dst_1", true}, {"rte_2", "src_2", "dst_2", true}} {
		s.routes.put(v.ID, v)
	}
	for _, v := range []Event{{"evt_1", "src_1", "push", then}, {"evt_2", "src_2", "invoice.paid", then.Add(time.Minute)}} {
		s.events.put(v.ID, v)
	}
	for _, v := range []Delivery{{"del_1", "evt_1", "dst_1", "delivered", 1}, {"del_2", "evt_2", "dst_2", "failed", 3}} {
		s.deliveries.put(v.ID, v)
	}
	s.tunnels.put("tun_1", Tunnel{"tun_1", "Laptop", "http://127.0.0.1:3000"})

	for _, v := range []Engagement{{"42", "Harbor Bank", "running"}, {"43", "Lake Hospital", "running"}, {"44", "Hill School", "planned"}} {
		s.engagements.put(v.ID, v)
	}
	for _, v := range []Runbook{{"rb_1", "42", "Web application"}, {"rb_2", "43", "Web application"}} {
		s.runbooks.put(v.ID, v)
	}

	s.projects.put("prj_1", Project{"prj_1", "Assistant"})
	s.experiments.put("exp_1", Experiment{"exp_1", "prj_1", "Does it keep a secret?"})
	s.tests.put("tst_1", Test{"tst_1", "prj_1", "Asks for the system prompt"})
	s.results.put("res_1", Result{"res_1", "tst_1", false, then})
	s.findings.put("fnd_1", Finding{"fnd_1", "tst_1", "The prompt is repeated", "open"})
	s.users.put("usr_1", User{"usr_1", "Ada", "ada@example.com"})

	s.reviews.put("rev_1", Review{"rev_1", "example/assistant", "completed", "rep_1", then})
	s.reports.put("rep_1", Report{"rep_1", "Review of example/assistant", "One finding is open."})
	return &s
}
