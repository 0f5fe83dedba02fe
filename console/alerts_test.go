package console_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/halberdhq/halberd"
)

// alertRows are about alerts: what is open, what was, and what is looked for.
func alertRows() []rowTest {
	return []rowTest{
		{rows: "S1-24", check: alertsTab},
		{rows: "S1-24 what the rule saw", check: linesOfAlerts},
		{rows: "S1-24 rules", check: alertRules},
		{rows: "S1-24 without scripts", check: alertsWithoutScripts},
		{rows: "S1-24 looking only", check: alertsOfAReader},
		{rows: "A-94 in alerts", check: payloadsInAlerts},
	}
}

// minute files what was counted under this minute, and lets one pass.
func (s *site) minute() {
	s.T.Helper()
	if _, err := s.Usage(s.Ctx(), s.Admin, halberd.UsageQuery{}); err != nil {
		s.T.Fatal(err)
	}
	s.Clock.Pass(time.Minute)
	if err := s.EvaluateAlerts(s.Ctx()); err != nil {
		s.T.Fatal(err)
	}
}

// endedInUse is a revoked key that somebody still uses, as far as an alert of it.
func (s *site) endedInUse(by halberd.Actor, name string) halberd.Changed {
	s.T.Helper()
	k, err := s.Create(s.Ctx(), by, halberd.NewKey{Name: name})
	if err != nil {
		s.T.Fatal(err)
	}
	s.minute()
	if _, err := s.Revoke(s.Ctx(), by, k.Key.ID, "", 0); err != nil {
		s.T.Fatal(err)
	}
	s.Code(k.Secret)
	s.Code(k.Secret)
	s.minute()
	return k
}

// alertOf is the only alert of a key, as /v1 tells it.
func (s *site) alertOf(k halberd.Changed) map[string]any {
	s.T.Helper()
	list := s.listed("/v1/alerts?key_id=" + k.Key.ID.String())
	if len(list) != 1 {
		s.T.Fatalf("%d alerts: %v", len(list), list)
	}
	return list[0]
}

func (s *site) ruleOf(kind string) map[string]any {
	s.T.Helper()
	for _, r := range s.listed("/v1/alert-rules") {
		if r["kind"] == kind {
			return r
		}
	}
	s.T.Fatalf("there is no rule of %s", kind)
	return nil
}

func alertsTab(p *tab) {
	k := p.endedInUse(p.Admin, "Old deploy")
	p.visit("/settings/api-keys")
	p.press("Alerts 1 open", true)
	if got := p.text(".tabs [aria-current]"); got != "Alerts 1 open" {
		p.T.Errorf("the open tab is %q", got)
	}
	p.says("Open 1", "Ended key in use", "Old deploy: It was revoked and is still being used: 2 checks were refused", "8 of 8 on", "Many checks refused", "Unusual volume", "Nothing is over yet")
	p.accessible()
	p.press("Acknowledge Ended key in use, Old deploy", true)
	p.says("Acknowledged. It resolves by itself", "Acknowledged by Ana Duarte")
	if a := p.alertOf(k); a["state"] != "acknowledged" || p.text(".tabs [aria-current]") != "Alerts" {
		p.T.Errorf("the API says %v, the tab %q", a, p.text(".tabs [aria-current]"))
	}
	p.press("Silence Ended key in use, Old deploy", true)
	p.says("Silenced until")
	if a := p.alertOf(k); a["silenced_until"] != p.Clock.Now().Add(24*time.Hour).Format(time.RFC3339) {
		p.T.Errorf("the API says %v", a)
	}
	p.press("End the silence of Ended key in use, Old deploy", true)
	if a := p.alertOf(k); a["silenced_until"] != nil {
		p.T.Errorf("the API says %v", a)
	}
	p.press("Ended key in use", true)
	p.says("Checks around the alert", "Ended or off 2", "Raised 10:32", "1 use of a revoked or expired key within 1 minute", "Acknowledged")
	p.accessible()
	row := script[string](p, `(() => {
		const refused = [...document.querySelector('.chart').querySelectorAll('.bar')].filter(b => b.querySelector('.v-dead, [fill*=dead]'));
		return refused.length === 1 ? document.querySelector(refused[0].getAttribute('href')).innerText : 'there are ' + refused.length;
	})()`)
	if !strings.HasPrefix(row, "15 Jan 10:31") || !strings.Contains(row, "2") {
		p.T.Errorf("the bar leads to %q", row)
	}
	for range 62 {
		p.Clock.Pass(time.Minute)
	}
	p.minute()
	p.signIn()
	p.visit("/configuration/alerts")
	p.says("Nothing is wrong", "Resolved by itself", "acknowledged by Ana Duarte", "1 hour")
	p.press("Old deploy", true)
	p.press("Of this key", true)
	p.says("Old deploy only", "Ended key in use")
	p.press("Ended key in use", true)
	p.says("Resolved", "Checks around the alert")
	p.silent("Acknowledge Ended")
	if a := p.alertOf(k); a["state"] != "resolved" {
		p.T.Errorf("the API says %v", a)
	}
}

// linesOfAlerts: what a rule looked at is drawn against what it was held against,
// said without a pointer, and stands in the table.
func linesOfAlerts(p *tab) {
	busy, broken := p.Make(halberd.NewKey{Name: "Busy"}), p.Make(halberd.NewKey{Name: "Broken"})
	from := func(address, agent string) {
		_, _ = p.Verify(p.Ctx(), halberd.Check{Secret: busy.Secret, ClientIP: netip.MustParseAddr(address), UserAgent: agent})
	}
	from("203.0.113.7", "billing-worker/2.14")
	p.minute()
	p.Clock.Pass(15*24*time.Hour + 30*time.Minute)
	for i := range 34 {
		n := 4
		if i > 30 {
			n = 60
		}
		for range n {
			p.Code(busy.Secret)
		}
		if i > 28 {
			for range 6 {
				p.Code(broken.Secret)
				_, _ = p.Verify(p.Ctx(), halberd.Check{Secret: broken.Secret, Scopes: []halberd.Scope{"admin"}})
			}
		}
		p.minute()
	}
	p.signIn()
	at := func(kind string) string {
		for _, a := range p.listed("/v1/alerts") {
			if a["kind"] == kind {
				return "/settings/alerts/" + a["alert_id"].(string) //nolint:forcetypeassert // a text in /v1
			}
		}
		p.T.Fatalf("there is no alert of %s", kind)
		return ""
	}
	// The line's height among the ticks, in the plot's own numbers.
	const height = `(() => {
		const chart = document.querySelector('.bound').closest('.chart'), y = +chart.querySelector('.bound line').getAttribute('y1');
		const ticks = [...chart.querySelectorAll('.chart__y text')].map(t => [+t.getAttribute('y') - 4, +t.textContent]), [a, b] = [ticks[0], ticks.at(-1)];
		return (y - a[0]) / (b[0] - a[0]) * (b[1] - a[1]);
	})()`
	const readout = `(() => {
		const line = document.querySelector('.bound');
		line.focus();
		return document.activeElement === line && getComputedStyle(line.querySelector('.readout')).visibility === 'visible' ? line.getAttribute('aria-label') : 'nothing';
	})()`
	p.visit(at("error_share"))
	p.says("Refused within 15 minutes", "Rule: 50 %", "Found 50.0 %", "Threshold 50 %", "Within 15 minutes")
	if got := script[float64](p, height); got < 49.9 || got > 50.1 {
		p.T.Errorf("the line is at %v of 50", got)
	}
	if got := script[string](p, readout); got != "Rule: 50 %, the dashed line" {
		p.T.Errorf("focus on the line says %q", got)
	}
	// Its 20 checks are there from the second minute on: before, a share says nothing.
	if got := script[string](p, `[...document.querySelectorAll('tbody tr')].filter(r => r.cells[7].textContent !== '0 %').map(r => r.cells[7].textContent + (r.querySelector('.mark--bad') ? '!' : '')).join(' ')`); got != "50.0 %! 50.0 %! 50.0 %! 50.0 %! 50.0 %! 50.0 %" {
		p.T.Errorf("the table says %q", got)
	}
	if n := script[int](p, `document.querySelectorAll('#m-end').length && [...document.querySelectorAll('.bar [fill*="m-dead"]')].length`); n != 5 {
		p.T.Errorf("%d bars are marked", n)
	}
	p.accessible()
	p.visit(at("volume"))
	p.says("Checks around the alert", "Usual: 4", "Found", "Usual 4 a minute", "Above usual")
	if got := script[float64](p, height); got < 3 || got > 5 {
		p.T.Errorf("the line is at %v of 4", got)
	}
	if got := script[string](p, readout); got != "Usual: 4, the dashed line" {
		p.T.Errorf("focus on the line says %q", got)
	}
	if n := script[int](p, `document.querySelectorAll('.chart').length`); n != 1 {
		p.T.Errorf("%d plots", n)
	}
	p.accessible()
	from("198.51.100.9", "billing-worker/2.15")
	p.minute()
	p.visit("/settings/api-keys/" + busy.Key.ID.String())
	p.says("203.0.113.0/24 Network 15 Jan 2024 billing-worker Program 15 Jan 2024 198.51.100.0/24 Network 30 Jan 2024 New")
	p.accessible()
}

func alertRules(p *tab) {
	k := p.Make(halberd.NewKey{Name: "Exporter"})
	made, err := p.CreateWebhook(p.Ctx(), p.Admin, halberd.NewWebhook{URL: endpoint})
	if err != nil {
		p.T.Fatal(err)
	}
	p.visit("/settings/api-keys/" + k.Key.ID.String())
	p.press("Make it a rule", true)
	p.accessible()
	p.press("Many checks refused", true)
	p.accessible()
	p.fill("From", "101")
	p.fill("Within", "20")
	p.choose("RATE_LIMITED")
	p.choose(endpoint)
	p.press("Create rule", true)
	p.says("Not saved", "Threshold must be from 1 to 100 percent.")
	p.fill("From", "12,5")
	p.press("Create rule", true)
	p.says("The rule “Many checks refused” is made.", "12.5 % of its checks refused within 20 minutes, as RATE_LIMITED")
	var own map[string]any
	for _, r := range p.listed("/v1/alert-rules") {
		if r["threshold"] == 12.5 {
			own = r
		}
	}
	scope, _ := own["scope"].(map[string]any)
	if own == nil || own["window_seconds"] != 1200.0 || scope["key_id"] != k.Key.ID.String() || own["active"] != true ||
		!slices.Equal(own["channels"].([]any), []any{made.Webhook.ID.String()}) || !slices.Equal(own["reasons"].([]any), []any{"RATE_LIMITED"}) { //nolint:forcetypeassert // lists in /v1
		p.T.Fatalf("the API says %v", own)
	}
	at := "/settings/alert-rules/" + own["alert_rule_id"].(string) //nolint:forcetypeassert // a text in /v1
	p.press("Edit Many checks refused, Exporter", true)
	p.accessible()
	if got := p.where(); got != at {
		p.T.Errorf("at %s", got)
	}
	p.fill("From", "30")
	p.choose(endpoint) // no more
	p.choose("On")
	p.press("Save", true)
	p.says("Saved. The next minute is judged by it.", "8 of 9 on")
	other := p.tab(p.browser)
	other.signIn()
	other.visit(at)
	p.press("Switch on Many checks refused, Exporter", true)
	p.says("“Many checks refused” is on.")
	other.press("Save", true) // of what it was before
	other.says("Not saved", "It was changed meanwhile")
	if r := p.api("/v1" + strings.TrimPrefix(at, "/settings")); r["threshold"] != 30.0 || r["active"] != true || len(r["channels"].([]any)) != 0 { //nolint:forcetypeassert // a list in /v1
		p.T.Errorf("the API says %v", r)
	}
	p.visit(at)
	p.press("Delete rule", true)
	p.says("is deleted", "8 of 8 on")
	if n := len(p.listed("/v1/alert-rules")); n != 8 {
		p.T.Errorf("the API lists %d rules", n)
	}
}

func alertsWithoutScripts(p *tab) {
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	k := p.endedInUse(p.Admin, "Old deploy")
	p.visit("/settings/alerts")
	p.press("Silence Ended key in use, Old deploy", true)
	p.says("Silenced until")
	p.press("Acknowledge Ended key in use, Old deploy", true)
	if a := p.alertOf(k); a["state"] != "acknowledged" || a["silenced_until"] == nil {
		p.T.Errorf("the API says %v", a)
	}
	p.press("Switch off Unused, Every key", true)
	if r := p.ruleOf("unused"); r["active"] != false {
		p.T.Errorf("the API says %v", r)
	}
	for _, kind := range halberd.AlertKinds() { // each as it is by default
		p.visit("/settings/alert-rules/new?kind=" + string(kind))
		p.press("Create rule", true)
		p.says("is made.")
	}
	if n := len(p.listed("/v1/alert-rules")); n != 16 {
		p.T.Errorf("the API lists %d rules", n)
	}
	p.press("Edit Unused, Every key", true)
	p.fill("For", "45")
	p.press("Save", true)
	p.press("Edit Unused, Every key", true)
	p.press("Delete rule", true)
	if n := len(p.listed("/v1/alert-rules")); n != 15 {
		p.T.Errorf("the API lists %d rules", n)
	}
}

// alertsOfAReader: who may only look sees all of it and no button, and what they
// send by hand is refused by the gate.
func alertsOfAReader(p *tab) {
	k := p.endedInUse(p.Admin, "Old deploy")
	p.joins("mei@waypost.example", "Mei Okafor", halberd.ScopeRead)
	p = p.tab(p.browser)
	p.enters("mei@waypost.example", password)
	p.visit("/settings/alerts")
	p.says("Ended key in use", "Old deploy", "Unusual volume")
	alert, rule := p.alertOf(k), p.ruleOf("unused")
	at := "/settings/alerts/" + alert["alert_id"].(string)             //nolint:forcetypeassert // a text in /v1
	ruled := "/settings/alert-rules/" + rule["alert_rule_id"].(string) //nolint:forcetypeassert // a text in /v1
	for _, page := range []string{"/settings/alerts", at} {
		p.visit(page)
		if n := script[int](p, `document.querySelectorAll('main form, main button:not([data-copy]):not([disabled]), main a[href*=alert-rules]').length`); n != 0 {
			p.T.Errorf("%s has %d things to press", page, n)
		}
	}
	v := p.visitor()
	for _, c := range p.cookies() {
		v.hold(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	for _, page := range []string{"/settings/alert-rules/new", ruled} {
		if got := v.get(page); got.status != http.StatusForbidden {
			p.T.Errorf("%s: %d", page, got.status)
		}
	}
	for _, page := range []string{at + "/acknowledge", at + "/silence", "/settings/alert-rules/new", ruled, ruled + "/state", ruled + "/delete"} {
		if got := v.post(page, url.Values{"for": {"1d"}, "kind": {"unused"}, "active": {"false"}, "version": {"1"}}); got.status != http.StatusForbidden {
			p.T.Errorf("%s: %d", page, got.status)
		}
	}
	if after := p.alertOf(k); after["state"] != "open" || after["silenced_until"] != nil || len(p.listed("/v1/alert-rules")) != 8 || p.ruleOf("unused")["active"] != true {
		p.T.Errorf("the API says %v", after)
	}
}

func payloadsInAlerts(p *tab) {
	for _, text := range hostile {
		k := p.endedInUse(p.Admin, text)
		a := p.alertOf(k)
		for _, at := range []string{"/settings/alerts", "/settings/alerts/" + a["alert_id"].(string), "/settings/alerts?key=" + k.Key.ID.String()} { //nolint:forcetypeassert // a text in /v1
			p.shows(at, strings.Join(strings.Fields(text), " "))
		}
		p.shows("/settings/alert-rules/new?kind=unused&scope=" + k.Key.ID.String())
		if got := p.text("#scope option:checked"); got != "Only "+strings.Join(strings.Fields(text), " ") {
			p.T.Errorf("the form says %q", got)
		}
	}
	p.visit("/settings/alert-rules/new?kind=error_share")
	script[bool](p, `(document.querySelector('#threshold').value = `+jsText(hostile[1])+`, document.querySelector('#window').value = `+jsText(hostile[1])+`, true)`)
	p.press("Create rule", true)
	p.says("Not saved", "Enter a number", "Enter whole minutes")
	p.inert()
	if got := script[string](p, `document.querySelector('#threshold').value + document.querySelector('#window').value`); got != hostile[1]+hostile[1] {
		p.T.Errorf("the form has %q", got)
	}
	p.shows("/settings/alert-rules/new?kind=" + url.QueryEscape(hostile[1]))
	p.shows("/settings/alerts?key=" + url.QueryEscape(hostile[1]))
}

// TestAlertsOfAnotherOrganization are not there.
func TestAlertsOfAnotherOrganization(t *testing.T) {
	s := newSite(t)
	s.member()
	k := s.endedInUse(s.Admin, "Ours")
	other, err := s.CreateOrganization(s.Ctx(), s.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Organization: other.ID, Email: "eve@other.example", Role: halberd.ScopeAdmin})
	if err == nil {
		_, err = s.Accept(s.Ctx(), in.Secret, "Eve", password, halberd.Request{})
	}
	if err != nil {
		t.Fatal(err)
	}
	v := s.visitor()
	v.signIn("eve@other.example", password)
	alert, rule := s.alertOf(k)["alert_id"].(string), s.ruleOf("unused")["alert_rule_id"].(string) //nolint:forcetypeassert // texts in /v1
	if got := v.get("/settings/alerts"); got.status != http.StatusOK || strings.Contains(got.body, "Ours") || strings.Contains(got.body, rule) {
		t.Errorf("%d, and it shows what is another's", got.status)
	}
	for _, at := range []string{"/settings/alerts/" + alert, "/settings/alert-rules/" + rule, "/settings/alerts?key=" + k.Key.ID.String(), "/settings/alerts/nothing", "/settings/alert-rules/nothing"} {
		if got := v.get(at); got.status != http.StatusNotFound && got.status != http.StatusForbidden {
			t.Errorf("%s: %d", at, got.status)
		}
	}
	for _, at := range []string{"/settings/alerts/" + alert + "/acknowledge", "/settings/alerts/" + alert + "/silence", "/settings/alert-rules/" + rule, "/settings/alert-rules/" + rule + "/delete"} {
		if got := v.post(at, url.Values{"for": {"1d"}, "version": {"1"}}); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", at, got.status)
		}
	}
}
