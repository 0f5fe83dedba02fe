package halberd_test

import (
	"context"
	"hash/crc32"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
	"github.com/halberdhq/halberd/storage/memory"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// The order of a verdict, published and tested: of a key that is wrong in every
// way the first cause is told, and mending it uncovers the next. S1-27, S1-28:
// each cause is distinguishable.
func TestOrderOfAVerdict(t *testing.T) {
	w := fixture.New(t)
	p := w.Project("ordered")
	now := w.Clock.Now()
	net, _ := halberd.ParseIPAllow([]string{"203.0.113.0/24"})
	c := w.Make(halberd.NewKey{
		Project: p.ID, NotBefore: now.Add(time.Hour), ExpiresAt: halberd.Some(halberd.Expiry{At: now.Add(2 * time.Hour)}),
		Scopes: halberd.Some(halberd.MustScopes("read")), Resources: halberd.Some(resources(t, "a/1")), IPAllow: halberd.Some(net),
		RateLimits: halberd.Some(halberd.RateLimits{{Limit: 1, WindowSeconds: 3600}}),
	})
	k := c.Key.ID
	check := halberd.Check{Secret: c.Secret, Scopes: []halberd.Scope{"write"}, Resource: "b/1", ClientIP: addr("198.51.100.1")}
	expect := func(want halberd.VerdictCode) {
		t.Helper()
		v, err := w.Verify(w.Ctx(), check)
		if err != nil || v.Code != want {
			t.Errorf("%s, %v; want %s", v.Code, err, want)
		}
		if (v.Reason == "") != (want == halberd.Valid) || v.Valid() != (want == halberd.Valid) {
			t.Errorf("%s: reason %q", v.Code, v.Reason)
		}
	}
	edit := func(p halberd.KeyPatch) {
		t.Helper()
		if _, err := w.Update(w.Ctx(), w.Admin, k, p, 0); err != nil {
			t.Fatal(err)
		}
	}
	project := func(active bool) {
		t.Helper()
		if _, err := w.UpdateProject(w.Ctx(), w.Admin, p.ID, halberd.ProjectPatch{Active: halberd.Some(active)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	edit(halberd.KeyPatch{Active: halberd.Some(false)})
	project(false)

	good := check.Secret
	check.Secret = halberd.NewSecret(good.Reveal() + "x")
	expect(halberd.Malformed)
	check.Secret = halberd.NewSecret(keytext.Mint("hb_live"))
	expect(halberd.NotFound)
	check.Secret = good
	expect(halberd.Inactive) // the key
	edit(halberd.KeyPatch{Active: halberd.Some(true)})
	expect(halberd.Inactive) // its project
	project(true)
	expect(halberd.NotYetValid)
	w.Clock.Pass(3 * time.Hour)
	expect(halberd.Expired)
	edit(halberd.KeyPatch{ExpiresAt: halberd.Some(halberd.Expiry{At: now.Add(9 * time.Hour)})})
	expect(halberd.IPNotAllowed)
	check.ClientIP = netip.Addr{}
	expect(halberd.IPNotAllowed) // a list never allows an unknown address
	check.ClientIP = addr("::ffff:203.0.113.7")
	expect(halberd.InsufficientScope)
	check.Scopes = []halberd.Scope{"read"}
	expect(halberd.ResourceNotAllowed)
	check.Resource = ""
	expect(halberd.ResourceNotAllowed) // none named
	check.FiltersResources = true
	expect(halberd.Valid)
	expect(halberd.RateLimited)
	w.Clock.Pass(time.Hour)
	check.Resource, check.FiltersResources = "a/1", false
	expect(halberd.Valid)
	if _, err := w.Revoke(w.Ctx(), w.Admin, k, "", 0); err != nil {
		t.Fatal(err)
	}
	edit2 := check
	edit2.ClientIP = addr("198.51.100.1")
	check = edit2
	expect(halberd.Revoked)
}

// expiry is an instant.
func TestExpiryIsAnInstant(t *testing.T) {
	w := fixture.New(t)
	end := w.Clock.Now().Add(time.Hour)
	c := w.Make(halberd.NewKey{ExpiresAt: halberd.Some(halberd.Expiry{At: end})})
	for _, step := range []struct {
		pass time.Duration
		want halberd.VerdictCode
	}{{time.Hour - time.Millisecond, halberd.Valid}, {time.Millisecond, halberd.Expired}, {time.Millisecond, halberd.Expired}} {
		w.Clock.Pass(step.pass)
		if got := w.Code(c.Secret); got != step.want {
			t.Errorf("%v from the end: %s", w.Clock.Now().Sub(end), got)
		}
	}
}

// A refused check spends nothing, and several limits are taken together or not
// at all.
func TestRefusedChecksSpendNothing(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read")), RateLimits: halberd.Some(halberd.RateLimits{
		{Name: "minute", Limit: 10, WindowSeconds: 60}, {Name: "hour", Limit: 12, WindowSeconds: 3600},
	})})
	ask := func(cost int64, scopes ...halberd.Scope) halberd.Verdict {
		v, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret, Scopes: scopes, Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 50 {
		if v := ask(1, "write"); v.Code != halberd.InsufficientScope {
			t.Fatal(v.Code)
		}
	}
	if v := ask(11); v.Code != halberd.RateLimited || v.RetryAfter != 0 {
		t.Errorf("a cost that never fits: %s, retry after %v", v.Code, v.RetryAfter)
	}
	v := ask(10)
	left := func(v halberd.Verdict) (n []int64) {
		for _, l := range v.RateLimits.All() {
			n = append(n, l.Remaining)
		}
		return n
	}
	if !v.Valid() || !slices.Equal(left(v), []int64{0, 2}) {
		t.Errorf("%s, left %v", v.Code, left(v))
	}
	w.Clock.Pass(time.Minute)
	if v := ask(5); v.Code != halberd.RateLimited || !slices.Equal(left(v), []int64{10, 2}) || v.RetryAfter <= 0 {
		t.Errorf("the hour refuses, the minute is given back: %s, left %v, retry %v", v.Code, left(v), v.RetryAfter)
	}
	if v := ask(2); !v.Valid() {
		t.Errorf("%s", v.Code)
	}
	if _, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret, Cost: -1}); halberd.CodeOf(err) != halberd.CodeInvalid {
		t.Error(err)
	}
}

// A service's reach bounds what its checks know.
func TestChecksAreWithinTheAskersReach(t *testing.T) {
	w := fixture.New(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	other := w.Project("other")
	admin := halberd.Some(halberd.MustScopes("admin"))
	here := w.Make(halberd.NewKey{})
	there := w.Make(halberd.NewKey{Project: other.ID})
	wide := w.Make(halberd.NewKey{Wide: true})
	foreign := w.Make(halberd.NewKey{Organization: org.ID})
	asker := w.Holder("verify")
	wideAsker := w.Actor(w.Make(halberd.NewKey{Wide: true, Scopes: admin}).Secret)
	for _, c := range []struct {
		name   string
		by     halberd.Actor
		secret halberd.Secret
		want   halberd.VerdictCode
	}{
		{"its project", asker, here.Secret, halberd.Valid},
		{"another project", asker, there.Secret, halberd.NotFound},
		{"organization-wide", asker, wide.Secret, halberd.Valid},
		{"another organization", asker, foreign.Secret, halberd.NotFound},
		{"wide: any project", wideAsker, there.Secret, halberd.Valid},
		{"wide: another organization", wideAsker, foreign.Secret, halberd.NotFound},
		{"operator: anything", w.Admin, foreign.Secret, halberd.Valid},
	} {
		v, err := w.VerifyFor(w.Ctx(), c.by, halberd.Check{Secret: c.secret})
		if err != nil || v.Code != c.want {
			t.Errorf("%s: %s, %v", c.name, v.Code, err)
		}
		if v.Code == halberd.NotFound && (!v.KeyID.IsZero() || !v.Organization.IsZero() || v.Scopes.String() != "") {
			t.Errorf("%s: a foreign key shows %+v", c.name, v)
		}
	}
	_, err = w.VerifyFor(w.Ctx(), w.Holder("write"), halberd.Check{Secret: here.Secret})
	w.Refused(err, halberd.CodeForbidden)
}

// A-76 at the door: every way of not being good is one UNAUTHORIZED.
func TestPresentersLearnNothing(t *testing.T) {
	w := fixture.New(t)
	revoked, inactive := w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{})
	expired := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	if _, err := w.Revoke(w.Ctx(), w.Admin, revoked.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, inactive.Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(48 * time.Hour)
	for name, s := range map[string]halberd.Secret{
		"none": {}, "malformed": halberd.NewSecret("x"), "unknown": halberd.NewSecret(keytext.Mint("hb_live")),
		"revoked": revoked.Secret, "inactive": inactive.Secret, "expired": expired.Secret,
	} {
		_, err := w.Authenticate(w.Ctx(), s, halberd.Request{})
		if err == nil || err.Error() != "UNAUTHORIZED: Invalid or missing API key" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// S0-13, A-47: suspending what stands above a key refuses it at once, and
// resuming brings the same secret back.
func TestSuspensionAbove(t *testing.T) {
	w := fixture.New(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Tenant")
	if err != nil {
		t.Fatal(err)
	}
	c := w.Make(halberd.NewKey{Organization: org.ID})
	for _, active := range []bool{false, true} {
		if _, err := w.UpdateOrganization(w.Ctx(), w.Admin, org.ID, halberd.OrganizationPatch{Active: halberd.Some(active)}, 0); err != nil {
			t.Fatal(err)
		}
		want := map[bool]halberd.VerdictCode{true: halberd.Valid, false: halberd.Inactive}[active]
		if got := w.Code(c.Secret); got != want {
			t.Errorf("organization active %v: %s", active, got)
		}
	}
	if _, err := w.DeleteProject(w.Ctx(), w.Admin, c.Key.Project, 0); halberd.CodeOf(err) != halberd.CodeConflict {
		t.Errorf("the default project was deleted: %v", err)
	}
	p := w.Project("doomed")
	d := w.Make(halberd.NewKey{Project: p.ID})
	if _, err := w.DeleteProject(w.Ctx(), w.Admin, p.ID, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.Code(d.Secret); got != halberd.Revoked {
		t.Errorf("a deleted project's key: %s", got)
	}
	if _, err := w.GetProject(w.Ctx(), w.Admin, p.ID); halberd.CodeOf(err) != halberd.CodeNotFound {
		t.Error(err)
	}
}

// A-98 in small: many goroutines, mixed identities, no answer about another's
// key; and after Close a typed error, never "valid".
func TestVerdictsAreNotMixedUp(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(1000)}, 0); err != nil {
		t.Fatal(err)
	}
	keys := make([]halberd.Changed, 100)
	for i := range keys {
		keys[i] = w.Make(halberd.NewKey{ExternalID: time.Duration(i).String()})
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5_000 {
				k := &keys[(i*7+g)%len(keys)]
				v, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret})
				if err != nil {
					if halberd.CodeOf(err) != halberd.CodeUnavailable {
						t.Error(err)
					}
					return
				}
				if v.KeyID != k.Key.ID || v.ExternalID != k.Key.ExternalID || !v.Valid() {
					t.Errorf("asked about %s, answered about %s (%s)", k.Key.ID, v.KeyID, v.Code)
					return
				}
			}
		})
	}
	wg.Go(func() { _ = w.Close() })
	wg.Wait()
	if v, err := w.Verify(w.Ctx(), halberd.Check{Secret: keys[0].Secret}); v.Valid() || halberd.CodeOf(err) != halberd.CodeUnavailable {
		t.Errorf("after Close: %s, %v", v.Code, err)
	}
}

// S3-32, S4-11: last used is nothing before, and the present right after a use.
func TestLastUsedMoves(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	k, err := w.Get(w.Ctx(), w.Admin, c.Key.ID)
	if err != nil || !k.LastUsedAt.IsZero() {
		t.Errorf("%v, %v", k.LastUsedAt, err)
	}
	w.Clock.Pass(time.Minute)
	w.Code(c.Secret)
	if k, _ = w.Get(w.Ctx(), w.Admin, c.Key.ID); !k.LastUsedAt.Equal(w.Clock.Now()) {
		t.Errorf("%v", k.LastUsedAt)
	}
	if idle, err := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Text: c.Key.ID.String(), UnusedSince: w.Clock.Now()}); err != nil || len(idle.List) != 0 {
		t.Errorf("a key used now is listed as unused: %v", err)
	}
	list, _ := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Text: c.Key.ID.String()})
	if len(list.List) != 1 || !list.List[0].LastUsedAt.Equal(w.Clock.Now()) {
		t.Errorf("%+v", list.List)
	}
}

func TestVerifyAllocatesNothing(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 1 << 20, WindowSeconds: 1}})})
	check := halberd.Check{Secret: c.Secret, Scopes: []halberd.Scope{"write"}}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if v, err := w.Verify(ctx, check); err != nil || !v.Valid() {
			t.Fatal(v.Code, err)
		}
	}); n != 0 && !racing {
		t.Errorf("%v allocations", n)
	}
}

// A verdict tells the end that the key has, also one in the next century.
func TestAVerdictTellsTheKeysOwnEnd(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(36_500))})
	later := w.Make(halberd.NewKey{NotBefore: w.Clock.Now().AddDate(90, 0, 0)})
	v, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret})
	if err != nil || !v.ExpiresAt.Equal(c.Key.ExpiresAt) {
		t.Errorf("%v: the verdict says %s, the key %s", err, v.ExpiresAt, c.Key.ExpiresAt)
	}
	w.Clock.Pass(85 * 365 * 24 * time.Hour) // past what 32 bits of seconds hold
	if got := w.Code(later.Secret); got != halberd.NotYetValid {
		t.Errorf("a key is good years before its not_before: %s", got)
	}
}

// deaf counts how often a store is asked.
type deaf struct {
	halberd.Store
	asked atomic.Int64
}

func (d *deaf) View(ctx context.Context, fn func(halberd.Reader) error) error {
	d.asked.Add(1)
	return d.Store.View(ctx, fn)
}

func (d *deaf) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	d.asked.Add(1)
	return d.Store.Update(ctx, fn)
}

// a key that was cut, lengthened or mistyped is MALFORMED to
// a check and UNAUTHORIZED at the door; no such key, nor one that is well formed
// and unknown, is looked for in the store.
func TestNoWrongKeyReachesTheStore(t *testing.T) {
	store := &deaf{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	key := w.Root.Reveal()
	var wrong []string
	for n := range len(key) {
		wrong = append(wrong, key[:n])
	}
	for n := 1; n <= 64; n++ {
		wrong = append(wrong, key+strings.Repeat("=", n), key+strings.Repeat(key[len(key)-1:], n), key+strings.Repeat("7", n))
	}
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range len(key) {
		for _, c := range alphabet {
			if byte(c) != key[i] {
				wrong = append(wrong, key[:i]+string(c)+key[i+1:])
			}
		}
	}
	before := store.asked.Load()
	for _, text := range wrong {
		if got := w.Code(halberd.NewSecret(text)); got != halberd.Malformed {
			t.Errorf("%d characters: %s", len(text), got)
		}
		_, err := w.Authenticate(w.Ctx(), halberd.NewSecret(text), halberd.Request{})
		w.Refused(err, halberd.CodeUnauthorized)
	}
	for range 100 {
		if got := w.Code(halberd.MintForTest("hb_live")); got != halberd.NotFound {
			t.Error(got)
		}
	}
	if n := store.asked.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times about %d wrong keys", n, len(wrong))
	}
}

// completed adds the checksum that makes a text a well-formed key.
func completed(text string) halberd.Secret {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var tail [6]byte
	sum := crc32.ChecksumIEEE([]byte(text))
	for i := len(tail) - 1; i >= 0; i-- {
		tail[i] = alphabet[sum%62]
		sum /= 62
	}
	return halberd.NewSecret(text + string(tail[:]))
}

// whether an unknown key shares its beginning with a good one, to the last
// character before the checksum, makes no difference in time that a statistician
// sees. Welch's t is reported and not asserted: the machine is shared. |t| below
// 4.5 is no difference.
func TestTimingOfUnknownKeysIsReported(t *testing.T) {
	w := fixture.New(t)
	good := w.Root.Reveal()
	body := good[:len(good)-7]
	var near halberd.Secret
	for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		if byte(c) != good[len(good)-7] {
			near = completed(body + string(c))
			break
		}
	}
	far := halberd.MintForTest("hb_live")
	if w.Code(near) != halberd.NotFound || w.Code(far) != halberd.NotFound {
		t.Fatal("both must be well formed and unknown")
	}
	const samples, each = 4000, 8
	var count, mean, square [2]float64
	for i := range 2 * samples {
		class := i & 1
		secret := near
		if class == 1 {
			secret = far
		}
		began := time.Now()
		for range each {
			_, _ = w.Verify(w.Ctx(), halberd.Check{Secret: secret})
		}
		took := float64(time.Since(began))
		if took > 50_000 { // the scheduler's, in both classes alike
			continue
		}
		count[class]++
		d := took - mean[class]
		mean[class] += d / count[class]
		square[class] += d * (took - mean[class])
	}
	variance := func(c int) float64 { return square[c] / (count[c] - 1) / count[c] }
	welch := (mean[0] - mean[1]) / math.Sqrt(variance(0)+variance(1))
	t.Logf("near %.1f ns, far %.1f ns a check, Welch's t = %.2f over %.0f samples", mean[0]/each, mean[1]/each, welch, count[0]+count[1])
}
