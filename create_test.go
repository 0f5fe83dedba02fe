package halberd_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// S3-19, S3-20, S0-07: read and write, forever, on everything, unless told
// otherwise.
func TestDefaultsOfANewKey(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Name: "CI Key"}).Key
	if k.Scopes.String() != "read write" || !k.Resources.All() || !k.ExpiresAt.IsZero() || !k.Active ||
		k.Project != w.Home || k.RateLimits != nil || k.Version != 1 || k.Operator {
		t.Errorf("%+v", k)
	}
	if k.CreatedBy != w.Admin.Ref() || !k.CreatedAt.Equal(w.Clock.Now()) {
		t.Errorf("created by %s at %s", k.CreatedBy, k.CreatedAt)
	}
}

// S3-24: exact days of 24 hours. The document's own example is a day off.
func TestExpiryIsExactDays(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(90))}).Key
	if want := time.Date(2024, 4, 14, 10, 30, 0, 0, time.UTC); !k.ExpiresAt.Equal(want) {
		t.Errorf("15 January + 90 days is %s, want %s", k.ExpiresAt, want)
	}
}

// A-30 below the surfaces, A-17: a life is judged by policy and by the
// creator's own.
func TestExpiryIsJudged(t *testing.T) {
	w := fixture.New(t)
	p := w.Project("short")
	_, err := w.UpdateProject(w.Ctx(), w.Admin, p.ID, halberd.ProjectPatch{
		MaxExpiresInDays: halberd.Some(30), DefaultExpiresInDays: halberd.Some(90),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	now := w.Clock.Now()
	ends := w.Actor(w.Make(halberd.NewKey{
		Project: p.ID, Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: halberd.Some(halberd.ExpiresIn(10)),
	}).Secret)
	for _, c := range []struct {
		by   halberd.Actor
		n    halberd.NewKey
		want halberd.Code
	}{
		{w.Admin, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(0))}, halberd.CodeInvalid},
		{w.Admin, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(-1))}, halberd.CodeInvalid},
		{w.Admin, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(31))}, halberd.CodeInvalid},
		{w.Admin, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(30))}, ""},
		{w.Admin, halberd.NewKey{ExpiresAt: halberd.Never()}, halberd.CodeInvalid},
		{w.Admin, halberd.NewKey{ExpiresAt: halberd.Some(halberd.Expiry{At: now})}, halberd.CodeInvalid},
		{w.Admin, halberd.NewKey{ExpiresAt: halberd.Some(halberd.Expiry{At: now.Add(31 * day)})}, halberd.CodeInvalid},
		{ends, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(11))}, halberd.CodeScopeEscalation},
		{ends, halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(9))}, ""},
		{w.Admin, halberd.NewKey{NotBefore: now.Add(20 * day), ExpiresInDays: halberd.Some(halberd.ExpiresIn(5))}, halberd.CodeInvalid},
	} {
		c.n.Project = p.ID
		_, err := w.Create(w.Ctx(), c.by, c.n)
		w.Refused(err, c.want)
	}
	// A default is shortened to the nearest bound, and the answer shows it.
	if k := w.Make(halberd.NewKey{Project: p.ID}).Key; !k.ExpiresAt.Equal(now.Add(30 * day)) {
		t.Errorf("the default ends %s", k.ExpiresAt)
	}
	c, err := w.Create(w.Ctx(), ends, halberd.NewKey{})
	if err != nil || !c.Key.ExpiresAt.Equal(now.Add(10*day)) {
		t.Errorf("%v, ends %s", err, c.Key.ExpiresAt)
	}
}

// no one grants more than they hold.
func TestNoOneGrantsMoreThanTheyHold(t *testing.T) {
	w := fixture.New(t)
	some := resources(t, "engagement/42")
	net, _ := halberd.ParseIPAllow([]string{"10.0.0.0/8"})
	wider, _ := halberd.ParseIPAllow([]string{"10.0.0.0/7"})
	inner, _ := halberd.ParseIPAllow([]string{"10.1.0.0/16"})
	slow := halberd.RateLimits{{Limit: 10, WindowSeconds: 60}}
	fast := halberd.RateLimits{{Limit: 100, WindowSeconds: 60}}
	made := w.Make(halberd.NewKey{
		Scopes: halberd.Some(halberd.MustScopes("admin")), Resources: halberd.Some(some),
		IPAllow: halberd.Some(net), RateLimits: halberd.Some(slow),
	})
	by, err := w.Authenticate(w.Ctx(), made.Secret, halberd.Request{ClientIP: addr("10.2.3.4")})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by   halberd.Actor
		n    halberd.NewKey
		want halberd.Code
	}{
		"resources beyond": {by, halberd.NewKey{Resources: halberd.Some(halberd.AllResources())}, halberd.CodeScopeEscalation},
		"resources within": {by, halberd.NewKey{Resources: halberd.Some(some)}, ""},
		"addresses beyond": {by, halberd.NewKey{IPAllow: halberd.Some(wider)}, halberd.CodeScopeEscalation},
		"no addresses":     {by, halberd.NewKey{IPAllow: halberd.Some(net[:0])}, halberd.CodeScopeEscalation},
		"addresses within": {by, halberd.NewKey{IPAllow: halberd.Some(inner)}, ""},
		"limits beyond":    {by, halberd.NewKey{RateLimits: halberd.Some(fast)}, halberd.CodeScopeEscalation},
		"no limits":        {by, halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{})}, halberd.CodeScopeEscalation},
		"an operator":      {by, halberd.NewKey{Wide: true, Operator: true}, halberd.CodeForbidden},
		"a wide key":       {by, halberd.NewKey{Wide: true}, halberd.CodeForbidden},
		"read may not":     {w.Holder("read"), halberd.NewKey{}, halberd.CodeForbidden},
		"write may not":    {w.Holder("write"), halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))}, halberd.CodeForbidden},
		"verify may not":   {w.Holder("verify"), halberd.NewKey{}, halberd.CodeForbidden},
		"nobody may not":   {halberd.Actor{}, halberd.NewKey{}, halberd.CodeUnauthorized},
	} {
		c2, err := w.Create(w.Ctx(), c.by, c.n)
		if got := halberd.CodeOf(err); got != c.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, c.want)
		}
		if err != nil && !c2.Secret.IsZero() {
			t.Errorf("%s: a refused create returns a secret", name)
		}
	}
	// Defaults are shortened to the creator's.
	c, err := w.Create(w.Ctx(), by, halberd.NewKey{})
	if err != nil || !c.Key.Resources.Equal(some) || len(c.Key.IPAllow) != 1 || c.Key.RateLimits[0].Limit != 10 {
		t.Errorf("%v: %+v", err, c.Key)
	}
}

// A program that embeds the library is of no organization: its keys go to the
// only one, and where there are several it must say which.
func TestRootCreatesInTheOnlyOrganization(t *testing.T) {
	w := fixture.New(t)
	by := halberd.Root("sign-up")
	c, err := w.Create(w.Ctx(), by, halberd.NewKey{})
	if err != nil || c.Key.Project != w.Home {
		t.Errorf("%v, in %s", err, c.Key.Project)
	}
	org, err := w.CreateOrganization(w.Ctx(), by, "Second")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Create(w.Ctx(), by, halberd.NewKey{})
	w.Refused(err, halberd.CodeInvalid)
	if c, err := w.Create(w.Ctx(), by, halberd.NewKey{Organization: org.ID}); err != nil || c.Key.Organization != org.ID {
		t.Errorf("%v, in %s", err, c.Key.Organization)
	}
}

// A default is shortened to what the creator and the project both allow, also
// where their limits have different shapes; the answer shows it.
func TestDefaultLimitsAreShortenedToBoth(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{
		RateLimits: halberd.Some(halberd.RateLimits{{Limit: 1000, WindowSeconds: 3600, Burst: 10}}),
	}, 0); err != nil {
		t.Fatal(err)
	}
	by := w.Actor(w.Make(halberd.NewKey{
		Scopes: halberd.Some(halberd.MustScopes("admin")), RateLimits: halberd.Some(halberd.RateLimits{{Limit: 100, WindowSeconds: 60, Burst: 5}, {Name: "hour", Limit: 500, WindowSeconds: 3600, Burst: 50}}),
	}).Secret)
	c, err := w.Create(w.Ctx(), by, halberd.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	want := "[{default 100 60 5 key} {hour 500 3600 50 key} {project-default 1000 3600 10 key}]"
	if got := fmt.Sprint(c.Key.RateLimits); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// An operator alone sets limits above the project's (S1-26).
func TestLimitsAboveTheProjectsAreAnOperators(t *testing.T) {
	w := fixture.New(t)
	bound := halberd.RateLimit{Limit: 100, WindowSeconds: 60, Per: halberd.PerExternalID}
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{RateLimits: limited(bound)}, 0); err != nil {
		t.Fatal(err)
	}
	admin := w.Holder("admin")
	refused := func(what string, err error) {
		t.Helper()
		if halberd.CodeOf(err) != halberd.CodeForbidden || !strings.Contains(err.Error(), "operator: ask whoever runs this service") {
			t.Errorf("%s: %v", what, err)
		}
	}
	k := w.Make(halberd.NewKey{})
	for what, ls := range map[string]halberd.Maybe[halberd.RateLimits]{
		"faster":      limited(halberd.RateLimit{Limit: 1000, WindowSeconds: 60, Per: halberd.PerExternalID}),
		"more burst":  limited(halberd.RateLimit{Limit: 100, WindowSeconds: 60, Burst: 101, Per: halberd.PerExternalID}),
		"not shared":  limited(halberd.RateLimit{Limit: 100, WindowSeconds: 60}),
		"none at all": limited(),
	} {
		if what == "none at all" {
			ls.Value = halberd.RateLimits{}
		}
		_, err := w.Create(w.Ctx(), admin, halberd.NewKey{RateLimits: ls})
		refused(what, err)
		_, err = w.Update(w.Ctx(), admin, k.Key.ID, halberd.KeyPatch{RateLimits: ls}, 0)
		refused(what, err)
		_, err = w.UpdateProject(w.Ctx(), admin, w.Home, halberd.ProjectPatch{RateLimits: ls}, 0)
		refused(what, err)
		if _, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{RateLimits: ls}); err != nil {
			t.Errorf("%s, by an operator: %v", what, err)
		}
		if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{RateLimits: ls}, 0); err != nil {
			t.Errorf("%s, by an operator: %v", what, err)
		}
		if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{RateLimits: halberd.Some[halberd.RateLimits](nil)}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// names are 1–255 code points of valid UTF-8 without control
// characters, kept byte for byte.
func TestNames(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100)}, 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"", "a", strings.Repeat("a", 255), strings.Repeat("😀", 255), "é", "e\u0301", " spaced ", "' OR 1=1;--", `\`, "$1", "<script>", "=1+1", "\u202e",
	} {
		k := w.Make(halberd.NewKey{Name: name}).Key
		got, err := w.Get(w.Ctx(), w.Admin, k.ID)
		if err != nil || got.Name != name {
			t.Errorf("%q came back as %q, %v", name, got.Name, err)
		}
	}
	for _, name := range []string{
		strings.Repeat("a", 256), strings.Repeat("😀", 256), "a\x00", "a\nb", "a\rb", "a\x1b[31m", "a\x7f", "a\u0085", "\xff\xfe", "\xc0\x80",
	} {
		_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Name: name})
		w.Refused(err, halberd.CodeInvalid)
		_, err = w.Create(w.Ctx(), w.Admin, halberd.NewKey{ExternalID: name})
		w.Refused(err, halberd.CodeInvalid)
		_, err = w.CreateProject(w.Ctx(), w.Admin, halberd.NewProject{Name: name})
		w.Refused(err, halberd.CodeInvalid)
	}
	_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Metadata: map[string]string{"a": strings.Repeat("b", 2048)}})
	w.Refused(err, halberd.CodeInvalid)
}

// S2-15, A-48: the twentieth is made, the twenty-first refused with the
// document's words; revoking and expiring free a place, deactivating does not.
func TestCeiling(t *testing.T) {
	w := fixture.New(t)
	var keys []halberd.Key
	for range 19 {
		keys = append(keys, w.Make(halberd.NewKey{}).Key)
	}
	brief := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}).Key
	full := func(want string) {
		t.Helper()
		_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{})
		w.Refused(err, halberd.CodeKeyLimitExceeded)
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("says %v", err)
		}
	}
	full("Maximum of 20 API keys per project")
	if _, err := w.Update(w.Ctx(), w.Admin, keys[0].ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	full("20")
	if _, err := w.Rotate(w.Ctx(), w.Admin, keys[1].ID, time.Hour, 0); err != nil {
		t.Errorf("a key in overlap counts once: %v", err)
	}
	if _, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Wide: true}); err != nil {
		t.Errorf("organization-wide keys count in no ceiling: %v", err)
	}
	if _, err := w.Revoke(w.Ctx(), w.Admin, keys[2].ID, "", 0); err != nil {
		t.Fatal(err)
	}
	w.Make(halberd.NewKey{})
	full("20")
	w.Clock.Pass(25 * time.Hour)
	w.Make(halberd.NewKey{}) // in the place of the expired one
	_, err := w.Update(w.Ctx(), w.Admin, brief.ID, halberd.KeyPatch{ExpiresAt: halberd.Never()}, 0)
	w.Refused(err, halberd.CodeKeyLimitExceeded) // extending takes a place
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(21)}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, brief.ID, halberd.KeyPatch{ExpiresAt: halberd.Never()}, 0); err != nil {
		t.Error(err)
	}
	full("Maximum of 21 API keys per project")
	_, err = w.UpdateProject(w.Ctx(), w.Actor(w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret), w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(99)}, 0)
	w.Refused(err, halberd.CodeForbidden)
}

// two hundred creates at once end with exactly twenty. A-49: at the
// ceiling, one revoke lets exactly one of fifty through.
func TestCeilingUnderConcurrency(t *testing.T) {
	w := fixture.New(t)
	p := w.Project("crowded")
	made := make(chan halberd.KeyID, 200)
	race := func(n int) {
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range n {
			wg.Go(func() {
				c, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Project: p.ID})
				switch halberd.CodeOf(err) {
				case "":
					made <- c.Key.ID
				case halberd.CodeKeyLimitExceeded:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	race(200)
	if len(made) != 20 {
		t.Fatalf("%d keys", len(made))
	}
	for range 20 {
		if _, err := w.Revoke(w.Ctx(), w.Admin, <-made, "", 0); err != nil {
			t.Fatal(err)
		}
		before := len(made)
		race(50)
		if len(made) != before+1 {
			t.Fatalf("%d made in one place", len(made)-before)
		}
	}
}

// A beginning that no surface could write would make every list that holds the
// key fail.
func TestABeginningCanBeWritten(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	year := 365 * 24 * time.Hour
	for _, c := range []struct {
		at   time.Time
		want halberd.Code
	}{
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), halberd.CodeInvalid},
		{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), halberd.CodeInvalid},
		{time.Unix(0, 0), halberd.CodeInvalid},
		{w.Clock.Now().Add(101 * year), halberd.CodeInvalid},
		{w.Clock.Now().Add(99 * year), ""},
	} {
		_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{NotBefore: c.at})
		w.Refused(err, c.want)
	}
	_, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, halberd.KeyPatch{NotBefore: halberd.Some(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))}, 0)
	w.Refused(err, halberd.CodeInvalid)
}
