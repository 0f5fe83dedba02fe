package client_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/memory"
)

// leaky loses the next answers that it carries: the server has done the work.
type leaky struct{ lose int }

func (l *leaky) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && l.lose > 0 {
		l.lose--
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// connect is a client of a real server, holding the first admin key.
func connect(t *testing.T) (*client.Client, *fixture.World, *leaky) {
	t.Helper()
	hooks := notify.NewWebhooks(notify.Options{})
	t.Cleanup(hooks.Close)
	w := fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{Endpoints: hooks})
	server := httptest.NewServer(enveloped.Handler(w.Service, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	way := &leaky{}
	c, err := client.New(server.URL, w.Root.Reveal(), client.Transport(way))
	if err != nil {
		t.Fatal(err)
	}
	return c, w, way
}

func TestALostAnswerMakesNoSecondKey(t *testing.T) {
	for name, lost := range map[string]int{"no answer lost": 0, "one lost": 1, "two lost": 2} {
		c, w, way := connect(t)
		way.lose = lost
		k, err := c.Keys.Create(t.Context(), wire.CreateKey{Label: wire.Some("CI Key")})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		page, err := c.Keys.List(t.Context(), client.KeyQuery{Search: "CI Key"})
		if err != nil || len(page.Items) != 1 || page.Items[0].KeyID != k.KeyID {
			t.Errorf("%s: %d keys, %v", name, len(page.Items), err)
		}
		if got := w.Code(halberd.NewSecret(k.Secret)); got != halberd.Valid {
			t.Errorf("%s: the returned secret is %s", name, got)
		}
	}
}

// A repeat after a lost answer brings what happened the first time, also where a
// second time would be told otherwise.
func TestALostBulkAnswerIsToldAgain(t *testing.T) {
	c, w, way := connect(t)
	k := w.Make(halberd.NewKey{ExternalID: "cus_1"})
	way.lose = 1
	done, err := c.Keys.Bulk(t.Context(), wire.BulkKeys{Action: "revoke", ExternalID: wire.Some("cus_1"), Reason: "gone"})
	if err != nil || !done.Confirmed() || len(done.Value) != 1 || done.Value[0].KeyID != k.Key.ID.String() || !done.Value[0].Done {
		t.Errorf("%v: %+v", err, done)
	}
	if got := w.Code(k.Secret); got != halberd.Revoked {
		t.Error(got)
	}
}

func TestALostRotationReturnsASecretThatWorks(t *testing.T) {
	c, w, way := connect(t)
	k, err := c.Keys.Create(t.Context(), wire.CreateKey{})
	if err != nil {
		t.Fatal(err)
	}
	way.lose = 1
	done, err := c.Keys.Rotate(t.Context(), k.KeyID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Code(halberd.NewSecret(done.Value.Secret)); got != halberd.Valid {
		t.Errorf("the returned secret is %s", got)
	}
	if got := w.Code(halberd.NewSecret(k.Secret)); got == halberd.Valid {
		t.Error("the old secret still works")
	}
}

func TestEveryCallOfTheServerHasAMethod(t *testing.T) {
	c, _, _ := connect(t)
	ctx := t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	me, err := c.WhoAmI(ctx)
	must("whoami", err)
	if !me.Operator {
		t.Error("the first key is an operator's")
	}
	o, err := c.Organizations.Create(ctx, wire.CreateOrganization{Name: "Acme"})
	must("create organization", err)
	_, err = c.Organizations.Get(ctx, o.OrganizationID)
	must("get organization", err)
	_, err = c.Organizations.Update(ctx, o.OrganizationID, wire.UpdateOrganization{Name: wire.Some("Acme Ltd")})
	must("update organization", err)
	n := 0
	for _, err := range c.Organizations.All(ctx, client.PageOf{Limit: 1}) {
		must("list organizations", err)
		n++
	}
	if n != 2 {
		t.Errorf("%d organizations", n)
	}

	p, err := c.Projects.Create(ctx, wire.CreateProject{Name: "Staging"})
	must("create project", err)
	_, err = c.Projects.Get(ctx, p.ProjectID)
	must("get project", err)
	p, err = c.Projects.Update(ctx, p.ProjectID, wire.UpdateProject{KeyPrefix: wire.Some("acme")})
	must("update project", err)
	n = 0
	for _, err := range c.Projects.All(ctx, client.ProjectQuery{PageOf: client.PageOf{Limit: 1}}) {
		must("list projects", err)
		n++
	}
	if n != 2 {
		t.Errorf("%d projects", n)
	}

	k, err := c.Keys.Create(ctx, wire.CreateKey{ProjectID: wire.Some(p.ProjectID)})
	must("create", err)
	v, err := c.Keys.Verify(ctx, wire.Verify{Key: k.Secret, Scopes: []string{"read"}})
	must("verify", err)
	if !v.Valid {
		t.Error(v.Code)
	}
	vs, err := c.Keys.VerifyBatch(ctx, wire.VerifyBatch{Checks: []wire.Verify{{Key: "x"}, {Key: k.Secret}}})
	must("verify batch", err)
	if len(vs) != 2 || vs[0].Valid || !vs[1].Valid {
		t.Error(vs)
	}
	r, err := c.Keys.Rotate(ctx, k.KeyID, time.Hour)
	must("rotate", err)
	if !r.Confirmed() || r.Propagation == nil {
		t.Error("the rotation is not confirmed")
	}
	_, err = c.Keys.EndOverlap(ctx, k.KeyID)
	must("end overlap", err)
	_, err = c.Keys.Update(ctx, k.KeyID, wire.UpdateKey{Quota: wire.Some(wire.QuotaRule{Limit: 2, Refill: "day"})})
	must("quota", err)
	for _, want := range []halberd.VerdictCode{halberd.Valid, halberd.QuotaExceeded} {
		v, err := c.Verify(ctx, halberd.Check{Secret: halberd.NewSecret(r.Value.Secret), Cost: 2})
		must("verify", err)
		if v.Code != want || !v.Quota.Set || v.Quota.Value.Remaining != 0 || v.Quota.Value.RefillsAt.IsZero() || (want == halberd.QuotaExceeded) != (v.RetryAfter > 0) {
			t.Errorf("%s: %+v, retry after %v", v.Code, v.Quota, v.RetryAfter)
		}
	}
	u, err := c.Keys.Update(ctx, k.KeyID, wire.UpdateKey{Label: wire.Some("x")})
	must("update", err)
	_, err = c.Keys.Update(ctx, k.KeyID, wire.UpdateKey{Label: wire.Some("y")}, client.IfVersion(u.Value.Version-1))
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "CONFLICT" {
		t.Errorf("a stale version: %v", err)
	}
	d, err := c.Keys.Revoke(ctx, k.KeyID, "over")
	must("revoke", err)
	if got, err := c.Keys.Get(ctx, k.KeyID); err != nil || got.State != "revoked" || !d.Confirmed() {
		t.Errorf("%v %v", got.State, err)
	}
	gone, err := c.Projects.Delete(ctx, p.ProjectID)
	must("delete project", err)
	if gone.Value.ProjectID != p.ProjectID {
		t.Errorf("deleted %q", gone.Value.ProjectID)
	}

	first, err := c.Audit.List(ctx, client.AuditQuery{Ascending: true, PageOf: client.PageOf{Limit: 1}})
	must("audit", err)
	rest := 0
	for ev, err := range c.Audit.All(ctx, client.AuditQuery{Ascending: true, After: first.Items[0].AuditID, PageOf: client.PageOf{Limit: 2}}) {
		must("audit", err)
		if ev.AuditID == first.Items[0].AuditID {
			t.Error("the event it should come after is there again")
		}
		rest++
	}
	if rest < 8 {
		t.Errorf("%d events", rest)
	}
}

func TestEveryCallOfWebhooksHasAMethod(t *testing.T) {
	c, w, _ := connect(t)
	ctx := t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	h, err := c.Webhooks.Create(ctx, wire.CreateWebhook{URL: "https://93.184.216.34/", Events: []string{"key.*"}})
	must("create", err)
	if h.Secret == nil || len(*h.Secret) != 50 {
		t.Error("there is no secret")
	}
	second, err := c.Webhooks.RotateSecret(ctx, h.WebhookID, wire.RotateWebhookSecret{})
	must("rotate", err)
	if second.Secret == nil || *second.Secret == *h.Secret || second.PreviousSecretUntil == nil {
		t.Errorf("%+v", second)
	}
	got, err := c.Webhooks.Update(ctx, h.WebhookID, wire.UpdateWebhook{Events: wire.Some([]string{"*"})}, client.IfVersion(2))
	must("update", err)
	if same, err := c.Webhooks.Get(ctx, h.WebhookID); err != nil || same.Version != got.Version || len(same.Events) != 1 || same.Events[0] != "*" {
		t.Errorf("%+v, %v", same, err)
	}
	e, err := c.Webhooks.Test(ctx, h.WebhookID)
	must("test", err)
	for more := true; more; {
		_, more, err = w.Relay(ctx)
		must("relay", err)
	}
	var d wire.Delivery
	for one, err := range c.Webhooks.AllDeliveries(ctx, h.WebhookID, client.DeliveryQuery{State: "pending", PageOf: client.PageOf{Limit: 1}}) {
		must("deliveries", err)
		d = one // the last is the first
		if one.EventID == e.EventID {
			break
		}
	}
	if d.EventID != e.EventID || d.Type != "webhook.test" {
		t.Errorf("%+v", d)
	}
	_, err = c.Webhooks.Redeliver(ctx, h.WebhookID, d.DeliveryID)
	must("redeliver", err)
	if _, err := c.Webhooks.Redeliver(ctx, h.WebhookID, "../../api-keys"); err == nil {
		t.Error("another path was called")
	}
	n := 0
	for _, err := range c.Webhooks.All(ctx, client.WebhookQuery{PageOf: client.PageOf{Limit: 1}}) {
		must("list", err)
		n++
	}
	must("delete", c.Webhooks.Delete(ctx, h.WebhookID))
	if n != 1 {
		t.Errorf("%d webhooks", n)
	}
	var types []string
	for e, err := range c.Events.All(ctx, client.EventQuery{Types: []string{"webhook.*"}, PageOf: client.PageOf{Limit: 2}}) {
		must("events", err)
		types = append(types, e.Type)
	}
	if got := strings.Join(types, " "); got != "webhook.created webhook.updated webhook.updated webhook.test webhook.deleted" {
		t.Error(got)
	}
	last, err := c.Events.List(ctx, client.EventQuery{Descending: true, PageOf: client.PageOf{Limit: 2}})
	must("events", err)
	after, err := c.Events.List(ctx, client.EventQuery{After: last.Items[1].EventID})
	must("events", err)
	if len(after.Items) != 1 || after.Items[0].EventID != last.Items[0].EventID {
		t.Errorf("%+v", after)
	}
}

// A certificate that is not trusted is said at once, not after four tries.
func TestAnUntrustedCertificateIsNotTriedAgain(t *testing.T) {
	var hellos atomic.Int64
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { hellos.Add(1); return nil, nil }}
	s.StartTLS()
	defer s.Close()
	c, err := client.New(s.URL, "hb_live_x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WhoAmI(t.Context()); err == nil || hellos.Load() != 1 {
		t.Errorf("%v after %d tries", err, hellos.Load())
	}
}
