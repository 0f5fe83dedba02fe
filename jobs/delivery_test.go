package jobs

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/memory"
)

// office is a Service whose deliveries a Runner carries.
type office struct {
	*fixture.World
	runner *Runner

	mu   sync.Mutex
	sent map[string][]halberd.Outgoing // by webhook
	says func(o halberd.Outgoing, try int) Receipt
}

func open(t *testing.T, db Database) *office {
	t.Helper()
	judge := notify.NewWebhooks(notify.Options{})
	t.Cleanup(judge.Close)
	o := &office{World: fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{Endpoints: judge}), sent: map[string][]halberd.Outgoing{}}
	o.says = func(halberd.Outgoing, int) Receipt { return Receipt{Status: 200} }
	o.runner = start(t, Options{Database: db, Service: o.Service, Send: o.send, Now: o.Clock.Now})
	return o
}

// send notes what would have left. It is the seam to the network, which notify and
// server test with real receivers.
func (o *office) send(_ context.Context, out halberd.Outgoing) Receipt {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := out.Webhook.String()
	o.sent[name] = append(o.sent[name], out)
	return o.says(out, len(o.sent[name]))
}

func (o *office) answer(says func(halberd.Outgoing, int) Receipt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.says = says
}

func (o *office) got(h halberd.Webhook) []halberd.Outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent[h.ID.String()]
}

func (o *office) hook(events ...string) halberd.Webhook {
	o.T.Helper()
	out, err := o.CreateWebhook(o.T.Context(), o.Admin, halberd.NewWebhook{URL: "https://93.184.216.34/hooks", Events: events})
	if err != nil {
		o.T.Fatal(err)
	}
	return out.Webhook
}

func (o *office) test(h halberd.Webhook) {
	o.T.Helper()
	if _, err := o.TestWebhook(o.T.Context(), o.Admin, h.ID); err != nil {
		o.T.Fatal(err)
	}
}

func (o *office) log(h halberd.Webhook) []halberd.Delivery {
	o.T.Helper()
	out, err := o.WebhookDeliveries(o.T.Context(), o.Admin, h.ID, "", halberd.Page{})
	if err != nil {
		o.T.Fatal(err)
	}
	return out.List
}

func (o *office) now(h halberd.Webhook) halberd.Webhook {
	o.T.Helper()
	h, err := o.GetWebhook(o.T.Context(), o.Admin, h.ID)
	if err != nil {
		o.T.Fatal(err)
	}
	return h
}

func TestEventsAreCarriedToWhoWantsThem(t *testing.T) {
	onEach(t, func(t *testing.T, db Database) {
		o := open(t, db)
		all, keys, none := o.hook("*"), o.hook("key.*"), o.hook()
		if _, err := o.Create(t.Context(), o.Admin, halberd.NewKey{Project: o.Home, Name: "n"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it arrives", func() bool { return len(o.got(keys)) == 1 && len(o.got(all)) >= 3 })
		if got := o.got(keys)[0]; got.Event.Type != halberd.EventKeyCreated || len(got.Secrets) != 1 || len(o.got(none)) != 0 {
			t.Errorf("%+v", got.Event)
		}
		eventually(t, "it is noted", func() bool {
			l := o.log(keys)
			return len(l) == 1 && l[0].State == halberd.DeliveryDelivered && l[0].Attempts == 1 && l[0].Status == 200
		})
	})
}

// The clock is set to when each try is due; river's own is not, so each is found
// due by the relay.
func TestTriesGoOnForThreeDaysThenTheEndpointIsDisabled(t *testing.T) {
	o := open(t, SQLite(filepath.Join(t.TempDir(), "jobs.db")))
	h := o.hook()
	o.answer(func(halberd.Outgoing, int) Receipt { return Receipt{Status: 500, Error: "answered 500"} })
	o.test(h)
	tries := len(pauses()) + 1
	begin := o.Clock.Now()
	for n := 1; n <= tries; n++ {
		eventually(t, fmt.Sprintf("try %d", n), func() bool {
			o.Clock.Pass(4 * time.Second) // the second reader follows at a distance, and a lane is left in peace
			return len(o.got(h)) == n
		})
		if n == tries {
			break
		}
		var next time.Time
		eventually(t, "it is noted", func() bool {
			l := o.log(h)
			next = l[0].NextAt
			return l[0].Attempts == int64(n) && l[0].State == halberd.DeliveryPending && !next.IsZero()
		})
		o.Clock.Pass(next.Sub(o.Clock.Now()) - time.Second)
		if len(o.got(h)) != n {
			t.Fatalf("try %d came too early", n+1)
		}
	}
	eventually(t, "it is disabled", func() bool { return !o.now(h).Active })
	if took := o.Clock.Now().Sub(begin); took < 60*time.Hour || took > 84*time.Hour {
		t.Errorf("given up after %s", took)
	}
	ids := map[halberd.EventID]bool{}
	for _, out := range o.got(h) {
		ids[out.Event.ID] = true
	}
	if l := o.log(h); l[0].State != halberd.DeliveryFailed || len(ids) != 1 || o.now(h).Disabled == "" {
		t.Errorf("%+v, %d ids", l[0], len(ids))
	}
	notice, err := o.Events(t.Context(), o.Admin, halberd.EventQuery{Types: []string{string(halberd.EventWebhookDisabled)}})
	if err != nil || len(notice.List) != 1 {
		t.Errorf("%+v, %v", notice, err)
	}
}

// A receiver that takes longer than a try may is not the server's own stop: it has
// failed once, and has its pause.
func TestATryThatTakesTooLongHasFailed(t *testing.T) {
	judge := notify.NewWebhooks(notify.Options{})
	t.Cleanup(judge.Close)
	o := &office{World: fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{Endpoints: judge})}
	o.runner = start(t, Options{
		Database: SQLite(filepath.Join(t.TempDir(), "jobs.db")), Service: o.Service, Now: o.Clock.Now, within: 20 * time.Millisecond,
		Send: func(ctx context.Context, _ halberd.Outgoing) Receipt {
			<-ctx.Done()
			return Receipt{Error: "no answer in time"}
		},
	})
	h := o.hook()
	o.test(h)
	eventually(t, "the failure is noted", func() bool {
		l := o.log(h)
		return len(l) == 1 && l[0].Attempts == 1 && l[0].Error == "no answer in time"
	})
	if d := o.log(h)[0]; d.State != halberd.DeliveryPending || !d.NextAt.After(o.Clock.Now()) {
		t.Errorf("%+v", d)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	o := open(t, SQLite(filepath.Join(t.TempDir(), "jobs.db")))
	h := o.hook()
	o.answer(func(halberd.Outgoing, int) Receipt { return Receipt{Status: 410, Gone: true, Error: "answered 410"} })
	o.test(h)
	eventually(t, "it is disabled", func() bool { return !o.now(h).Active })
	if n := len(o.got(h)); n != 1 {
		t.Errorf("%d tries", n)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	if got := nextAt(now, 0, Receipt{Error: "x", RetryAfter: time.Hour}); got != now.Add(time.Hour) {
		t.Errorf("asked for an hour, tried again at %s", got.Sub(now))
	}
	if got := nextAt(now, 5, Receipt{Error: "x", RetryAfter: time.Second}); got.Sub(now) < 4*time.Hour {
		t.Errorf("asked for a second when five hours are due: %s", got.Sub(now))
	}
	for name, at := range map[string]time.Time{
		"taken": nextAt(now, 0, Receipt{}), "gone": nextAt(now, 0, Receipt{Error: "x", Gone: true}), "the last": nextAt(now, int64(len(pauses())), Receipt{Error: "x", RetryAfter: time.Hour}),
	} {
		if !at.IsZero() {
			t.Errorf("%s: tried again at %s", name, at)
		}
	}
}

// What was to be sent is judged when it is sent: A-90.
func TestA90_NothingIsSentToAWebhookThatMayHearNoMore(t *testing.T) {
	o := open(t, SQLite(filepath.Join(t.TempDir(), "jobs.db")))
	h := o.hook()
	o.answer(func(halberd.Outgoing, int) Receipt { return Receipt{Status: 500, Error: "answered 500"} })
	o.test(h)
	eventually(t, "a try", func() bool { l := o.log(h); return len(l) == 1 && l[0].Attempts == 1 })
	if _, err := o.UpdateWebhook(t.Context(), o.Admin, h.ID, halberd.WebhookPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is canceled", func() bool {
		o.Clock.Pass(5 * time.Second)
		return o.log(h)[0].State == halberd.DeliveryCanceled
	})
	if n := len(o.got(h)); n != 1 {
		t.Errorf("%d tries", n)
	}
}

// A jobs database that is lost loses nothing: what is pending is found again.
func TestLostJobsLoseNoDelivery(t *testing.T) {
	dir := t.TempDir()
	o := open(t, SQLite(filepath.Join(dir, "first.db")))
	h := o.hook()
	o.answer(func(halberd.Outgoing, int) Receipt { return Receipt{Error: "no answer in time"} })
	o.test(h)
	eventually(t, "a try", func() bool { l := o.log(h); return len(l) == 1 && l[0].Attempts == 1 })
	if err := o.runner.Stop(); err != nil {
		t.Fatal(err)
	}
	o.answer(func(halberd.Outgoing, int) Receipt { return Receipt{Status: 204} })
	o.Clock.Pass(time.Minute)
	second := start(t, Options{Database: SQLite(filepath.Join(dir, "second.db")), Service: o.Service, Send: o.send, Now: o.Clock.Now})
	o.runner = second
	eventually(t, "it is delivered", func() bool { return o.log(h)[0].State == halberd.DeliveryDelivered })
}

// Redelivery begins the tries anew, under the same event id, also while an
// earlier job of the same delivery is not forgotten.
func TestRedeliverySendsAgain(t *testing.T) {
	o := open(t, SQLite(filepath.Join(t.TempDir(), "jobs.db")))
	h := o.hook()
	o.test(h)
	eventually(t, "it is delivered", func() bool { l := o.log(h); return len(l) == 1 && l[0].State == halberd.DeliveryDelivered })
	if _, err := o.Redeliver(t.Context(), o.Admin, h.ID, o.log(h)[0].ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is delivered again", func() bool {
		o.Clock.Pass(time.Second)
		return len(o.got(h)) == 2 && o.log(h)[0].State == halberd.DeliveryDelivered
	})
	if a, b := o.got(h)[0].Event.ID, o.got(h)[1].Event.ID; a != b {
		t.Errorf("ids %s and %s", a, b)
	}
}
