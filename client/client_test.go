package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/keytext"
)

// canary is a key that must not be seen outside of the header it travels in.
const canary = "hb_live_CANARYCANARYCANARYCANARYCA0000"

// script answers the requests of one test in order and remembers them.
type script struct {
	steps []func(*http.Request) (*http.Response, error)
	seen  []*http.Request
	at    []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(s.seen)
	s.seen, s.at = append(s.seen, r), append(s.at, time.Now())
	if n >= len(s.steps) {
		return nil, fmt.Errorf("request %d was not expected", n+1)
	}
	return s.steps[n](r)
}

func answers(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.WriteString(body)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	}
}

func breaks(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func speak(t *testing.T, steps ...func(*http.Request) (*http.Response, error)) (*client.Client, *script) {
	t.Helper()
	s := &script{steps: steps}
	c, err := client.New("https://keys.example.com", canary, client.Transport(s))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const (
	madeKey  = `{"data":{"key_id":"key_01h455vb4pex5vsknk084sn02q","label":"CI Key","key":"hb_live_secret1"},"meta":{"request_id":"req_1"}}`
	newKey   = `{"data":{"key_id":"key_01h455vb4pex5vsknk084sn02q","label":"CI Key","key":"hb_live_secret2"},"meta":{"request_id":"req_2"}}`
	replayed = `{"error":{"code":"IDEMPOTENT_REPLAY","message":"done before","key_id":"key_01h455vb4pex5vsknk084sn02q"},"meta":{"request_id":"req_3"}}`
	away     = `{"error":{"code":"UNAVAILABLE","message":"not now"},"meta":{"request_id":"req_4"}}`
	valid    = `{"data":{"valid":true,"code":"VALID"},"meta":{"request_id":"req_5"}}`
)

func TestTheKeyIsNeverPrinted(t *testing.T) {
	c, _ := speak(t, breaks(errors.New("broken")), answers(404, `{"error":{"code":"NOT_FOUND","message":"not found"}}`))
	var log bytes.Buffer
	l := slog.New(slog.NewJSONHandler(&log, nil))
	l.Info("client", "client", c, "keys", c.Keys)
	js, _ := json.Marshal(c)
	_, e1 := c.Keys.Verify(t.Context(), wire.Verify{Key: canary})
	_, e2 := c.WhoAmI(t.Context())
	_, e3 := client.New("https://keys.example.com", canary+"\n")
	_, e4 := client.New("http://user:"+canary+"@keys.example.com:x", canary)
	all := fmt.Sprintf("%v %+v %#v %s %s %v %v %v %v", c, *c, c.Keys, log.String(), js, e1, e2, e3, e4)
	if strings.Contains(all, "CANARY") {
		t.Errorf("the key was printed: %s", all)
	}
	if e1 == nil || e2 == nil || e3 == nil || e4 == nil {
		t.Error("an error is missing")
	}
}

// Whatever stands before the server and answers with what it was sent.
func TestAKeyThatComesBackIsInNoError(t *testing.T) {
	other := strings.ReplaceAll(canary, "CANARY", "PARROT")
	echoed := `{"error":{"code":"` + canary + `","message":"you sent ` + canary + ` about ` + other + `","field":"` + other + `","key_id":"` + other + `"},"meta":{"request_id":"` + canary + `"}}`
	for name, step := range map[string]func(*http.Request) (*http.Response, error){
		"an error":  answers(400, echoed),
		"a header":  answers(404, "<html>", "X-Request-Id", canary),
		"the wire":  breaks(fmt.Errorf("malformed MIME header: X-API-Key: %s, %s", canary, other)),
		"no answer": answers(200, canary+other),
	} {
		c, _ := speak(t, step)
		_, err := c.Keys.Verify(t.Context(), wire.Verify{Key: other})
		var e *client.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: %v", name, err)
		}
		if all := fmt.Sprintf("%v %+v %#v %v", err, err, *e, errors.Unwrap(err)); strings.Contains(all, "CANARY") || strings.Contains(all, "PARROT") {
			t.Errorf("%s: the key is in %s", name, all)
		}
	}
}

func TestPlainHTTPIsForLoopbackOrWhoeverInsists(t *testing.T) {
	for at, ok := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost": true, "https://keys.example.com": true,
		"http://keys.example.com": false, "http://10.0.0.7:8080": false, "http://localhost.example.com": false,
	} {
		if _, err := client.New(at, canary); (err == nil) != ok {
			t.Errorf("%s: %v", at, err)
		}
		if _, err := client.New(at, canary, client.PlainHTTP()); err != nil {
			t.Errorf("%s, insisting: %v", at, err)
		}
	}
}

func TestAddressesHaveOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"https://Keys.Example.com/":          "https://keys.example.com",
		"https://keys.example.com:443/halb/": "https://keys.example.com/halb",
		"http://[::1]:80":                    "http://[::1]",
	} {
		u, err := client.ParseURL(in)
		if err != nil || u.String() != want {
			t.Errorf("%s: %v %v", in, u, err)
		}
	}
	for _, in := range []string{"", "keys.example.com", "ftp://x", "https://", "https://a@b", "https://a?b", "https://a#b", "https://:80"} {
		if _, err := client.ParseURL(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestTheKeyDoesNotFollowARedirect(t *testing.T) {
	c, s := speak(t, answers(307, "", "Location", "https://elsewhere.example.com/"))
	_, err := c.WhoAmI(t.Context())
	var e *client.Error
	if !errors.As(err, &e) || e.Code != client.CodeBadAnswer || !strings.Contains(e.Message, "redirect") {
		t.Errorf("%v", err)
	}
	if len(s.seen) != 1 {
		t.Errorf("%d requests", len(s.seen))
	}
}

func TestARefusalIsTyped(t *testing.T) {
	c, _ := speak(t, answers(400, `{"error":{"code":"INVALID_REQUEST","message":"label must be shorter","field":"label"},"meta":{"request_id":"req_9"}}`))
	_, err := c.Keys.Create(t.Context(), wire.CreateKey{})
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 400 || e.Code != "INVALID_REQUEST" || e.Field != "label" || e.RequestID != "req_9" {
		t.Errorf("%#v", err)
	}
}

func TestAnAnswerThatIsNotOursIsSaidToBeSo(t *testing.T) {
	for name, step := range map[string]func(*http.Request) (*http.Response, error){
		"html 200": answers(200, "<html>"), "html 404": answers(404, "<html>"),
		"endless": answers(200, `{"data":"`+strings.Repeat("x", 9<<20)+`"}`),
	} {
		c, s := speak(t, step)
		_, err := c.WhoAmI(t.Context())
		var e *client.Error
		if !errors.As(err, &e) || e.Code != client.CodeBadAnswer || len(s.seen) != 1 {
			t.Errorf("%s: %v after %d", name, err, len(s.seen))
		}
	}
}

func TestFourTriesWithGrowingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, breaks(io.ErrUnexpectedEOF), answers(503, away), answers(502, "<html>"), breaks(io.EOF))
		_, err := c.WhoAmI(t.Context())
		if err == nil || len(s.seen) != 4 {
			t.Fatalf("%v after %d", err, len(s.seen))
		}
		for n, low := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
			if got := s.at[n+1].Sub(s.at[n]); got < low || got > 2*low {
				t.Errorf("wait %d was %v", n+1, got)
			}
		}
	})
}

func TestRetryAfterIsObeyedWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := `{"error":{"code":"RATE_LIMITED","message":"slow down"}}`
		c, s := speak(t, answers(429, limited, "Retry-After", "4"), answers(200, madeKey))
		_, err := c.WhoAmI(t.Context())
		// And a little more, so that those who were told the same do not all
		// return at once.
		if more := s.at[1].Sub(s.at[0]) - 4*time.Second; err != nil || more < 100*time.Millisecond || more > 200*time.Millisecond {
			t.Errorf("%v, %v more", err, more)
		}
		c, s = speak(t, answers(429, limited, "Retry-After", "60"))
		begin := time.Now()
		_, err = c.WhoAmI(t.Context())
		var e *client.Error
		if !errors.As(err, &e) || e.RetryAfter != time.Minute || len(s.seen) != 1 || time.Since(begin) != 0 {
			t.Errorf("%v after %d", err, len(s.seen))
		}
	})
}

// Where only RateLimit says when the limit is whole again, that is waited for.
func TestTheResetOfARateLimitIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, answers(429, "", "RateLimit", `"a";r=0;t=2, "b, ;c";r=1;t=4`), answers(200, madeKey))
		_, err := c.WhoAmI(t.Context())
		if got := s.at[1].Sub(s.at[0]); err != nil || got < 4*time.Second || got > 5*time.Second {
			t.Errorf("%v after %v", err, got)
		}
	})
}

func TestWhoeverAsksIsToldOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []func(*http.Request) (*http.Response, error){
			answers(429, `{"error":{"code":"RATE_LIMITED","message":"slow down, `+canary+`"}}`, "Retry-After", "4"), answers(200, madeKey),
		}}
		var told []string
		c, err := client.New("https://keys.example.com", canary, client.Transport(s), client.OnWait(func(wait time.Duration, why *client.Error) {
			told = append(told, wait.Truncate(time.Second).String()+" "+why.Code+" "+why.Message)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WhoAmI(t.Context()); err != nil || len(told) != 1 || told[0] != "4s RATE_LIMITED slow down, [key]" {
			t.Errorf("%v %q", err, told)
		}
	})
}

// A limited key is an answer about that key, and no reason to ask again.
func TestARateLimitedVerdictIsAVerdict(t *testing.T) {
	limited := `{"data":{"valid":false,"code":"RATE_LIMITED","key_id":"key_01h455vb4pex5vsknk084sn02q","scopes":["read"],"resources":["*"],"retry_after_seconds":30,` +
		`"rate_limits":[{"name":"default","limit":1,"window_seconds":60,"remaining":0,"reset_seconds":30}]},"meta":{}}`
	c, s := speak(t, answers(200, limited))
	v, err := c.Verify(t.Context(), halberd.Check{Secret: halberd.NewSecret(keytext.Mint("hb_live"))})
	if err != nil || v.Code != halberd.RateLimited || v.RetryAfter != 30*time.Second || len(s.seen) != 1 {
		t.Errorf("%v %v %v after %d", v.Code, v.RetryAfter, err, len(s.seen))
	}
	if l := v.RateLimits.At(0); l.Window != time.Minute || l.Reset != 30*time.Second {
		t.Errorf("%+v", l)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, _ := speak(t, answers(503, away, "Retry-After", "5"))
		begin := time.Now()
		_, err := c.WhoAmI(ctx)
		if err == nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestALostCreateIsRecoveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, breaks(io.EOF), answers(409, replayed), answers(200, newKey))
		k, err := c.Keys.Create(t.Context(), wire.CreateKey{Label: wire.Some("CI Key")})
		if err != nil || k.KeyID != "key_01h455vb4pex5vsknk084sn02q" || k.Secret != "hb_live_secret2" {
			t.Fatalf("%v %v", k.KeyID, err)
		}
		first, again, rotate := s.seen[0].Header.Get("Idempotency-Key"), s.seen[1].Header.Get("Idempotency-Key"), s.seen[2]
		if first == "" || first != again || rotate.Header.Get("Idempotency-Key") == first || rotate.URL.Path != "/v1/api-keys/key_01h455vb4pex5vsknk084sn02q/rotate" {
			t.Errorf("%q %q %v", first, again, rotate.URL)
		}
	})
}

func TestARecoveryThatFailsNamesTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, breaks(io.EOF), answers(409, replayed), breaks(io.EOF), answers(409, replayed))
		_, err := c.Keys.Create(t.Context(), wire.CreateKey{})
		var e *client.Error
		if !errors.As(err, &e) || e.KeyID != "key_01h455vb4pex5vsknk084sn02q" || len(s.seen) != 4 {
			t.Errorf("%v after %d", err, len(s.seen))
		}
	})
}

func TestAReplayUnderTheCallersOwnKeyIsNotRotated(t *testing.T) {
	c, s := speak(t, answers(409, replayed))
	_, err := c.Keys.Create(t.Context(), wire.CreateKey{}, client.IdempotencyKey("deploy-17"))
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "IDEMPOTENT_REPLAY" || e.KeyID != "key_01h455vb4pex5vsknk084sn02q" || len(s.seen) != 1 {
		t.Errorf("%v after %d", err, len(s.seen))
	}
}

func TestALostRotationWithOverlapIsLeftToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, breaks(io.EOF), answers(409, replayed))
		_, err := c.Keys.Rotate(t.Context(), "key_01h455vb4pex5vsknk084sn02q", time.Hour)
		var e *client.Error
		if !errors.As(err, &e) || e.KeyID != "key_01h455vb4pex5vsknk084sn02q" || len(s.seen) != 2 {
			t.Errorf("%v after %d", err, len(s.seen))
		}
		c, _ = speak(t, breaks(io.EOF), answers(409, replayed), answers(200, newKey))
		if k, err := c.Keys.Rotate(t.Context(), "key_01h455vb4pex5vsknk084sn02q", 0); err != nil || k.Value.Secret != "hb_live_secret2" {
			t.Errorf("without overlap: %v", err)
		}
	})
}

func TestACheckIsRepeatedOnlyWhereItWasNotSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := speak(t, breaks(io.EOF))
		if _, err := c.Keys.Verify(t.Context(), wire.Verify{Key: canary}); err == nil || len(s.seen) != 1 {
			t.Errorf("a lost answer: %v after %d", err, len(s.seen))
		}
		dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
		c, _ = speak(t, breaks(dial), answers(503, away), answers(200, valid))
		if v, err := c.Keys.Verify(t.Context(), wire.Verify{Key: canary}); err != nil || !v.Valid {
			t.Errorf("%v", err)
		}
	})
}

func TestAChangeWithAVersionIsNotRepeatedBlindly(t *testing.T) {
	c, s := speak(t, breaks(io.EOF))
	_, err := c.Keys.Update(t.Context(), "key_01h455vb4pex5vsknk084sn02q", wire.UpdateKey{Active: wire.Some(false)}, client.IfVersion(3))
	if err == nil || len(s.seen) != 1 || s.seen[0].Header.Get("If-Match") != `"3"` {
		t.Errorf("%v after %d", err, len(s.seen))
	}
}

func TestAnIDCannotBecomeAnotherPath(t *testing.T) {
	for _, id := range []string{"", "..", "a/b", "key_1?x=y", "%2e%2e", "key_01h455vb4pex5vsknk084sn02q\n", "KEY_01H455VB4PEX5VSKNK084SN02Q", canary} {
		c, s := speak(t)
		if _, err := c.Keys.Get(t.Context(), id); err == nil || len(s.seen) != 0 {
			t.Errorf("%q: %v after %d", id, err, len(s.seen))
		}
	}
}

func TestAListWalksItsPages(t *testing.T) {
	one := `{"data":[{"key_id":"key_01h455vb4pex5vsknk084sn02q"},{"key_id":"key_2"}],"meta":{"request_id":"req","next_cursor":"c2"}}`
	two := `{"data":[{"key_id":"key_3"}],"meta":{"request_id":"req","next_cursor":null}}`
	c, s := speak(t, answers(200, one), answers(200, two))
	var ids []string
	for k, err := range c.Keys.All(t.Context(), client.KeyQuery{States: []string{"active", "expired"}, Search: "ci"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.KeyID)
	}
	if strings.Join(ids, " ") != "key_01h455vb4pex5vsknk084sn02q key_2 key_3" || s.seen[1].URL.RawQuery != "cursor=c2&q=ci&state=active%2Cexpired" {
		t.Errorf("%v %v", ids, s.seen[1].URL)
	}
	c, s = speak(t, answers(200, one), answers(200, one))
	var last error
	for _, last = range c.Keys.All(t.Context(), client.KeyQuery{}) {
	}
	if last == nil || len(s.seen) != 2 {
		t.Errorf("a list in a circle: %v after %d", last, len(s.seen))
	}
}

// What is too short to be a key is no secret, and would eat the letters of what
// has to be read.
func TestAWordThatIsNoKeyIsNotTakenOut(t *testing.T) {
	s := &script{steps: []func(*http.Request) (*http.Response, error){
		answers(401, `{"error":{"code":"UNAUTHORIZED","message":"Invalid or missing API key"},"meta":{"request_id":"req_7x7x"}}`),
	}}
	c, err := client.New("https://keys.example.com", "x", client.Transport(s))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.WhoAmI(t.Context())
	if e, ok := errors.AsType[*client.Error](err); !ok || e.RequestID != "req_7x7x" {
		t.Errorf("%v", err)
	}
}
