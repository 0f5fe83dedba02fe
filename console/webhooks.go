package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

type webhooksView struct {
	Area  area
	Hooks []hookRow
	Next  string
}

// hookRow is one webhook in words.
type hookRow struct {
	halberd.Webhook
	Host string
	Lang string // the format, in words
	Made string
	Old  string // until when the former secret signs too
}

var formats = map[halberd.WebhookFormat]string{
	halberd.FormatStandard: "Standard Webhooks", halberd.FormatSlack: "Slack", halberd.FormatEmail: "Email",
}

func (x *exchange) hookRow(h *halberd.Webhook, people map[string]string) hookRow {
	r := hookRow{Webhook: *h, Lang: formats[h.Format], Made: person(h.CreatedBy, people) + ", " + day(h.CreatedAt)}
	r.URL = addressWord(h.URL)
	r.Host = r.URL
	if u, err := url.Parse(h.URL); err == nil && u.Host != "" {
		r.Host = u.Host
	}
	if x.now.Before(h.PreviousSecretUntil) {
		r.Old = exact(h.PreviousSecretUntil)
	}
	return r
}

// addressWord is an address as people write it: a mailbox is no URL to them.
func addressWord(address string) string { return strings.TrimPrefix(address, "mailto:") }

func webhooksPage(x *exchange) error {
	list, err := x.c.svc.ListWebhooks(x.r.Context(), x.by, halberd.OrganizationID{}, halberd.Page{Limit: 100, Cursor: x.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	people, err := x.people()
	if err != nil {
		return err
	}
	v := webhooksView{Area: x.area}
	for i := range list.List {
		v.Hooks = append(v.Hooks, x.hookRow(&list.List[i], people))
	}
	if list.Next != "" {
		v.Next = x.sameWith(url.Values{"cursor": {list.Next}})
	}
	return x.render(http.StatusOK, "webhooks.html", "Webhooks", "webhooks", v)
}

// hook is the one that the path names. What is no id cannot be there, which the
// Service says of none in a webhook's own words.
func (x *exchange) hook() (halberd.Webhook, error) {
	id, _ := halberd.ParseWebhookID(x.r.PathValue("webhook"))
	return x.c.svc.GetWebhook(x.r.Context(), x.by, id)
}

// hookForm is what stands in the form of a webhook, as it was typed.
type hookForm struct{ Format, URL, Events string }

func readHookForm(x *exchange) hookForm {
	return hookForm{Format: x.form("format"), URL: strings.TrimSpace(x.form("url")), Events: x.form("events")}
}

// address is what was typed, as the Service takes it.
func (f hookForm) address() string {
	if f.Format == string(halberd.FormatEmail) {
		return "mailto:" + addressWord(f.URL)
	}
	return f.URL
}

type hookFormView struct {
	Area     area
	Edit     *hookRow // nil: a new one
	Form     hookForm
	Problems problems
	Once     string
	Types    []halberd.EventType
}

func (x *exchange) showHookForm(status int, v hookFormView) error {
	v.Area, v.Types = x.area, halberd.EventTypes()
	title := "Edit webhook"
	if v.Edit == nil {
		title = "Create webhook"
		if v.Once == "" {
			v.Once = halberd.NewRequestID().String()
		}
	}
	return x.render(status, "webhookform.html", title, "webhooks", v)
}

// hookRefused puts what the Service refused where it is mended.
func (p problems) hookRefused(err error) error {
	e, ok := asError(err)
	switch {
	case ok && e.Code == halberd.CodeInvalid && (e.Field == "url" || e.Field == "events"):
		p[e.Field] = strings.ReplaceAll(message(err), "mailto: and an address, such as mailto:", "an email address, such as ")
	case ok && e.Code == halberd.CodeForbidden:
		return err
	default:
		return p.refused(err)
	}
	return nil
}

func newWebhookPage(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateWebhook); err != nil {
		return err
	}
	return x.showHookForm(http.StatusOK, hookFormView{Form: hookForm{Format: string(halberd.FormatStandard), Events: "key.*\nalert.*"}})
}

func createWebhook(x *exchange) error {
	v := hookFormView{Form: readHookForm(x), Problems: problems{}, Once: x.form("once")}
	made, err := x.c.svc.CreateWebhook(x.r.Context(), x.once("create webhook", v.Once), halberd.NewWebhook{
		URL: v.Form.address(), Format: halberd.WebhookFormat(v.Form.Format), Events: lines(v.Form.Events),
	})
	if e, ok := asError(err); ok && e.Code == halberd.CodeIdempotencyReplay {
		x.say("This form was sent before: the webhook was made then, and its secret was shown then. Rotate it for a new secret.")
		return x.goTo(x.area.At("/webhooks"))
	}
	if err != nil {
		if err := v.Problems.hookRefused(err); err != nil {
			return err
		}
		return x.showHookForm(http.StatusBadRequest, v)
	}
	return x.showHookSecret(&made, "The webhook is made. It is sent what happens from now on.")
}

// showHookSecret is the one page that shows a signing secret. Formats that are not
// signed have none.
func (x *exchange) showHookSecret(made *halberd.ChangedWebhook, said string) error {
	if made.Secret.IsZero() {
		x.say(said)
		return x.goTo(x.area.At("/webhooks/" + made.Webhook.ID.String()))
	}
	v := hookView{Said: said, Secret: made.Secret.Reveal()}
	return x.showHook(http.StatusOK, &made.Webhook, v)
}

func editWebhookPage(x *exchange) error {
	h, err := x.hook()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionUpdateWebhook)
	}
	if err != nil {
		return err
	}
	row := x.hookRow(&h, nil)
	return x.showHookForm(http.StatusOK, hookFormView{Edit: &row, Form: hookForm{string(h.Format), row.URL, strings.Join(h.Events, "\n")}})
}

func editWebhook(x *exchange) error {
	h, err := x.hook()
	if err != nil {
		return err
	}
	row := x.hookRow(&h, nil)
	v := hookFormView{Edit: &row, Form: readHookForm(x), Problems: problems{}}
	v.Form.Format = string(h.Format)
	version, err := strconv.ParseInt(x.form("version"), 10, 64)
	if err != nil {
		return halberd.Invalid("version", "must be the one that the form had")
	}
	p := halberd.WebhookPatch{Events: halberd.Some(lines(v.Form.Events))}
	if v.Form.address() != h.URL { // of Slack's the form has only what may be shown
		p.URL = halberd.Some(v.Form.address())
	}
	if slices.Equal(p.Events.Value, h.Events) {
		p.Events.Set = false
	}
	if _, err := x.c.svc.UpdateWebhook(x.r.Context(), x.by, h.ID, p, version); err != nil {
		if err := v.Problems.hookRefused(err); err != nil {
			return err
		}
		return x.showHookForm(http.StatusConflict, v)
	}
	x.say("Saved.")
	return x.goTo(x.area.At("/webhooks/" + h.ID.String()))
}

type hookView struct {
	Area       area
	Row        hookRow
	Secret     string // shown once
	Said       string // above it
	Problem    string
	State      string // which deliveries are shown
	Deliveries []deliveryRow
	Older      string
	First      string
	Once       string
}

type deliveryRow struct {
	halberd.Delivery
	Made, Last, Next string
	Took             string
}

func webhookPage(x *exchange) error {
	h, err := x.hook()
	if err != nil {
		return err
	}
	return x.showHook(http.StatusOK, &h, hookView{})
}

func (x *exchange) showHook(status int, h *halberd.Webhook, v hookView) error {
	people, err := x.people()
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	v.Area, v.Row, v.State, v.Once = x.area, x.hookRow(h, people), q.Get("state"), halberd.NewRequestID().String()
	list, err := x.c.svc.WebhookDeliveries(x.r.Context(), x.by, h.ID, halberd.DeliveryState(v.State), halberd.Page{Limit: 50, Cursor: q.Get("cursor")})
	if err != nil {
		return err
	}
	for _, d := range list.List {
		row := deliveryRow{Delivery: d, Made: ago(d.CreatedAt, x.now), Last: ago(d.LastAt, x.now)}
		if !d.LastAt.IsZero() {
			row.Took = count(d.Took.Milliseconds()) + " ms"
		}
		if d.State == halberd.DeliveryPending && d.NextAt.After(x.now) {
			row.Next = exact(d.NextAt)
		}
		v.Deliveries = append(v.Deliveries, row)
	}
	if list.Next != "" {
		v.Older = x.sameWith(url.Values{"cursor": {list.Next}})
	}
	if q.Get("cursor") != "" {
		v.First = x.sameWith(url.Values{"cursor": nil})
	}
	if v.Secret != "" {
		return x.renderSecret("webhook.html", v.Row.Host, "webhooks", v)
	}
	return x.render(status, "webhook.html", v.Row.Host, "webhooks", v)
}

// hookAct does something to a webhook and comes back to its page. What cannot be
// done now is said there.
func (x *exchange) hookAct(do func(*halberd.Webhook) (said string, err error)) error {
	h, err := x.hook()
	if err != nil {
		return err
	}
	said, err := do(&h)
	if e, ok := asError(err); ok && e.Code == halberd.CodeConflict {
		return x.showHook(http.StatusConflict, &h, hookView{Problem: message(err)})
	}
	if err != nil {
		return err
	}
	x.say(said)
	return x.goTo(x.area.At("/webhooks/" + h.ID.String()))
}

func switchWebhook(x *exchange) error {
	active := x.form("active") == "true"
	return x.hookAct(func(h *halberd.Webhook) (string, error) {
		_, err := x.c.svc.UpdateWebhook(x.r.Context(), x.by, h.ID, halberd.WebhookPatch{Active: halberd.Some(active)}, 0)
		if active {
			return "Active. It is sent what happens from now on.", err
		}
		return "Deactivated. What happens meanwhile is not sent later.", err
	})
}

func testWebhook(x *exchange) error {
	return x.hookAct(func(h *halberd.Webhook) (string, error) {
		_, err := x.c.svc.TestWebhook(x.r.Context(), x.by, h.ID)
		return "A test event is on its way. Load the page again in a moment.", err
	})
}

func redeliver(x *exchange) error {
	return x.hookAct(func(h *halberd.Webhook) (string, error) {
		id, _ := halberd.ParseDeliveryID(x.r.PathValue("delivery")) // what is no id is not there
		_, err := x.c.svc.Redeliver(x.r.Context(), x.by, h.ID, id)
		return "It is sent once more, with the same id.", err
	})
}

func rotateWebhook(x *exchange) error {
	overlap, ok := map[string]time.Duration{"now": 0, "1d": halberd.WebhookOverlap, "7d": 7 * 24 * time.Hour}[x.form("overlap")]
	if !ok {
		return halberd.Invalid("overlap", "must be one of those that the form offers")
	}
	h, err := x.hook()
	if err != nil {
		return err
	}
	made, err := x.c.svc.RotateWebhook(x.r.Context(), x.once("rotate webhook "+h.ID.String(), x.form("once")), h.ID, overlap)
	if e, ok := asError(err); ok {
		switch e.Code {
		case halberd.CodeIdempotencyReplay:
			x.say("This form was sent before, and the new secret was shown then. Rotate again for another.")
			return x.goTo(x.area.At("/webhooks/" + h.ID.String()))
		case halberd.CodeConflict:
			return x.showHook(http.StatusConflict, &h, hookView{Problem: message(err)})
		}
	}
	if err != nil {
		return err
	}
	return x.showHookSecret(&made, "The secret is rotated.")
}

func deleteWebhook(x *exchange) error {
	h, err := x.hook()
	if err == nil {
		err = x.c.svc.DeleteWebhook(x.r.Context(), x.by, h.ID, 0)
	}
	if err != nil {
		return err
	}
	x.say("The webhook is deleted: nothing is sent to it any more.")
	return x.goTo(x.area.At("/webhooks"))
}
