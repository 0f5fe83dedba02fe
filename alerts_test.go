package halberd_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// watcher is a world whose alerts are evaluated minute by minute.
type watcher struct{ *fixture.World }

func watching(t *testing.T) watcher {
	w := watcher{fixture.New(t)}
	w.minute(nil)
	return w
}

// minute lets something happen, and then a minute pass.
func (w watcher) minute(fn func()) {
	w.T.Helper()
	if fn != nil {
		fn()
	}
	if _, err := w.Usage(w.Ctx(), w.Admin, halberd.UsageQuery{}); err != nil { // files it under this minute
		w.T.Fatal(err)
	}
	w.Clock.Pass(time.Minute)
	if err := w.EvaluateAlerts(w.Ctx()); err != nil {
		w.T.Fatal(err)
	}
}

func (w watcher) list(q halberd.AlertQuery) []halberd.Alert {
	w.T.Helper()
	got, err := w.ListAlerts(w.Ctx(), w.Admin, q)
	if err != nil {
		w.T.Fatal(err)
	}
	return got.List
}

// one is the only alert of a kind.
func (w watcher) one(kind halberd.AlertKind) halberd.Alert {
	w.T.Helper()
	list := w.list(halberd.AlertQuery{Kind: kind})
	if len(list) != 1 {
		w.T.Fatalf("%d alerts of %s: %+v", len(list), kind, list)
	}
	return list[0]
}

// told are the types of the events of an alert, in order.
func (w watcher) told(a halberd.Alert) (types []string) {
	w.T.Helper()
	events, err := w.Events(w.Ctx(), w.Admin, halberd.EventQuery{Target: a.ID.String()})
	if err != nil {
		w.T.Fatal(err)
	}
	for _, e := range events.List {
		types = append(types, string(e.Type))
		if !strings.Contains(e.Data, a.Cause[:8]) {
			w.T.Errorf("%s does not tell the cause: %s", e.Type, e.Data)
		}
	}
	return types
}

func (w watcher) use(n int, secret halberd.Secret) func() {
	return func() {
		for range n {
			w.Code(secret)
		}
	}
}

// S1-24: what makes sense is watched for without anybody's asking.
func TestS1_24_UsualRulesAreThereFromTheFirstStart(t *testing.T) {
	w := fixture.New(t)
	rules, err := w.ListAlertRules(w.Ctx(), w.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []halberd.AlertKind
	for _, a := range rules.List {
		kinds = append(kinds, a.Kind)
		if !a.Active || a.Organization != w.Org {
			t.Errorf("%+v", a)
		}
	}
	if !slices.Equal(kinds, halberd.AlertKinds()) {
		t.Errorf("kinds: %v", kinds)
	}
	other, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := w.ListAlertRules(w.Ctx(), w.Admin, other.ID, halberd.Page{})
	if err != nil || len(theirs.List) != len(kinds)-1 {
		t.Errorf("another organization's: %d, %v", len(theirs.List), err)
	}
}

// S1-24: a revoked key that somebody still has: told once, with the cause and the
// key, and over by itself an hour after its last use.
func TestS1_24_ARevokedKeyInUseIsToldOnce(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{Name: "CI"})
	if _, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.minute(w.use(2, k.Secret))
	}
	a := w.one(halberd.AlertEnded)
	if a.Key != k.Key.ID || a.KeyName != "CI" || a.State != halberd.AlertOpen || a.Project != w.Home ||
		a.Cause != "It was revoked and is still being used: 2 checks were refused within a minute. Somebody has it." {
		t.Errorf("%+v", a)
	}
	if got := w.told(a); !slices.Equal(got, []string{"alert.opened"}) {
		t.Errorf("told: %v", got)
	}
	w.Clock.Pass(58 * time.Minute)
	w.minute(nil)
	if got := w.one(halberd.AlertEnded); got.State != halberd.AlertOpen {
		t.Errorf("within the hour: %s", got.State)
	}
	w.Clock.Pass(2 * time.Minute)
	w.minute(nil)
	if a = w.one(halberd.AlertEnded); a.State != halberd.AlertResolved || a.ResolvedAt.IsZero() {
		t.Errorf("after the hour: %+v", a)
	}
	if got := w.told(a); !slices.Equal(got, []string{"alert.opened", "alert.resolved"}) {
		t.Errorf("told: %v", got)
	}
	w.minute(w.use(1, k.Secret))
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertEnded}); len(list) != 2 || list[0].State != halberd.AlertOpen {
		t.Errorf("when it comes again: %+v", list)
	}
}

func TestS1_24_AShareOfErrorsIsTold(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
	bad := func(n int) {
		for range n {
			if _, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret, Scopes: []halberd.Scope{"write"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.minute(func() { bad(9); w.use(10, k.Secret)() })
	if list := w.list(halberd.AlertQuery{}); len(list) != 0 {
		t.Fatalf("of few checks: %+v", list)
	}
	w.minute(func() { bad(6) })
	if a := w.one(halberd.AlertErrors); a.Cause != "60 % of its 25 checks within 15 minutes were refused, most of them as INSUFFICIENT_SCOPE." || a.Threshold != 50 {
		t.Errorf("%+v", a)
	}
}

func TestS1_24_LimitsAndQuotasNearlySpentAreTold(t *testing.T) {
	w := watching(t)
	limited := w.Make(halberd.NewKey{RateLimits: limited(halberd.RateLimit{Limit: 10, WindowSeconds: 60})})
	rationed := w.Make(halberd.NewKey{Quota: quota(100, halberd.RefillDay)})
	w.minute(func() { w.use(7, limited.Secret)(); w.use(70, rationed.Secret)() })
	if list := w.list(halberd.AlertQuery{}); len(list) != 0 {
		t.Fatalf("of 70 %%: %+v", list)
	}
	causes := func(k halberd.Changed) (out []string) {
		for _, a := range w.list(halberd.AlertQuery{Key: k.Key.ID, Kind: halberd.AlertLimit}) {
			out = append(out, a.Cause)
		}
		return out
	}
	w.Clock.Pass(2 * time.Minute)
	w.minute(func() { w.use(9, limited.Secret)(); w.use(24, rationed.Secret)() })
	if got := causes(limited); len(got) != 1 || got[0] != `90 % of its rate limit "default" are spent.` {
		t.Errorf("the limit: %q", got)
	}
	if got := causes(rationed); len(got) != 1 || !strings.Contains(got[0], "of its quota are spent") {
		t.Errorf("the quota: %q", got)
	}
	w.minute(func() { w.use(20, limited.Secret)(); w.use(20, rationed.Secret)() })
	if got := causes(limited); len(got) != 2 || !strings.HasPrefix(got[0], "Its rate limit is spent") {
		t.Errorf("the limit: %q", got)
	}
	if got := causes(rationed); len(got) != 2 || got[0] != "Its quota is spent." {
		t.Errorf("the quota: %q", got)
	}
	for range 3 {
		w.Clock.Pass(61 * time.Minute)
		w.minute(w.use(1, rationed.Secret))
	}
	if got := causes(rationed); len(got) != 2 {
		t.Errorf("the quota, later in its period: %q", got)
	}
}

func TestS1_24_ANewNetworkOrProgramIsTold(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{})
	from := func(address, agent string) func() {
		return func() {
			if _, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret, ClientIP: netip.MustParseAddr(address), UserAgent: agent}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.minute(from("203.0.113.7", "curl/8.1"))
	w.minute(from("198.51.100.7", "curl/8.1")) // on its first day everything is new
	if list := w.list(halberd.AlertQuery{}); len(list) != 0 {
		t.Fatalf("of a new key: %+v", list)
	}
	w.Clock.Pass(25 * time.Hour)
	w.minute(from("203.0.113.99", "curl/9.0")) // a neighbor of what is known
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertOrigin}); len(list) != 0 {
		t.Fatalf("of what is known: %+v", list)
	}
	w.minute(from("192.0.2.1", "curl/9.0"))
	if a := w.one(halberd.AlertOrigin); a.Cause != "It was used from the network 192.0.2.0/24 for the first time." {
		t.Errorf("%+v", a)
	}
	w.minute(from("192.0.2.1", "python-requests/2.32"))
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertOrigin}); len(list) != 2 || list[0].Cause != "It was used by the program python-requests for the first time." {
		t.Errorf("%+v", list)
	}
	w.minute(w.use(1, k.Secret)) // a gateway that tells no address
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertOrigin}); len(list) != 2 {
		t.Errorf("of no address: %q", list[0].Cause)
	}
	places, err := w.Origins(w.Ctx(), w.Admin, k.Key.ID)
	var seen []string
	for _, o := range places {
		seen = append(seen, o.Kind+" "+o.Value)
	}
	if got := strings.Join(seen, ", "); err != nil || got != "network 203.0.113.0/24, program curl, network 198.51.100.0/24, network 192.0.2.0/24, program python-requests" {
		t.Errorf("it was used from %s, %v", got, err)
	}
	other, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	project, err := w.CreateProject(w.Ctx(), w.Admin, halberd.NewProject{Organization: other.ID, Name: "Theirs"})
	if err != nil {
		t.Fatal(err)
	}
	eve := w.Actor(w.Make(halberd.NewKey{Project: project.ID, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	if list, err := w.Origins(w.Ctx(), eve, k.Key.ID); len(list) != 0 || halberd.CodeOf(err) != halberd.CodeNotFound {
		t.Errorf("another organization's: %v, %v", list, err)
	}
}

// S3, S4: keys that expire and keys that nobody uses.
func TestS1_24_KeysThatExpireAndKeysThatLieIdleAreTold(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(40))})
	w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}) // meant to be short
	idle := w.Make(halberd.NewKey{})
	var stages []float64
	for day := range 41 {
		w.Clock.Pass(24*time.Hour - time.Minute)
		w.minute(nil)
		for _, a := range w.list(halberd.AlertQuery{Kind: halberd.AlertExpiring, States: []halberd.AlertState{halberd.AlertOpen}}) {
			if a.Key != k.Key.ID {
				t.Errorf("day %d: %+v", day, a)
			}
			if !slices.Contains(stages, a.Threshold) {
				stages = append(stages, a.Threshold)
			}
		}
	}
	if fmt.Sprint(stages) != "[30 7 1]" || len(w.list(halberd.AlertQuery{Kind: halberd.AlertExpiring})) != 3 {
		t.Errorf("stages %v of %+v", stages, w.list(halberd.AlertQuery{Kind: halberd.AlertExpiring}))
	}
	w.Clock.Pass(50 * 24 * time.Hour)
	w.minute(nil)
	list := w.list(halberd.AlertQuery{Kind: halberd.AlertUnused, Key: idle.Key.ID})
	if len(list) != 1 || !strings.HasPrefix(list[0].Cause, "It was never used since it was made on 15 January 2024, 9") {
		t.Fatalf("%+v", list)
	}
	w.minute(w.use(1, idle.Secret))
	w.Clock.Pass(2 * time.Hour)
	w.minute(nil)
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertUnused, Key: idle.Key.ID}); list[0].State != halberd.AlertResolved {
		t.Errorf("once it is used: %+v", list)
	}
}

func TestS1_24_ManyBadKeysFromOneAddressAreTold(t *testing.T) {
	w := watching(t)
	guess := func(n int) func() {
		return func() {
			for range n {
				w.Guessed(netip.MustParseAddr("203.0.113.7"))
			}
		}
	}
	w.minute(guess(99))
	if list := w.list(halberd.AlertQuery{}); len(list) != 0 {
		t.Fatalf("of fewer: %+v", list)
	}
	w.minute(guess(100))
	if a := w.one(halberd.AlertBadKeys); a.Cause != "100 bad API keys came from 203.0.113.7 within a minute." || !a.Key.IsZero() {
		t.Errorf("%+v", a)
	}
}

// The model is made from what is stored: three weeks of hours, then a burst.
func TestS1_24_AVolumeFarFromTheKeysPastIsTold(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{})
	now := w.Clock.Now()
	for at := now.Add(-21 * 24 * time.Hour); at.Before(now); at = at.Add(time.Minute) {
		if err := w.Store.AddUsage(w.Ctx(), halberd.UsageBatch{Counts: []halberd.UsageCount{{
			Key: k.Key.ID, Organization: w.Org, Project: w.Home, Minute: at.Truncate(time.Minute).Unix(), Verdict: "VALID", Count: 10,
		}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.TidyUsage(w.Ctx(), halberd.UsageRetention{Minutes: 2}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.minute(w.use(10, k.Secret))
	}
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertVolume}); len(list) != 0 {
		t.Fatalf("as ever: %+v", list)
	}
	for range 4 {
		w.minute(w.use(50, k.Secret))
	}
	if a := w.one(halberd.AlertVolume); !strings.HasSuffix(a.Cause, "times a minute, and 10 is usual at this time.") {
		t.Errorf("%+v", a)
	}
	for range 20 {
		w.minute(w.use(10, k.Secret))
	}
	if a := w.one(halberd.AlertVolume); a.State != halberd.AlertResolved {
		t.Errorf("afterwards: %+v", a)
	}
}

func TestTheNarrowestRuleHolds(t *testing.T) {
	w := watching(t)
	loud, quiet := w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{})
	off, err := w.CreateAlertRule(w.Ctx(), w.Admin, halberd.NewAlertRule{Kind: halberd.AlertEnded, Key: quiet.Key.ID, Active: halberd.Some(false)})
	if err != nil || off.Project != w.Home {
		t.Fatal(off, err)
	}
	for _, k := range []halberd.Changed{loud, quiet} {
		if _, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	both := func() { w.Code(loud.Secret); w.Code(quiet.Secret) }
	w.minute(both)
	if a := w.one(halberd.AlertEnded); a.Key != loud.Key.ID {
		t.Errorf("%+v", a)
	}
	if _, err := w.DeleteAlertRule(w.Ctx(), w.Admin, off.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.minute(both)
	if list := w.list(halberd.AlertQuery{Kind: halberd.AlertEnded}); len(list) != 2 {
		t.Errorf("without the rule: %+v", list)
	}
	rules, err := w.ListAlertRules(w.Ctx(), w.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range rules.List {
		if a.Kind == halberd.AlertEnded {
			if _, err := w.UpdateAlertRule(w.Ctx(), w.Admin, a.ID, halberd.AlertRulePatch{Active: halberd.Some(false)}, a.Version); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.minute(both)
	if open := w.list(halberd.AlertQuery{Kind: halberd.AlertEnded, States: []halberd.AlertState{halberd.AlertOpen}}); len(open) != 0 {
		t.Errorf("of a rule that is off: %+v", open)
	}
}

func TestAlertsAreAcknowledgedAndSilenced(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{})
	if _, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	w.minute(w.use(1, k.Secret))
	a := w.one(halberd.AlertEnded)
	for range 2 {
		got, err := w.AcknowledgeAlert(w.Ctx(), w.Admin, a.ID)
		if err != nil || got.State != halberd.AlertAcknowledged || got.AcknowledgedBy != w.Admin.Ref() || got.Version != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	_, err := w.SilenceAlert(w.Ctx(), w.Admin, a.ID, w.Clock.Now().Add(1000*24*time.Hour))
	w.Refused(err, halberd.CodeInvalid)
	if _, err := w.SilenceAlert(w.Ctx(), w.Admin, a.ID, w.Clock.Now().Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.Clock.Pass(61 * time.Minute)
		w.minute(nil)
	}
	w.minute(w.use(1, k.Secret)) // it comes again, and nobody is told
	list := w.list(halberd.AlertQuery{Kind: halberd.AlertEnded})
	if len(list) != 2 || list[0].State != halberd.AlertOpen || list[0].SilencedUntil.IsZero() || list[1].State != halberd.AlertResolved {
		t.Fatalf("%+v", list)
	}
	if got := w.told(list[0]); len(got) != 0 {
		t.Errorf("told of a silenced one: %v", got)
	}
	if got := w.told(list[1]); !slices.Equal(got, []string{"alert.opened", "alert.acknowledged"}) {
		t.Errorf("told of the first: %v", got)
	}
}

func TestAlertRulesAreJudged(t *testing.T) {
	w := fixture.New(t)
	for name, n := range map[string]halberd.NewAlertRule{
		"kind":           {Kind: "weather"},
		"threshold":      {Kind: halberd.AlertErrors, Threshold: halberd.Some(101.0)},
		"window_seconds": {Kind: halberd.AlertErrors, Window: halberd.Some(61 * time.Second)},
		"reasons":        {Kind: halberd.AlertErrors, Reasons: []halberd.VerdictCode{halberd.Valid}},
		"scope":          {Kind: halberd.AlertBadKeys, Project: w.Home},
		"channels":       {Kind: halberd.AlertErrors, Channels: []string{"pager"}},
	} {
		_, err := w.CreateAlertRule(w.Ctx(), w.Admin, n)
		w.Refused(err, halberd.CodeInvalid)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reader, admin := w.Holder("read"), w.Holder("admin")
	_, err := w.CreateAlertRule(w.Ctx(), reader, halberd.NewAlertRule{Kind: halberd.AlertErrors})
	w.Refused(err, halberd.CodeForbidden)
	_, err = w.CreateAlertRule(w.Ctx(), admin, halberd.NewAlertRule{Kind: halberd.AlertBadKeys})
	w.Refused(err, halberd.CodeInvalid) // it is bound to its project
	mine, err := w.CreateAlertRule(w.Ctx(), admin, halberd.NewAlertRule{Kind: halberd.AlertErrors})
	if err != nil || mine.Project != w.Home {
		t.Errorf("a project's own: %+v, %v", mine, err)
	}
	if list, err := w.ListAlertRules(w.Ctx(), reader, halberd.OrganizationID{}, halberd.Page{}); err != nil || len(list.List) != 1 {
		t.Errorf("a project sees its own only: %+v, %v", list, err)
	}
}
