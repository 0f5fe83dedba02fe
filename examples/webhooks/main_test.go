package main

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/notify"
)

var secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

// Whatever Halberd sends is believed; a repeat is printed once, and nothing else is
// believed.
func TestReceiverBelievesWhatIsSigned(t *testing.T) {
	var out bytes.Buffer
	r, err := newReceiver(secret, &out)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	defer s.Close()
	sender := notify.NewWebhooks(notify.Options{AllowPrivate: true})
	defer sender.Close()
	m := notify.Message{
		ID: "evt_1", URL: s.URL, Secrets: []halberd.Secret{halberd.NewSecret(secret)},
		Body: []byte(`{"type":"key.revoked","timestamp":"2026-01-02T03:04:05Z","data":{"key_id":"key_1"}}`),
	}
	for range 2 {
		if got := sender.Send(t.Context(), m, time.Now()); got.Status != http.StatusNoContent {
			t.Fatalf("%+v", got)
		}
	}
	if got := sender.Send(t.Context(), m, time.Now().Add(-time.Hour)); got.Status != http.StatusUnauthorized {
		t.Errorf("an old one: %+v", got)
	}
	m.Secrets = []halberd.Secret{halberd.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)))}
	if got := sender.Send(t.Context(), m, time.Now()); got.Status != http.StatusUnauthorized {
		t.Errorf("another secret: %+v", got)
	}
	if want := "2026-01-02T03:04:05Z key.revoked {\"key_id\":\"key_1\"}\n"; out.String() != want {
		t.Errorf("printed %q", out.String())
	}
	res, err := http.Post(s.URL, "application/json", strings.NewReader(strings.Repeat("x", maxBody+1)))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: %d", res.StatusCode)
	}
}

func TestReceiverRemembersSoMany(t *testing.T) {
	r, err := newReceiver(secret, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * remembered {
		if !r.first(time.Duration(i).String()) {
			t.Fatal("known before it came")
		}
	}
	if len(r.seen) != remembered || r.first(time.Duration(2*remembered-1).String()) {
		t.Errorf("%d are known", len(r.seen))
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		secret string
	}{{nil, secret}, {[]string{":0"}, ""}, {[]string{":0"}, "whsec_$"}} {
		if err := run(t.Context(), c.args, c.secret, &bytes.Buffer{}); err == nil {
			t.Errorf("%v: it runs", c.args)
		}
	}
}
