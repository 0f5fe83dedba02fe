package halberd_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
	"github.com/halberdhq/halberd/storage/memory"
)

// S1-23, S1-24: what a key did and what it was refused, each under its verdict,
// for the key, its project and its organization.
func TestS1_23_UsageIsCountedByVerdict(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
	elsewhere := w.Make(halberd.NewKey{Project: w.Project("elsewhere").ID, ExternalID: "acme"})
	w.Code(c.Secret)
	w.Code(c.Secret)
	if _, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{}); err != nil { // stores them under their minute
		t.Fatal(err)
	}
	w.Clock.Pass(time.Hour)
	if v, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret, Scopes: []halberd.Scope{"write"}}); err != nil || v.Code != halberd.InsufficientScope {
		t.Fatal(v.Code, err)
	}
	w.Code(elsewhere.Secret)
	if _, err := w.Revoke(w.Ctx(), w.Admin, c.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	w.Code(c.Secret)

	for name, want := range map[string]struct {
		query halberd.UsageQuery
		total string
	}{
		"the key":     {halberd.UsageQuery{Key: c.Key.ID}, "map[INSUFFICIENT_SCOPE:1 REVOKED:1 VALID:2]"},
		"its project": {halberd.UsageQuery{Project: w.Home}, "map[INSUFFICIENT_SCOPE:1 REVOKED:1 VALID:2]"},
		"the other":   {halberd.UsageQuery{ExternalID: "acme"}, "map[VALID:1]"},
		"no customer": {halberd.UsageQuery{ExternalID: "nobody"}, "map[]"},
	} {
		got, err := w.Usage(w.Ctx(), w.Admin, want.query)
		if err != nil || fmt.Sprint(got.Total) != want.total {
			t.Errorf("%s: %v, %v; want %s", name, got.Total, err, want.total)
		}
		if len(got.Points) != 24 || got.Step != halberd.StepHour || got.To.Sub(got.From) != 24*time.Hour {
			t.Errorf("%s: %d points by %s from %s to %s", name, len(got.Points), got.Step, got.From, got.To)
		}
	}
	got, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{Key: c.Key.ID})
	if err != nil || fmt.Sprint(got.Points[22].Counts, got.Points[23].Counts) != "map[VALID:2] map[INSUFFICIENT_SCOPE:1 REVOKED:1]" {
		t.Errorf("%v: %v %v", err, got.Points[22], got.Points[23])
	}
	// The organization's own admin key counts as well: it has called.
	all, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{})
	if err != nil || all.Total[halberd.Valid] < 4 || all.Total[halberd.Revoked] != 1 {
		t.Errorf("the organization: %v, %v", all.Total, err)
	}
}

func TestUsageIsReadWithinTheReach(t *testing.T) {
	w := fixture.New(t)
	neighbor := w.Project("neighbor")
	theirs := w.Make(halberd.NewKey{Project: neighbor.ID, ExternalID: "acme"})
	w.Code(theirs.Secret)
	wide := w.Make(halberd.NewKey{Wide: true})
	w.Code(wide.Secret)
	reader := w.Holder("read")
	for name, q := range map[string]halberd.UsageQuery{
		"a neighbor's key": {Key: theirs.Key.ID},
		"a wide key":       {Key: wide.Key.ID},
		"a neighbor":       {Project: neighbor.ID},
		"an organization":  {Organization: halberd.NewOrganizationID()},
		"no key":           {Key: halberd.NewKeyID()},
	} {
		_, err := w.Usage(w.Ctx(), reader, q)
		if got := halberd.CodeOf(err); got != halberd.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := w.Usage(w.Ctx(), reader, halberd.UsageQuery{})
	if err != nil || got.Total[halberd.Valid] != 1 { // its own Authenticate
		t.Errorf("%v, %v", got.Total, err)
	}
	if got, err = w.Usage(w.Ctx(), reader, halberd.UsageQuery{ExternalID: "acme"}); err != nil || len(got.Total) != 0 {
		t.Errorf("a customer of a neighbor: %v, %v", got.Total, err)
	}
	_, err = w.Usage(w.Ctx(), w.Holder("verify"), halberd.UsageQuery{})
	w.Refused(err, halberd.CodeForbidden)
}

func TestTheSpanOfASeries(t *testing.T) {
	w := fixture.New(t)
	now := w.Clock.Now() // 10:30
	at := now.Add
	for name, c := range map[string]struct {
		query    halberd.UsageQuery
		from, to string
		step     halberd.UsageStep
		points   int
	}{
		"nothing asked":         {halberd.UsageQuery{}, "2024-01-14T11:00:00Z", "2024-01-15T11:00:00Z", "hour", 24},
		"by minute":             {halberd.UsageQuery{Step: "minute"}, "2024-01-15T09:31:00Z", "2024-01-15T10:31:00Z", "minute", 60},
		"by day":                {halberd.UsageQuery{Step: "day"}, "2023-12-17T00:00:00Z", "2024-01-16T00:00:00Z", "day", 30},
		"since an hour":         {halberd.UsageQuery{From: at(-time.Hour)}, "2024-01-15T09:30:00Z", "2024-01-15T10:31:00Z", "minute", 61},
		"since a day":           {halberd.UsageQuery{From: at(-24 * time.Hour)}, "2024-01-14T10:00:00Z", "2024-01-15T11:00:00Z", "hour", 25},
		"since a week":          {halberd.UsageQuery{From: at(-7 * 24 * time.Hour)}, "2024-01-08T00:00:00Z", "2024-01-16T00:00:00Z", "day", 8},
		"until yesterday":       {halberd.UsageQuery{To: at(-24 * time.Hour)}, "2024-01-13T11:00:00Z", "2024-01-14T11:00:00Z", "hour", 24},
		"from and to, as asked": {halberd.UsageQuery{From: at(-90 * time.Second), To: at(-30 * time.Second)}, "2024-01-15T10:28:00Z", "2024-01-15T10:30:00Z", "minute", 2},
		"before there was time": {halberd.UsageQuery{From: time.Unix(-90, 0), To: time.Unix(-30, 0)}, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "minute", 0},
		"2,000 points":          {halberd.UsageQuery{From: now.Add(-2000 * time.Minute), To: now, Step: "minute"}, "2024-01-14T01:10:00Z", "2024-01-15T10:30:00Z", "minute", 2000},
	} {
		got, err := w.Usage(w.Ctx(), w.Admin, c.query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.From.Format(time.RFC3339) != c.from || got.To.Format(time.RFC3339) != c.to || got.Step != c.step || len(got.Points) != c.points {
			t.Errorf("%s: %d points by %s from %s to %s", name, len(got.Points), got.Step, got.From.Format(time.RFC3339), got.To.Format(time.RFC3339))
		}
	}
	for name, c := range map[string]struct {
		query halberd.UsageQuery
		field string
	}{
		"backwards":      {halberd.UsageQuery{From: now, To: at(-time.Hour)}, "to"},
		"nothing":        {halberd.UsageQuery{From: now, To: now}, "to"},
		"the future":     {halberd.UsageQuery{From: at(time.Hour)}, "from"},
		"2,001 points":   {halberd.UsageQuery{From: now.Add(-2001 * time.Minute), To: now, Step: "minute"}, "step"},
		"of all time":    {halberd.UsageQuery{From: time.Unix(1, 0), To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, "from"},
		"a week's steps": {halberd.UsageQuery{Step: "week"}, "step"},
		"a key, and":     {halberd.UsageQuery{Key: w.Admin.KeyID(), Project: w.Home}, "key_id"},
	} {
		_, err := w.Usage(w.Ctx(), w.Admin, c.query)
		e, ok := errors.AsType[*halberd.Error](err)
		if !ok || e.Code != halberd.CodeInvalid || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is dropped is said, and stays in the longer steps.
func TestUsageIsTidied(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	tidy := func(keep halberd.UsageRetention) {
		t.Helper()
		for more, err := true, error(nil); more; {
			if more, err = w.TidyUsage(w.Ctx(), keep); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 5 {
		w.Code(c.Secret)
		if _, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{}); err != nil { // stores it under its minute
			t.Fatal(err)
		}
		w.Clock.Pass(24 * time.Hour)
	}
	tidy(halberd.UsageRetention{})
	read := func(step halberd.UsageStep) halberd.UsageSeries {
		t.Helper()
		s, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{Key: c.Key.ID, Step: step, From: w.Clock.Now().Add(-6 * 24 * time.Hour), To: w.Clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := read(halberd.StepHour); s.Total[halberd.Valid] != 5 || !s.KeptFrom.IsZero() {
		t.Errorf("kept for good: %v from %v", s.Total, s.KeptFrom)
	}
	tidy(halberd.UsageRetention{Minutes: 1, Hours: 2, Days: 365})
	if s := read(halberd.StepHour); s.Total[halberd.Valid] != 2 || !s.KeptFrom.Equal(time.Date(2024, 1, 18, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("by hour: %v from %v", s.Total, s.KeptFrom)
	}
	if s := read(halberd.StepDay); s.Total[halberd.Valid] != 5 {
		t.Errorf("by day: %v from %v", s.Total, s.KeptFrom)
	}
}

// sulky is a store that takes no counts for a while, or takes them and does not
// say so.
type sulky struct {
	halberd.Store
	refuse, swallow bool
}

func (s *sulky) NoteUsage(ctx context.Context, b halberd.UsageBatch) error {
	if s.refuse {
		return errors.New("no space")
	}
	err := s.Store.NoteUsage(ctx, b)
	if s.swallow {
		return errors.New("no answer")
	}
	return err
}

// What the store does not take waits for it, and what it took without saying so
// is counted once.
func TestCountsWaitForTheStore(t *testing.T) {
	store := &sulky{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	c := w.Make(halberd.NewKey{})
	q := halberd.UsageQuery{Key: c.Key.ID}
	for _, fails := range []*bool{&store.refuse, &store.swallow, &store.refuse} {
		*fails = true
		for range 3 {
			w.Code(c.Secret)
			if _, err := w.Usage(w.Ctx(), w.Admin, q); err == nil {
				t.Error("a series that lacks counts was answered")
			}
		}
		*fails = false
		w.Code(c.Secret)
	}
	got, err := w.Usage(w.Ctx(), w.Admin, q)
	if err != nil || got.Total[halberd.Valid] != 12 {
		t.Errorf("%v, %v; want 12", got.Total, err)
	}
	if u := w.Stats().Usage; u.Failed != 9 || u.Flushes < 10 || u.Waiting != 0 || u.Dropped != 0 {
		t.Errorf("%+v", u)
	}
}

// What waits is bounded by how many counts there are, and not by for how long.
func TestFewCountsWaitForTheStoreForLong(t *testing.T) {
	store := &sulky{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	c := w.Make(halberd.NewKey{})
	q := halberd.UsageQuery{Key: c.Key.ID}
	for i := range 600 {
		store.refuse, store.swallow = i%2 == 0, i%2 == 1 // the first of them is there, and nobody knows
		w.Code(c.Secret)
		if _, err := w.Usage(w.Ctx(), w.Admin, q); err == nil {
			t.Fatal("a series that lacks counts was answered")
		}
	}
	if u := w.Stats().Usage; u.Waiting == 0 || u.Dropped != 0 {
		t.Errorf("%+v", u)
	}
	store.refuse, store.swallow = false, false
	got, err := w.Usage(w.Ctx(), w.Admin, q)
	if err != nil || got.Total[halberd.Valid] != 600 {
		t.Errorf("%v, %v; want 600", got.Total, err)
	}
	if u := w.Stats().Usage; u.Waiting != 0 || u.Dropped != 0 {
		t.Errorf("%+v", u)
	}
}

// The last use tells its address and program, cleaned; the next one replaces
// both.
func TestLastUsedTellsWhereFrom(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	use := func(from, agent string) halberd.Key {
		t.Helper()
		w.Clock.Pass(time.Second)
		check := halberd.Check{Secret: c.Secret, UserAgent: agent}
		if from != "" {
			check.ClientIP = netip.MustParseAddr(from)
		}
		if v, err := w.Verify(w.Ctx(), check); err != nil || !v.Valid() {
			t.Fatal(v.Code, err)
		}
		if _, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{}); err != nil {
			t.Fatal(err)
		}
		k, err := w.Get(w.Ctx(), w.Admin, c.Key.ID)
		if err != nil || !k.LastUsedAt.Equal(w.Clock.Now()) {
			t.Errorf("%v at %v", err, k.LastUsedAt)
		}
		return k
	}
	for _, one := range []struct{ from, agent, wantFrom, wantAgent string }{
		{"203.0.113.7", "curl/8.14.1", "203.0.113.7", "curl/8.14.1"},
		{"::ffff:203.0.113.8", "a\x1b[31m\r\nb\x00\u202e", "203.0.113.8", "a [31m  b  "},
		{"fe80::1%eth0", strings.Repeat("é", 200), "fe80::1", strings.Repeat("é", 128)},
		{"", "\xff\xfe", "invalid IP", ""},
		{"", "curl/8.0 my_application/1.0 (x86_64)", "invalid IP", "curl/8.0 my_application/1.0 (x86_64)"},
		// a key in the wrong header.
		{"", keytext.Mint("hb_live"), "invalid IP", ""},
		{"", "curl/8.0 key=" + keytext.Mint("acme") + ";", "invalid IP", ""},
		{"", keytext.Mint("hb_live")[:30], "invalid IP", ""},
	} {
		k := use(one.from, one.agent)
		if k.LastUsedFrom.String() != one.wantFrom || k.LastUsedAgent != one.wantAgent {
			t.Errorf("from %q by %q: %s, %q", one.from, one.agent, k.LastUsedFrom, k.LastUsedAgent)
		}
	}
	revoked, err := w.Revoke(w.Ctx(), w.Admin, c.Key.ID, "", 0)
	if err != nil || revoked.Key.LastUsedAt.IsZero() {
		t.Errorf("after it was revoked: %v, %v", revoked.Key.LastUsedAt, err)
	}
	// One that presents itself for a call about keys tells as much.
	other := w.Make(halberd.NewKey{})
	if _, err := w.Authenticate(w.Ctx(), other.Secret, halberd.Request{UserAgent: "hb/1.0", ClientIP: netip.MustParseAddr("2001:db8::1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{}); err != nil {
		t.Fatal(err)
	}
	if k, err := w.Get(w.Ctx(), w.Admin, other.Key.ID); err != nil || k.LastUsedAgent != "hb/1.0" || k.LastUsedFrom.String() != "2001:db8::1" {
		t.Errorf("%v: %s by %q", err, k.LastUsedFrom, k.LastUsedAgent)
	}
}
