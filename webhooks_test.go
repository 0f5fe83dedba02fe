package halberd_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/memory"
)

// listening is a world in which webhooks can be made: their hosts are public
// addresses as they stand, so that no resolver is asked, and nothing is sent.
func listening(t *testing.T) *fixture.World {
	t.Helper()
	hooks := notify.NewWebhooks(notify.Options{})
	t.Cleanup(hooks.Close)
	return fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{Endpoints: hooks})
}

const endpoint = "https://93.184.216.34/hooks"

func hook(w *fixture.World, n halberd.NewWebhook) halberd.ChangedWebhook {
	w.T.Helper()
	if n.URL == "" {
		n.URL = endpoint
	}
	out, err := w.CreateWebhook(w.Ctx(), w.Admin, n)
	must(w.T, err)
	return out
}

// relay turns every event into deliveries.
func relay(w *fixture.World) (made int) {
	w.T.Helper()
	for {
		n, more, err := w.Relay(w.Ctx())
		must(w.T, err)
		made += n
		if !more {
			return made
		}
	}
}

func due(w *fixture.World) []halberd.Delivery {
	w.T.Helper()
	list, err := w.DueDeliveries(w.Ctx(), halberd.Delivery{}, w.Now(), 1000)
	must(w.T, err)
	return list
}

// open opens a delivery that must be there to open.
func open(w *fixture.World, id halberd.DeliveryID) halberd.Outgoing {
	w.T.Helper()
	out, ok, err := w.OpenDelivery(w.Ctx(), id)
	must(w.T, err)
	if !ok {
		w.T.Fatal("there is nothing to send")
	}
	return out
}

func TestAWebhookIsMadeShownEditedAndDeleted(t *testing.T) {
	w := listening(t)
	made := hook(w, halberd.NewWebhook{Events: []string{"key.*", "project.deleted"}})
	if made.Webhook.Format != halberd.FormatStandard || !made.Webhook.Active || made.Webhook.URL != endpoint ||
		made.Webhook.Version != 1 || made.Webhook.CreatedBy != w.Admin.Ref() {
		t.Errorf("%+v", made.Webhook)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret.Reveal(), "whsec_"))
	if err != nil || len(secret) != 32 {
		t.Errorf("a secret of %d bytes, %v", len(secret), err)
	}
	got, err := w.GetWebhook(w.Ctx(), w.Admin, made.Webhook.ID)
	must(t, err)
	if strings.Contains(fmt.Sprintf("%+v", got), made.Secret.Reveal()) {
		t.Error("the secret is in the webhook")
	}
	next := sinceLast(w)
	got, err = w.UpdateWebhook(w.Ctx(), w.Admin, got.ID, halberd.WebhookPatch{
		URL: halberd.Some(endpoint + "/b"), Events: halberd.Some([]string{}), Active: halberd.Some(false)}, 1)
	must(t, err)
	if got.URL != endpoint+"/b" || len(got.Events) != 0 || got.Active || got.Version != 2 {
		t.Errorf("%+v", got)
	}
	_, err = w.UpdateWebhook(w.Ctx(), w.Admin, got.ID, halberd.WebhookPatch{Active: halberd.Some(true)}, 1)
	w.Refused(err, halberd.CodeConflict)
	list, err := w.ListWebhooks(w.Ctx(), w.Admin, halberd.OrganizationID{}, halberd.Page{})
	must(t, err)
	if len(list.List) != 1 {
		t.Errorf("%d webhooks", len(list.List))
	}
	must(t, w.DeleteWebhook(w.Ctx(), w.Admin, got.ID, 0))
	_, err = w.GetWebhook(w.Ctx(), w.Admin, got.ID)
	w.Refused(err, halberd.CodeEndpointNotFound)
	if got := types(next()); got != "webhook.updated webhook.deleted" {
		t.Error(got)
	}
}

// S2: "endpoint must be a valid HTTPS URL", and ENDPOINT_NOT_FOUND "endpoint not found".
func TestS2_13_EndpointsThatAreNone(t *testing.T) {
	w := listening(t)
	for _, address := range []string{
		"", "x", "http://93.184.216.34/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "ftp://93.184.216.34/",
		"https:///x", "mailto:a@example.com", "https://93.184.216.34/" + strings.Repeat("a", 2048), "https://user:pw@93.184.216.34/",
	} {
		_, err := w.CreateWebhook(w.Ctx(), w.Admin, halberd.NewWebhook{URL: address})
		e, ok := errors.AsType[*halberd.Error](err)
		if !ok || e.Code != halberd.CodeInvalid || e.Field != "url" || !strings.HasPrefix(e.Message, "endpoint must be a valid HTTPS URL") {
			t.Errorf("%q: %v", address, err)
		}
	}
	_, err := w.GetWebhook(w.Ctx(), w.Admin, halberd.NewWebhookID())
	if e, ok := errors.AsType[*halberd.Error](err); !ok || e.Code != halberd.CodeEndpointNotFound || e.Message != "endpoint not found" {
		t.Error(err)
	}
	for _, n := range []halberd.NewWebhook{
		{URL: endpoint, Format: "carrier pigeon"}, {URL: endpoint, Events: []string{"key.born"}},
		{URL: endpoint, Format: halberd.FormatEmail}, {URL: "mailto:not an address", Format: halberd.FormatEmail},
		{URL: "mailto:a@example.com?bcc=b@example.com", Format: halberd.FormatEmail},
	} {
		_, err := w.CreateWebhook(w.Ctx(), w.Admin, n)
		w.Refused(err, halberd.CodeInvalid)
	}
	if n := len(due(w)); n != 0 || relay(w) != 0 {
		t.Error("something was made")
	}
}

func TestA89_ASecretThatIsNoneIsRefused(t *testing.T) {
	w := listening(t)
	b64 := base64.StdEncoding.EncodeToString
	long := make([]byte, 65)
	for i := range long {
		long[i] = byte(i)
	}
	for _, bad := range []string{
		"x", "whsec_", "whsec_" + b64(long[:23]), "whsec_" + b64(long), "whsec_" + b64(make([]byte, 32)), b64(long[:32]), "whsec_!" + b64(long[:32]),
	} {
		_, err := w.CreateWebhook(w.Ctx(), w.Admin, halberd.NewWebhook{URL: endpoint, Secret: halberd.NewSecret(bad)})
		w.Refused(err, halberd.CodeInvalid)
	}
	own := halberd.NewSecret("whsec_" + b64(long[:24]))
	if made := hook(w, halberd.NewWebhook{Secret: own}); made.Secret.Reveal() != own.Reveal() {
		t.Error("another secret than was brought")
	}
}

func TestA19_WebhooksOfOthersAreNotThere(t *testing.T) {
	w := listening(t)
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "another")
	must(t, err)
	theirs := hook(w, halberd.NewWebhook{Organization: o.ID}).Webhook.ID
	other := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin")), Wide: true})
	by := w.Actor(other.Secret)
	for _, id := range []halberd.WebhookID{theirs, halberd.NewWebhookID()} {
		_, err := w.GetWebhook(w.Ctx(), by, id)
		w.Refused(err, halberd.CodeEndpointNotFound)
		_, err = w.UpdateWebhook(w.Ctx(), by, id, halberd.WebhookPatch{URL: halberd.Some(endpoint)}, 0)
		w.Refused(err, halberd.CodeEndpointNotFound)
		_, err = w.RotateWebhook(w.Ctx(), by, id, 0)
		w.Refused(err, halberd.CodeEndpointNotFound)
		_, err = w.TestWebhook(w.Ctx(), by, id)
		w.Refused(err, halberd.CodeEndpointNotFound)
		_, err = w.WebhookDeliveries(w.Ctx(), by, id, "", halberd.Page{})
		w.Refused(err, halberd.CodeEndpointNotFound)
		_, err = w.Redeliver(w.Ctx(), by, id, halberd.NewDeliveryID())
		w.Refused(err, halberd.CodeEndpointNotFound)
		w.Refused(w.DeleteWebhook(w.Ctx(), by, id, 0), halberd.CodeEndpointNotFound)
	}
	_, err = w.ListWebhooks(w.Ctx(), by, o.ID, halberd.Page{})
	w.Refused(err, halberd.CodeNotFound)
	// An admin of one project speaks for no organization.
	for _, scopes := range [][]string{{"admin"}, {"write"}, {"read"}} {
		_, err = w.ListWebhooks(w.Ctx(), w.Holder(scopes...), halberd.OrganizationID{}, halberd.Page{})
		w.Refused(err, halberd.CodeForbidden)
		_, err = w.CreateWebhook(w.Ctx(), w.Holder(scopes...), halberd.NewWebhook{URL: "not even a URL"})
		w.Refused(err, halberd.CodeForbidden)
	}
}

func TestEventsGoToWhoSubscribedOnce(t *testing.T) {
	w := listening(t)
	keys := hook(w, halberd.NewWebhook{Events: []string{"key.*"}}).Webhook.ID
	all := hook(w, halberd.NewWebhook{Events: []string{"*"}}).Webhook.ID
	named := hook(w, halberd.NewWebhook{}).Webhook.ID
	asleep := hook(w, halberd.NewWebhook{Events: []string{"*"}})
	_, err := w.UpdateWebhook(w.Ctx(), w.Admin, asleep.Webhook.ID, halberd.WebhookPatch{Active: halberd.Some(false)}, 0)
	must(t, err)
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "another")
	must(t, err)
	elsewhere := hook(w, halberd.NewWebhook{Organization: o.ID, Events: []string{"*"}}).Webhook.ID
	relay(w)
	w.Clock.Pass(time.Second)
	begin := w.Clock.Now().Unix()

	k := w.Make(halberd.NewKey{})
	_, err = w.CreateProject(w.Ctx(), w.Admin, halberd.NewProject{Name: "p"})
	must(t, err)
	_, err = w.TestWebhook(w.Ctx(), w.Admin, named)
	must(t, err)
	if made := relay(w); made != 4 {
		t.Errorf("%d deliveries", made)
	}
	if relay(w) != 0 {
		t.Error("an event was relayed twice")
	}
	got := map[halberd.WebhookID]string{}
	for _, d := range due(w) {
		if d.CreatedAt.Unix() >= begin {
			got[d.Webhook] += " " + string(d.Type)
		}
	}
	for id, want := range map[halberd.WebhookID]string{
		keys: " key.created", all: " key.created project.created", named: " webhook.test", asleep.Webhook.ID: "", elsewhere: "",
	} {
		if got[id] != want {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
	for _, d := range due(w) {
		if d.Webhook != keys || d.CreatedAt.Unix() < begin {
			continue
		}
		out := open(w, d.ID)
		if out.Address.Reveal() != endpoint || len(out.Secrets) != 1 || out.Event.Target != k.Key.ID.String() {
			t.Errorf("%+v", out)
		}
		var body struct {
			Type      string         `json:"type"`
			Timestamp time.Time      `json:"timestamp"`
			Data      map[string]any `json:"data"`
		}
		must(t, json.Unmarshal(out.Event.Body(), &body))
		if body.Type != "key.created" || !body.Timestamp.Equal(out.Event.At) || body.Data["key_id"] != k.Key.ID.String() {
			t.Errorf("%+v", body)
		}
	}
}

func TestASecretIsRotatedWithAnOverlap(t *testing.T) {
	w := listening(t)
	made := hook(w, halberd.NewWebhook{Events: []string{"key.created"}})
	secrets := func() (out []string) {
		t.Helper()
		w.Make(halberd.NewKey{})
		relay(w)
		all := due(w)
		for _, s := range open(w, all[len(all)-1].ID).Secrets {
			out = append(out, s.Reveal())
		}
		must(t, w.FinishDelivery(w.Ctx(), all[len(all)-1].ID, halberd.Attempt{At: w.Clock.Now(), Status: 200}))
		return out
	}
	want := func(now []string, want ...halberd.Secret) {
		t.Helper()
		same := len(now) == len(want)
		for i := range min(len(now), len(want)) {
			same = same && now[i] == want[i].Reveal()
		}
		if !same {
			t.Errorf("%d secrets sign, want %d of these", len(now), len(want))
		}
	}
	want(secrets(), made.Secret)
	second, err := w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, time.Hour)
	must(t, err)
	want(secrets(), second.Secret, made.Secret)
	_, err = w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, time.Hour)
	w.Refused(err, halberd.CodeConflict)
	w.Clock.Pass(time.Hour)
	want(secrets(), second.Secret)
	third, err := w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, time.Hour)
	must(t, err)
	fourth, err := w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, 0) // it leaked: nothing of before signs
	must(t, err)
	want(secrets(), fourth.Secret)
	_ = third
	for _, bad := range []time.Duration{-time.Second, halberd.MaxOverlap + time.Second, time.Millisecond} {
		_, err = w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, bad)
		w.Refused(err, halberd.CodeInvalid)
	}
}

// A Slack address is a credential: whoever has it can post.
func TestASlackAddressIsNotShownAgain(t *testing.T) {
	w := listening(t)
	const address = "https://93.184.216.34/services/T0000/B0000/xyzzyxyzzy1234"
	made := hook(w, halberd.NewWebhook{URL: address, Format: halberd.FormatSlack, Events: []string{"key.created"}})
	if made.Webhook.URL != "https://93.184.216.34/…1234" || !made.Secret.IsZero() {
		t.Errorf("%s, secret: %v", made.Webhook.URL, !made.Secret.IsZero())
	}
	w.Make(halberd.NewKey{})
	relay(w)
	if out := open(w, due(w)[0].ID); out.Address.Reveal() != address || len(out.Secrets) != 0 {
		t.Error("another address")
	}
	_, err := w.RotateWebhook(w.Ctx(), w.Admin, made.Webhook.ID, 0)
	w.Refused(err, halberd.CodeConflict)
	log, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{})
	must(t, err)
	if text := fmt.Sprintf("%+v", log); strings.Contains(text, "xyzzy") || !strings.Contains(text, "…1234") {
		t.Error("the audit log has the address")
	}
}

func TestA90_DeliveriesStop(t *testing.T) {
	for name, stop := range map[string]func(w *fixture.World, o halberd.OrganizationID, h halberd.WebhookID) error{
		"when the organization is suspended": func(w *fixture.World, o halberd.OrganizationID, _ halberd.WebhookID) error {
			_, err := w.UpdateOrganization(w.Ctx(), w.Admin, o, halberd.OrganizationPatch{Active: halberd.Some(false)}, 0)
			return err
		},
		"when the webhook is deleted": func(w *fixture.World, _ halberd.OrganizationID, h halberd.WebhookID) error {
			return w.DeleteWebhook(w.Ctx(), w.Admin, h, 0)
		},
		"when the webhook is deactivated": func(w *fixture.World, _ halberd.OrganizationID, h halberd.WebhookID) error {
			_, err := w.UpdateWebhook(w.Ctx(), w.Admin, h, halberd.WebhookPatch{Active: halberd.Some(false)}, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := listening(t)
			o, err := w.CreateOrganization(w.Ctx(), w.Admin, "another")
			must(t, err)
			h := hook(w, halberd.NewWebhook{Organization: o.ID, Events: []string{"*"}}).Webhook.ID
			relay(w)
			waiting := due(w)
			if len(waiting) != 1 { // its own creation
				t.Fatal(len(waiting))
			}
			must(t, stop(w, o.ID, h))
			if _, ok, err := w.OpenDelivery(w.Ctx(), waiting[0].ID); ok || err != nil {
				t.Errorf("it is still sent: %v, %v", ok, err)
			}
			_, err = w.CreateProject(w.Ctx(), w.Admin, halberd.NewProject{Organization: o.ID, Name: "p"})
			must(t, err)
			if n := relay(w); n != 0 || len(due(w)) != 0 {
				t.Errorf("%d more are made, %d wait", n, len(due(w)))
			}
		})
	}
}

func TestADeliveryIsTriedUntilItIsGivenUp(t *testing.T) {
	w := listening(t)
	h := hook(w, halberd.NewWebhook{Events: []string{"key.created"}}).Webhook
	k := w.Make(halberd.NewKey{})
	relay(w)
	d := due(w)[0]
	fail := halberd.Attempt{At: w.Clock.Now(), Took: 1500 * time.Millisecond, Status: 503, Error: "it answered 503", NextAt: w.Clock.Now().Add(time.Minute)}
	must(t, w.FinishDelivery(w.Ctx(), d.ID, fail))
	if len(due(w)) != 0 {
		t.Error("it is due at once")
	}
	if _, ok, _ := w.OpenDelivery(w.Ctx(), d.ID); ok {
		t.Error("it is opened before it is due")
	}
	w.Clock.Pass(time.Minute)
	if out := open(w, d.ID); out.Attempts != 1 || !out.CreatedAt.Equal(d.CreatedAt) {
		t.Errorf("%+v", out)
	}
	log, err := w.WebhookDeliveries(w.Ctx(), w.Admin, h.ID, "", halberd.Page{})
	must(t, err)
	if got := log.List[0]; got.Status != 503 || got.Took != fail.Took || got.Error != fail.Error || got.State != halberd.DeliveryPending || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
	// Given up, with nothing delivered since: the endpoint is dead.
	next := sinceLast(w)
	must(t, w.FinishDelivery(w.Ctx(), d.ID, halberd.Attempt{At: w.Clock.Now(), Error: "nobody is there"}))
	h, err = w.GetWebhook(w.Ctx(), w.Admin, h.ID)
	must(t, err)
	if h.Active || h.Disabled != "nothing could be delivered since 2024-01-15 10:30 UTC: nobody is there" {
		t.Errorf("active %v: %s", h.Active, h.Disabled)
	}
	list := next()
	if types(list) != "webhook.disabled" || !strings.Contains(list[0].Data, "nobody is there") {
		t.Errorf("%s", types(list))
	}
	// Who mends it sends again what was lost, under the same event.
	_, err = w.Redeliver(w.Ctx(), w.Admin, h.ID, d.ID)
	w.Refused(err, halberd.CodeConflict)
	h, err = w.UpdateWebhook(w.Ctx(), w.Admin, h.ID, halberd.WebhookPatch{Active: halberd.Some(true)}, 0)
	must(t, err)
	if h.Disabled != "" {
		t.Error("it is still said to be disabled")
	}
	_, err = w.Redeliver(w.Ctx(), w.Admin, h.ID, d.ID)
	must(t, err)
	out := open(w, d.ID)
	if out.Event.ID != d.Event || out.Event.Target != k.Key.ID.String() || out.Attempts != 0 {
		t.Errorf("%+v", out)
	}
	must(t, w.FinishDelivery(w.Ctx(), d.ID, halberd.Attempt{At: w.Clock.Now(), Status: 204}))
	must(t, w.FinishDelivery(w.Ctx(), d.ID, halberd.Attempt{At: w.Clock.Now(), Status: 410, Gone: true, Error: "a late repeat"}))
	log, err = w.WebhookDeliveries(w.Ctx(), w.Admin, h.ID, halberd.DeliveryDelivered, halberd.Page{})
	must(t, err)
	if len(log.List) != 1 || log.List[0].Status != 204 {
		t.Errorf("%+v", log.List)
	}
}

func TestAnEndpointThatStillTakesEventsIsNotDisabled(t *testing.T) {
	w := listening(t)
	h := hook(w, halberd.NewWebhook{Events: []string{"key.created"}}).Webhook
	w.Make(halberd.NewKey{})
	w.Make(halberd.NewKey{})
	relay(w)
	both := due(w)
	w.Clock.Pass(time.Hour)
	must(t, w.FinishDelivery(w.Ctx(), both[0].ID, halberd.Attempt{At: w.Clock.Now(), Status: 200}))
	must(t, w.FinishDelivery(w.Ctx(), both[1].ID, halberd.Attempt{At: w.Clock.Now(), Status: 400, Error: "it answered 400"}))
	got, err := w.GetWebhook(w.Ctx(), w.Admin, h.ID)
	must(t, err)
	if !got.Active {
		t.Errorf("disabled: %s", got.Disabled)
	}
	// 410 is obeyed at once.
	w.Make(halberd.NewKey{})
	relay(w)
	must(t, w.FinishDelivery(w.Ctx(), due(w)[0].ID, halberd.Attempt{At: w.Clock.Now(), Status: 410, Error: "it answered 410", Gone: true}))
	got, err = w.GetWebhook(w.Ctx(), w.Admin, h.ID)
	must(t, err)
	if got.Active || !strings.Contains(got.Disabled, "410") {
		t.Errorf("active %v: %s", got.Active, got.Disabled)
	}
}

// A row that was edited behind the server's back would send events to someone else.
func TestAWebhookThatWasEditedInTheStoreIsSentNothing(t *testing.T) {
	w := listening(t)
	h := hook(w, halberd.NewWebhook{Events: []string{"key.created"}}).Webhook
	w.Make(halberd.NewKey{})
	relay(w)
	d := due(w)[0]
	must(t, w.Store.Update(w.Ctx(), func(tx halberd.Tx) error {
		r, err := tx.Webhook(h.ID)
		r.URL, r.Version = "https://93.184.216.35/", r.Version+1
		return errors.Join(err, tx.PutWebhook(r))
	}))
	if _, ok, err := w.OpenDelivery(w.Ctx(), d.ID); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if list := due(w); len(list) != 0 { // it would be opened in vain, and logged, for as long as events are kept
		t.Errorf("still due: %+v", list)
	}
	must(t, w.Store.View(w.Ctx(), func(r halberd.Reader) error {
		row, err := r.Delivery(d.ID)
		if row.State != halberd.DeliveryCanceled || !strings.Contains(row.Error, "damaged") {
			t.Errorf("%+v", row)
		}
		return err
	}))
	w.Make(halberd.NewKey{})
	if relay(w) != 0 {
		t.Error("a delivery was made")
	}
}

func TestWhoWaitsForTheOutboxIsWoken(t *testing.T) {
	w := listening(t)
	for range 2 {
		select {
		case <-w.OutboxFilled():
		default:
		}
	}
	w.Make(halberd.NewKey{})
	w.Make(halberd.NewKey{})
	select {
	case <-w.OutboxFilled():
	default:
		t.Error("nobody was woken")
	}
}

func TestThereIsABoundOfWebhooks(t *testing.T) {
	w := listening(t)
	for range 100 {
		hook(w, halberd.NewWebhook{})
	}
	_, err := w.CreateWebhook(w.Ctx(), w.Admin, halberd.NewWebhook{URL: endpoint})
	w.Refused(err, halberd.CodeConflict)
}

// The channels of a rule are told besides those that ask for alerts, not instead
// of them; and a channel that is nobody's is refused.
func TestS1_24_AChannelIsToldBesidesThoseThatAskForAlerts(t *testing.T) {
	w := watcher{listening(t)}
	w.minute(nil)
	asks, channel := hook(w.World, halberd.NewWebhook{Events: []string{"alert.*"}}), hook(w.World, halberd.NewWebhook{})
	hook(w.World, halberd.NewWebhook{Events: []string{"key.rotated"}})
	for _, unknown := range []string{halberd.NewWebhookID().String(), foreignHook(w.World)} {
		_, err := w.CreateAlertRule(w.Ctx(), w.Admin, halberd.NewAlertRule{Kind: halberd.AlertEnded, Channels: []string{unknown}})
		w.Refused(err, halberd.CodeInvalid)
	}
	k := w.Make(halberd.NewKey{})
	rule, err := w.CreateAlertRule(w.Ctx(), w.Admin, halberd.NewAlertRule{
		Kind: halberd.AlertEnded, Key: k.Key.ID, Channels: []string{channel.Webhook.ID.String()}})
	must(t, err)
	_, err = w.UpdateAlertRule(w.Ctx(), w.Admin, rule.ID, halberd.AlertRulePatch{Channels: halberd.Some([]string{halberd.NewWebhookID().String()})}, 0)
	w.Refused(err, halberd.CodeInvalid)
	_, err = w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	relay(w.World)
	before := len(due(w.World))
	w.minute(w.use(1, k.Secret))
	relay(w.World)
	told := map[halberd.WebhookID]bool{}
	for _, d := range due(w.World)[before:] {
		told[d.Webhook] = d.Type == halberd.EventAlertOpened
	}
	if len(told) != 2 || !told[asks.Webhook.ID] || !told[channel.Webhook.ID] {
		t.Errorf("told: %v", told)
	}
	must(t, w.DeleteWebhook(w.Ctx(), w.Admin, channel.Webhook.ID, 0))
	_, err = w.UpdateAlertRule(w.Ctx(), w.Admin, rule.ID, halberd.AlertRulePatch{
		Threshold: halberd.Some(2.0), Channels: halberd.Some(rule.Channels)}, 0)
	must(t, err) // what is there no more stands in nobody's way
}

// foreignHook is the webhook of another organization.
func foreignHook(w *fixture.World) string {
	w.T.Helper()
	other, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	must(w.T, err)
	return hook(w, halberd.NewWebhook{Organization: other.ID}).Webhook.ID.String()
}
