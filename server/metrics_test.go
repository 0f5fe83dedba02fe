package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scrape is what Prometheus would read.
func scrape(t *testing.T, p *process) string {
	t.Helper()
	return private(t, filepath.Join(p.dir, "private.sock"), "/metrics").body
}

// ofNodes are the metrics that only nodes of a shared database have.
func ofNodes() []string {
	return []string{
		"halberd_clock_ahead_seconds", "halberd_lease_remaining_seconds", "halberd_nodes", "halberd_revisions_behind", "halberd_sealed",
		"halberd_propagation_wait_seconds", "halberd_propagation_unconfirmed_total",
	}
}

// busy is a server that has done a little of everything.
func busy(t *testing.T) *process {
	t.Helper()
	p := serve(t, shortDir(t), "--otlp-endpoint", receive(t).URL)
	m := p.create("distinctive-label")
	p.wants(m, "VALID")
	p.call("GET", "/v1/auth/forward?scopes=read", m.secret, "")
	p.call("GET", "/v1/auth/nginx", "", "")
	p.call("GET", "/v1/auth/envoy/distinctive/path", m.secret, "")
	p.call("GET", "/v1/nowhere/distinctive", m.secret, "")
	p.call("GET", "/distinctive", "", "")
	return p
}

// The page lists what /metrics has, with its labels, and its alerts are made of
// nothing else.
func TestThePageOfMetricsIsWhatIsScraped(t *testing.T) {
	page, err := os.ReadFile("../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	text := scrape(t, busy(t))
	labels := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^# HELP (halberd_\w+)`).FindAllStringSubmatch(text, -1) {
		labels[m[1]] = nil
	}
	parts := regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, m := range regexp.MustCompile(`(?m)^(halberd_\w+)\{([^}]*(?:\{key_id\}[^}]*)?)\}`).FindAllStringSubmatch(text, -1) {
		name := m[1]
		if _, is := labels[name]; !is {
			name = parts.ReplaceAllString(name, "")
		}
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels[name], l[1]) && l[1] != "le" {
				labels[name] = append(labels[name], l[1])
			}
		}
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(halberd_\\w+)(?:\\{([^}]*)\\})?`").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
		have, is := labels[m[1]]
		if slices.Contains(ofNodes(), m[1]) {
			continue
		}
		if !is {
			t.Errorf("%s is on the page and not scraped", m[1])
			continue
		}
		said := strings.FieldsFunc(m[2], func(c rune) bool { return c == ',' })
		slices.Sort(said)
		slices.Sort(have)
		if !slices.Equal(said, have) {
			t.Errorf("%s has the labels %q, and the page says %q", m[1], have, said)
		}
	}
	for name := range labels {
		if !listed[name] {
			t.Errorf("%s is scraped and not on the page", name)
		}
	}
	for _, name := range regexp.MustCompile(`halberd_\w+`).FindAllString(string(page), -1) {
		if !listed[name] && !listed[parts.ReplaceAllString(name, "")] {
			t.Errorf("the page speaks of %s, which is none", name)
		}
	}
}

// however many keys, projects and callers there are, there are as many
// series, and nobody is named in them.
func TestNobodyIsNamedInAMetric(t *testing.T) {
	p := busy(t)
	before := strings.Count(scrape(t, p), "\n")
	admin := adminKey(t, p.dir)
	a := p.ok("POST", "/v1/projects", admin, `{"name":"distinctive-project","key_prefix":"dstnct"}`)
	project := a.text("data", "project_id")
	for i := range 15 {
		a := p.ok("POST", "/v1/api-keys", admin, fmt.Sprintf(
			`{"label":"distinctive-%d","external_id":"distinctive-customer-%d","project_id":%q,"metadata":{"distinctive":"x"},"rate_limits":[{"name":"distinctive","limit":5,"window_seconds":60}]}`, i, i, project))
		secret := a.text("data", "key")
		p.ok("POST", "/v1/api-keys/verify", admin, `{"key":"`+secret+`"}`)
		p.call("GET", "/v1/auth/forward?scopes=read&project="+project, secret, "", "User-Agent", "distinctive-agent", "X-Request-Id", "distinctive-id")
		p.call("GET", fmt.Sprintf("/v1/auth/envoy/distinctive/%d", i), secret, "")
		p.call("GET", fmt.Sprintf("/v1/nowhere/distinctive/%d", i), secret, "")
		p.call("GET", fmt.Sprintf("/distinctive/%d", i), "", "")
		p.call(fmt.Sprintf("DISTINCTIVE%d", i), "/v1/api-keys", secret, "")
		p.ok("GET", "/v1/api-keys/"+a.text("data", "key_id"), admin, "")
	}
	text := scrape(t, p)
	for line := range strings.Lines(text) {
		for _, never := range []string{"distinctive", "DISTINCTIVE", "dstnct", "prj_", "org_", "127.0.0.1"} {
			if strings.Contains(line, never) {
				t.Errorf("%q in %s", never, line)
			}
		}
		if strings.Contains(strings.ReplaceAll(line, "{key_id}", ""), "key_") {
			t.Errorf("a key in %s", line)
		}
	}
	// Some routes were asked for the first time: each is one series and a histogram
	// at most.
	if more := strings.Count(text, "\n") - before; more > 60 {
		t.Errorf("%d more lines", more)
	}
	if !strings.Contains(text, `halberd_door_answers_total{door="forward",status="200"} 1`) {
		t.Error("the doors do not count")
	}
}
