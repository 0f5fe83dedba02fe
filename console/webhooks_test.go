package console_test

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/chromedp/cdproto/emulation"

	"github.com/halberdhq/halberd"
)

// webhookRows are about webhooks and what became of what was sent to them.
func webhookRows() []rowTest {
	return []rowTest{
		{rows: "webhooks", check: webhooks},
		{rows: "webhooks without scripts", check: webhooksWithoutScripts},
		{rows: "webhooks of others", check: webhooksOfOthers},
		{rows: "A-94 in webhooks", check: payloadsInWebhooks},
	}
}

const endpoint = "https://93.184.216.34/hooks" // judged as it stands: no resolver is asked, and nothing is sent

// delivered relays what happened and lets every delivery that is due end so.
func (s *site) delivered(a halberd.Attempt) {
	s.T.Helper()
	for more := true; more; {
		var err error
		if _, more, err = s.Relay(s.Ctx()); err != nil {
			s.T.Fatal(err)
		}
	}
	list, err := s.DueDeliveries(s.Ctx(), halberd.Delivery{}, s.Now(), 1000)
	if err != nil {
		s.T.Fatal(err)
	}
	a.At = s.Now()
	for _, d := range list {
		if err := s.FinishDelivery(s.Ctx(), d.ID, a); err != nil {
			s.T.Fatal(err)
		}
	}
}

// hook is the only webhook, as /v1 tells it.
func (s *site) hook() (id string, h map[string]any) {
	s.T.Helper()
	list := s.listed("/v1/webhooks")
	if len(list) != 1 {
		s.T.Fatalf("%d webhooks: %v", len(list), list)
	}
	id, _ = list[0]["webhook_id"].(string)
	return id, list[0]
}

func (p *tab) checkSecret(former string) string {
	p.T.Helper()
	secret := p.text("#secret")
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != 50 || secret == former {
		p.T.Fatalf("the page shows %d characters that are no new secret", len(secret))
	}
	return secret
}

func webhooks(p *tab) {
	p.visit("/settings/api-keys")
	p.press("Webhooks", true)
	p.says("No webhook")
	p.accessible()
	p.press("Create webhook", true)
	p.accessible()
	for _, bad := range []string{"http://localhost/x", "https://127.0.0.1/x", "not an address"} {
		p.fill("Address", bad)
		p.press("Create webhook", true)
		p.says("Not saved", "Endpoint must be a valid HTTPS URL")
	}
	p.fill("Address", endpoint)
	p.fill("Events", "key.*\nnothing.*")
	p.press("Create webhook", true)
	p.says("Not saved", "Events must be types of events")
	p.fill("Events", "key.*")
	p.press("Create webhook", true)
	p.says("Store the signing secret now", "shown only once", "Nothing was sent yet")
	p.accessible()
	secret := p.checkSecret("")
	id, h := p.hook()
	if h["url"] != endpoint || h["active"] != true {
		p.T.Errorf("the API says %v", h)
	}
	at := "/settings/webhooks/" + id
	for _, page := range []string{at, at + "/edit", "/settings/webhooks", "/settings/audit"} {
		p.visit(page)
		if strings.Contains(script[string](p, `document.documentElement.outerHTML + location.href`), secret[8:]) {
			p.T.Errorf("%s has the secret", page)
		}
	}
	p.says("created a webhook " + endpoint)
	p.visit(at)
	p.press("Send a test", true)
	p.says("A test event is on its way")
	p.delivered(halberd.Attempt{Status: 503, Error: "the endpoint answered 503"})
	p.visit(at)
	p.says("webhook.test", "Failed", "503", "1 try")
	p.accessible()
	p.press("Delivered", true)
	p.says("No delivery is in that state")
	p.press("Failed", true)
	p.says("Disabled", "The server disabled it")
	p.silent("Send again")
	p.press("Activate", true)
	p.press("Send webhook.test again", true)
	p.says("once more, with the same id", "Waiting")
	if list := p.listed("/v1/webhooks/" + id + "/deliveries"); len(list) != 1 || list[0]["state"] != "pending" {
		p.T.Errorf("the API says %v", list)
	}
	p.delivered(halberd.Attempt{Status: 204})
	p.visit(at)
	p.says("Delivered", "204")
	p.press("Rotate and show the new secret", true)
	p.checkSecret(secret)
	p.says("The former one signs too until")
	p.visit(at)
	p.press("Rotate and show the new secret", true)
	p.says("That was not done", "overlap of the last rotation")
	p.press("Edit", true)
	p.fill("Events", "alert.*\nkey.revoked")
	p.press("Save", true)
	p.says("Saved.", "alert.*")
	p.press("Deactivate", true)
	p.says("Deactivated", "Inactive")
	if _, h := p.hook(); h["active"] != false || h["url"] != endpoint || len(h["events"].([]any)) != 2 || h["previous_secret_until"] == nil { //nolint:forcetypeassert // a list in /v1
		p.T.Errorf("the API says %v", h)
	}
	p.press("Activate", true)
	p.says("Active. It is sent what happens from now on.")
	p.press("Delete webhook", true)
	p.says("is deleted", "No webhook")
	p.press("Create webhook", true)
	p.choose("Email")
	p.fill("Address", "nobody")
	p.press("Create webhook", true)
	p.says("Not saved", "The address must be an email address, such as ops@example.com.")
	p.fill("Address", "oncall@waypost.example")
	p.press("Create webhook", true)
	p.says("oncall@waypost.example")
	p.accessible()
	p.silent("mailto:")
	if _, h := p.hook(); h["format"] != "email" || h["url"] != "mailto:oncall@waypost.example" {
		p.T.Errorf("the API says %v", h)
	}
	p.visit("/settings/webhooks")
	p.says("oncall@waypost.example", "Email", "Active")
	p.press("oncall@waypost.example", true)
	p.press("Edit", true)
	p.silent("signing secret")
	if got := script[string](p, `document.querySelector('#url').value`); got != "oncall@waypost.example" {
		p.T.Errorf("the form has %q", got)
	}
	p.fill("Events", "alert.*")
	p.press("Save", true)
	p.says("Saved.", "alert.*")
	if _, h := p.hook(); h["url"] != "mailto:oncall@waypost.example" || len(h["events"].([]any)) != 1 { //nolint:forcetypeassert // a list in /v1
		p.T.Errorf("the API says %v", h)
	}
	p.press("Delete webhook", true)
	if list := p.listed("/v1/webhooks"); len(list) != 0 {
		p.T.Errorf("the API says %v", list)
	}
}

func webhooksWithoutScripts(p *tab) {
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.visit("/configuration/webhooks/new")
	p.fill("Address", endpoint)
	p.press("Create webhook", true)
	secret := p.checkSecret("")
	first, _ := p.hook()
	p.visit("/configuration/webhooks/" + first)
	p.press("Send a test", true)
	p.delivered(halberd.Attempt{Status: 200})
	p.visit("/configuration/webhooks/" + first)
	p.press("Send webhook.test again", true)
	p.press("Rotate and show the new secret", true)
	p.checkSecret(secret)
	p.press("Edit", true)
	p.fill("Address", endpoint+"/2")
	p.press("Save", true)
	p.press("Deactivate", true)
	if _, h := p.hook(); h["url"] != endpoint+"/2" || h["active"] != false {
		p.T.Errorf("the API says %v", h)
	}
	p.press("Delete webhook", true)
	if list := p.listed("/v1/webhooks"); len(list) != 0 {
		p.T.Errorf("the API says %v", list)
	}
	p.visit("/configuration/webhooks/new")
	p.choose("Slack")
	p.fill("Address", "https://93.184.216.34/services/T000/B000/hush")
	p.press("Create webhook", true)
	p.says("The webhook is made", "https://93.184.216.34/…hush")
	p.silent("B000", "Rotate")
	p.press("Edit", true)
	p.fill("Events", "key.revoked")
	p.press("Save", true) // the address stays
	id, h := p.hook()
	if h["url"] != "https://93.184.216.34/…hush" || h["format"] != "slack" || h["version"] != 2.0 {
		p.T.Errorf("the API says %s, %v", id, h)
	}
}

// webhooksOfOthers are seen by nobody but their own organization's admins.
func webhooksOfOthers(p *tab) {
	made, err := p.CreateWebhook(p.Ctx(), p.Admin, halberd.NewWebhook{URL: endpoint})
	if err != nil {
		p.T.Fatal(err)
	}
	p.joins("mei@waypost.example", "Mei Okafor", halberd.ScopeRead)
	other, err := p.CreateOrganization(p.Ctx(), p.Admin, "Other")
	if err != nil {
		p.T.Fatal(err)
	}
	in, err := p.InviteMember(p.Ctx(), p.Admin, halberd.NewMember{Organization: other.ID, Email: "eve@other.example", Role: halberd.ScopeAdmin})
	if err == nil {
		_, err = p.Accept(p.Ctx(), in.Secret, "Eve", password, halberd.Request{})
	}
	if err != nil {
		p.T.Fatal(err)
	}
	at := "/settings/webhooks/" + made.Webhook.ID.String()
	for who, want := range map[string]int{"mei@waypost.example": http.StatusForbidden, "eve@other.example": http.StatusNotFound} {
		v := p.visitor()
		v.enters(who)
		if got := v.get("/settings/webhooks"); want == http.StatusForbidden && got.status != want || strings.Contains(got.body, endpoint) {
			p.T.Errorf("%s: the list is %d", who, got.status)
		}
		for _, page := range []string{at, at + "/edit"} {
			if got := v.get(page); got.status != want || strings.Contains(got.body, endpoint) {
				p.T.Errorf("%s: %s is %d", who, page, got.status)
			}
		}
		for _, rest := range []string{"/edit", "/state", "/test", "/rotate", "/delete", "/deliveries/" + halberd.NewDeliveryID().String() + "/redeliver"} {
			form := url.Values{"version": {"1"}, "url": {"https://93.184.216.35/"}, "active": {"false"}, "overlap": {"now"}}
			if got := v.post(at+rest, form); got.status != want {
				p.T.Errorf("%s posts %s: %d", who, rest, got.status)
			}
		}
	}
	v := p.visitor()
	v.enters("mei@waypost.example")
	if got := v.post("/settings/webhooks/new", url.Values{"url": {endpoint}, "format": {"standard"}}); got.status != http.StatusForbidden {
		p.T.Errorf("a reader makes one: %d", got.status)
	}
	if got := v.get("/settings/webhooks/new"); got.status != http.StatusForbidden {
		p.T.Errorf("a reader gets the form: %d", got.status)
	}
	if _, h := p.hook(); h["active"] != true || h["url"] != endpoint || h["version"] != 1.0 {
		p.T.Errorf("the API says %v", h)
	}
}

func payloadsInWebhooks(p *tab) {
	evil := endpoint + `/"><img/src=x/onerror=alert(1)><script>alert(2)</script>`
	p.visit("/settings/webhooks/new")
	p.fill("Address", evil)
	p.fill("Events", hostile[1])
	p.press("Create webhook", true)
	p.says("Not saved")
	p.inert()
	if got := script[string](p, `document.querySelector('#url').value + document.querySelector('#events').value`); got != evil+hostile[1] {
		p.T.Errorf("the form has %q", got)
	}
	p.fill("Events", "*")
	p.press("Create webhook", true)
	p.inert(evil)
	id, _ := p.hook()
	at := "/settings/webhooks/" + id
	p.press("Send a test", true)
	p.delivered(halberd.Attempt{Status: 500, Error: "it said " + hostile[0] + hostile[1]})
	p.shows("/settings/webhooks", evil)
	p.shows(at, evil, hostile[0]+hostile[1])
	p.shows(at + "/edit")
	p.shows("/settings/alert-rules/new?kind=unused", evil)
	p.shows("/settings/audit")
	p.shows(at + "?state=" + url.QueryEscape(hostile[1]))
	p.shows("/settings/webhooks/" + url.PathEscape(hostile[4]))
}
