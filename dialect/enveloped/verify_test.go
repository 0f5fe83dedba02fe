package enveloped

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

// plainly is verify as every other operation is written: what verify does by
// hand is right when it is this to the letter.
func plainly(c *request.Call, body *VerifyKey) (out one[wire.Verdict], err error) {
	check, err := checkIn(body, nil)
	if err != nil {
		return out, err
	}
	v, err := c.Service.VerifyFor(c.Context(), c.Actor, check)
	if err != nil {
		return out, err
	}
	w, err := described(c, &v, body.Include)
	return oneOf(c, w), err
}

// twins is one Service behind both ways, with those who ask and what they ask
// about.
type twins struct {
	*fixture.World
	byHand, plain http.Handler
	askers, keys  []string
}

func makeTwins(t testing.TB) *twins {
	w := fixture.New(t)
	operations := Operations()
	for i := range operations {
		if operations[i].Name == "verifyKey" {
			operations[i].Handling = request.Takes(plainly)
		}
	}
	tw := &twins{
		World: w, byHand: Handler(w.Service, nil),
		plain: request.Surface{Service: w.Service, Operations: operations, Refusal: Refusal}.Handler(),
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	scoped := func(words ...string) halberd.Maybe[halberd.Scopes] { return halberd.Some(halberd.MustScopes(words...)) }
	key := func(n halberd.NewKey) halberd.KeyID {
		made := w.Make(n)
		tw.keys = append(tw.keys, made.Secret.Reveal())
		return made.Key.ID
	}
	some, err := halberd.ParseResources([]string{"engagement/42", `report/"q"\<&>/*`})
	must(err)
	_, err = w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100)}, 0)
	must(err)
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "Foreign")
	must(err)
	key(halberd.NewKey{Name: "plain", Metadata: map[string]string{"a": `b"c`}})
	key(halberd.NewKey{Name: "<ü>", Scopes: scoped("read", "deliveries:replay"), ExternalID: `a "customer" <ü> \ ` + "\u2028"})
	key(halberd.NewKey{Resources: halberd.Some(some), ExpiresAt: halberd.Some(halberd.Expiry{At: w.Clock.Now().AddDate(90, 0, 0)})})
	key(halberd.NewKey{Wide: true, Scopes: scoped("admin")})
	key(halberd.NewKey{IPAllow: halberd.Some([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")})})
	limits := halberd.Some(halberd.RateLimits{
		{Name: "second", Limit: 10, WindowSeconds: 1}, {Name: "minute-1_a", Limit: 100, WindowSeconds: 60, Burst: 7},
	})
	key(halberd.NewKey{RateLimits: limits})
	key(halberd.NewKey{RateLimits: limits})
	key(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	_, err = w.Revoke(w.Ctx(), w.Admin, key(halberd.NewKey{}), "over", 0)
	must(err)
	_, err = w.Update(w.Ctx(), w.Admin, key(halberd.NewKey{}), halberd.KeyPatch{Active: halberd.Some(false)}, 0)
	must(err)
	key(halberd.NewKey{Organization: o.ID})
	key(halberd.NewKey{Quota: halberd.Some(&halberd.Quota{Limit: 1, Refill: halberd.RefillNone})})
	_, err = w.Verify(w.Ctx(), halberd.Check{Secret: halberd.NewSecret(tw.keys[len(tw.keys)-1])}) // spent, for both
	must(err)
	tw.keys = append(tw.keys, tw.keys[0]+"x", fixture.New(t).Root.Reveal(), "", "x", "\u00fc", `"`)
	w.Clock.Pass(48 * time.Hour)

	verifier := w.Make(halberd.NewKey{Scopes: scoped("verify")}).Secret.Reveal()
	tw.askers = []string{
		w.Root.Reveal(), verifier, verifier, w.Make(halberd.NewKey{Wide: true, Scopes: scoped("verify")}).Secret.Reveal(),
		w.Make(halberd.NewKey{Scopes: scoped("read")}).Secret.Reveal(), "", "x",
	}
	return tw
}

// sent is one request. Both ways get it twice, an hour after whatever was
// before, so that limits are whole at first and not at last.
type sent struct {
	method, path, key, body string
	header                  http.Header
	chunked                 bool
}

func (tw *twins) answer(t *testing.T, h http.Handler, q sent) string {
	t.Helper()
	tw.Clock.Pass(time.Hour)
	var said strings.Builder
	for range 2 {
		var body io.Reader = strings.NewReader(q.body)
		if q.chunked {
			body = struct{ io.Reader }{body} // of no length that is known
		}
		r := httptest.NewRequestWithContext(t.Context(), q.method, q.path, body)
		maps.Copy(r.Header, q.header)
		if q.key != "" {
			r.Header.Set("Authorization", "Bearer "+q.key)
		}
		if r.Header["X-Request-Id"] == nil {
			r.Header.Set("X-Request-Id", "twin-1.2_3")
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		fmt.Fprintln(&said, out.Code)
		_ = out.Header().Write(&said)
		said.Write(out.Body.Bytes())
	}
	return said.String()
}

// dice makes requests, mostly good ones, out of numbers below n.
type dice func(n int) int

func pick[T any](d dice, of ...T) T { return of[d(len(of))] }

func (d dice) text(plain string) string {
	switch d(60) {
	case 0:
		return `"\u00` + pick(d, "41", "00", "zz") + plain + `"`
	case 1:
		return `"` + plain + pick(d, "ü", "\xff", "\x01", `\n`, `\ud800`, `\q`, "\x7f", "\u2028") + `"`
	case 2:
		return pick(d, "null", "1", "[]", "{}", "true", `"`, "", "[\"x\"]")
	}
	return quoteJSON(plain)
}

func quoteJSON(s string) string {
	b, err := request.AppendText(nil, s)
	if err != nil {
		return `"` + s + `"`
	}
	return string(b)
}

func (d dice) list(words ...string) string {
	var of []string
	for range d(6) {
		of = append(of, d.text(pick(d, words...)))
	}
	return "[" + d.space() + strings.Join(of, d.space()+","+d.space()) + pick(d, "]", "]", "]", "]", "]", "]", "]", "]", "]", "]", ",]", "") // broken, at times
}

func (d dice) space() string { return pick(d, "", "", "", " ", "\n\t", "\r", "\v", "/**/") }

func (d dice) body(tw *twins) string {
	space := func() string { return pick(d, "", "", " ") }
	if d(20) == 0 {
		space = d.space
	}
	parts := []string{`"key"` + space() + ":" + space() + d.text(pick(d, tw.keys...))}
	odd := d(3) == 0
	cost := pick(d, "1", "2", "3", "5", "8", "11", "1000000")
	if odd {
		cost = pick(d, "0", "-1", "01", "1000001", "9999999999", "99999999999999999999", "1.0", "1e1", "null", `"1"`, "+1", "")
	}
	for range d(5) {
		parts = append(parts, pick(d,
			`"scopes":`+d.list(pick(d, "read", "write"), "read", "write", "verify", "deliveries:replay"),
			`"resource":`+d.text(pick(d, "engagement/42", `report/"q"\<&>/1`, "engagement/*", "", "x")),
			`"client_ip":`+d.text(pick(d, "203.0.113.7", "203.0.113.7", "192.0.2.1", "2001:db8::1", "::ffff:203.0.113.7", "fe80::1%eth0", "")),
			`"user_agent":`+d.text(pick(d, "curl/8", "Ünïcode", strings.Repeat("x", 300), "")),
			`"cost":`+cost,
			`"filters_resources":`+pick(d, "true", "true", "true", "false", "false"),
			`"include":`+d.list("label", "metadata"),
		))
	}
	if odd {
		parts = append(parts, pick(d,
			`"scopes":["root"]`, `"scopes":[""]`, `"include":["secret"]`, `"filters_resources":`+pick(d, "null", "truest", "1", "True"),
			pick(d, `"tags":[]`, `"Key":"x"`, `"k\u0065y":"x"`, `"":1`, `"x":{"a":[[]]}`, "", `"key":"x"`, `"key"`, "key:1"),
		))
	}
	slices.SortFunc(parts, strings.Compare)
	if !odd {
		parts = slices.CompactFunc(parts, func(a, b string) bool { return a[:4] == b[:4] })
	}
	if d(3) == 0 {
		i, j := d(len(parts)), d(len(parts))
		parts[i], parts[j] = parts[j], parts[i]
	}
	body := space() + "{" + strings.Join(parts, space()+","+space()) + space() + "}" + pick(d, "", "", "", "", "", "", "", "", " ", "\n", pick(d, "}", "x", ","))
	if d(40) == 0 {
		body = body[:d(len(body)+1)]
	}
	if d(300) == 0 {
		body += strings.Repeat(" ", request.MaxBody)
	}
	return body
}

func (d dice) request(tw *twins) sent {
	q := sent{
		method: http.MethodPost, path: "/v1/api-keys/verify", key: tw.askers[d(3)], body: d.body(tw),
		header: http.Header{"Content-Type": {"application/json"}}, chunked: d(20) == 0,
	}
	if d(6) > 0 {
		return q
	}
	switch d(8) {
	case 0:
		q.key = pick(d, tw.askers...)
	case 1:
		q.method = pick(d, "GET", "PUT", "HEAD", "post", "CONNECT", "OPTIONS")
	case 2:
		q.path = pick(d, "/v1/api-keys/verify?x=1", "/v1/api-keys/verify?", "/v1/api-keys/%76erify", "/v1/api-keys%2Fverify", "/v1//api-keys/verify", "/v1/api-keys/verify/", "/v1/api-keys/../api-keys/verify")
	case 3:
		q.header["Content-Type"] = pick(d, []string{"application/json; charset=utf-8"}, []string{"Application/JSON"}, []string{"text/plain"}, []string{"application/json", "application/json"}, []string{"application/merge-patch+json"}, nil)
	case 4:
		q.header["X-Api-Key"] = pick(d, []string{q.key}, []string{"x"}, []string{q.key, q.key}, []string{""})
	case 5:
		q.header["Idempotency-Key"] = pick(d, []string{"x"}, []string{""}, []string{"a", "b"})
	case 6:
		q.header["If-Match"] = pick(d, []string{`"1"`}, []string{"x"})
	case 7:
		q.header["Content-Encoding"] = pick(d, []string{"gzip"}, []string{"identity"})
	}
	return q
}

func (tw *twins) compare(t *testing.T, q sent) string {
	t.Helper()
	byHand, plain := tw.answer(t, tw.byHand, q), tw.answer(t, tw.plain, q)
	if byHand != plain {
		t.Fatalf("%+v\nby hand:\n%s\nplainly:\n%s", q, byHand, plain)
	}
	return plain
}

// What is done by hand cannot be told from what is not: over thousands of good
// and broken requests, statuses, headers and bodies are the same bytes.
func TestTheCheckByHandIsTheCheckAsAnyOther(t *testing.T) {
	tw := makeTwins(t)
	r := rand.New(rand.NewPCG(4, 4))
	seen := map[string]int{}
	for range 16_000 {
		said := tw.compare(t, dice(r.IntN).request(tw))
		seen[said[:3]]++
		for _, code := range halberd.VerdictCodes() {
			seen[string(code)] += strings.Count(said, `"code":"`+string(code)+`"`)
		}
	}
	for _, status := range []string{"200", "400", "401", "403", "404", "405", "413", "415"} {
		if seen[status] == 0 {
			t.Errorf("no request was answered %s", status)
		}
	}
	for _, code := range halberd.VerdictCodes() {
		if seen[string(code)] == 0 && code != halberd.NotYetValid {
			t.Errorf("no verdict was %s", code)
		}
	}
	if seen["200"] < 4000 {
		t.Errorf("too few good ones: %v", seen)
	}
}

func FuzzTheCheckByHand(f *testing.F) {
	f.Add([]byte(`{"key":"KEY1","cost":3,"scopes":["read"]}`))
	f.Add([]byte(`{"key":"KEY5","include":["label"],"user_agent":"\u00e9"}`))
	f.Add([]byte(`{"key":"x","key":"y"}`))
	tw := makeTwins(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		text := string(body)
		for i, k := range tw.keys[:10] {
			text = strings.ReplaceAll(text, fmt.Sprintf("KEY%d", i), k)
		}
		tw.compare(t, sent{
			method: http.MethodPost, path: "/v1/api-keys/verify", key: tw.askers[1], body: text,
			header: http.Header{"Content-Type": {"application/json"}},
		})
	})
}

// drain is a ResponseWriter that keeps nothing.
type drain struct{ header http.Header }

func (d *drain) Header() http.Header         { return d.header }
func (d *drain) Write(b []byte) (int, error) { return len(b), nil }
func (d *drain) WriteHeader(int)             {}

// What a check leaves to the collector: its name, the two header values that hold
// it and a length, the length, the text of the body, and the question.
func TestACheckAllocatesFiveTimes(t *testing.T) {
	tw := makeTwins(t)
	body := `{"key":"` + tw.keys[5] + `","scopes":["read"],"resource":"engagement/42","client_ip":"203.0.113.7"}`
	text := strings.NewReader(body)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/api-keys/verify", text)
	r.Header.Set("Authorization", "Bearer "+tw.askers[1])
	r.Header.Set("Content-Type", "application/json")
	out := &drain{http.Header{}}
	ask := func() {
		clear(out.header)
		text.Reset(body)
		tw.byHand.ServeHTTP(out, r)
	}
	ask()
	if n := testing.AllocsPerRun(1000, ask); n > 5 && !racing {
		t.Errorf("%v allocations", n)
	}
}
