package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
)

// Provider is where people sign in with OpenID Connect. Its refusals are
// *halberd.Error and hold nothing that the provider wrote.
type Provider interface {
	// Name is what people call it.
	Name() string
	// Begin is the provider's page for one sign-in; its answer goes to back.
	Begin(ctx context.Context, back, state, nonce, verifier string) (string, error)
	// Finish is who the code stands for that the provider sent to back.
	Finish(ctx context.Context, back, code, nonce, verifier string) (halberd.Identity, error)
}

const (
	flowLife = 10 * time.Minute // from the link to the provider's answer
	maxSpent = 4096             // sign-ins within a flowLife that are remembered as done
	maxCode  = 4096             // bytes of a code
)

// flows are the sign-ins under way. Each lives in a cookie of its own, sealed by a
// key of this process: nothing is kept of those who never come back.
type flows struct {
	provider Provider
	now      func() time.Time
	key      [32]byte

	mu    sync.Mutex
	spent map[string]time.Time // the states of those that succeeded, until they would have ended
}

// flow is one sign-in under way.
type flow struct {
	State    string
	Nonce    string
	Verifier string // of PKCE
	Next     string // where to, afterwards
	Until    int64
}

func newFlows(p Provider, now func() time.Time) *flows {
	f := &flows{provider: p, now: now, spent: map[string]time.Time{}}
	_, _ = rand.Read(f.key[:]) // never fails: it ends the program instead
	return f
}

func (f *flows) seal(o flow) string {
	text, _ := json.Marshal(o) // of texts and a number
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + f.mac(body)
}

func (f *flows) mac(body string) string {
	m := hmac.New(sha256.New, f.key[:])
	m.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// open reads what seal wrote, as long as it is good.
func (f *flows) open(sealed string) (o flow, ok bool) {
	body, mac, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(mac), []byte(f.mac(body))) {
		return o, false
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(text, &o) != nil {
		return o, false
	}
	return o, f.now().Unix() < o.Until
}

// spend makes a state good for one session. It is refused the second time, and
// when so many sign in at once that they cannot be told apart any more.
func (f *flows) spend(state string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if len(f.spent) >= maxSpent {
		for s, until := range f.spent {
			if !now.Before(until) {
				delete(f.spent, s)
			}
		}
	}
	if _, done := f.spent[state]; done || len(f.spent) >= maxSpent {
		return false
	}
	f.spent[state] = now.Add(flowLife)
	return true
}

// back is where the provider answers: of the public URL, never of a request.
func (c *Console) back() string { return c.public.String() + "/sign-in/oidc/callback" }

// flowCookie is Lax: the provider's answer comes from another site, and the
// session's own, which is Strict, does not come with it.
func (c *Console) flowCookie(value string, life time.Duration) *http.Cookie {
	k := &http.Cookie{
		Name: "halberd-sign-in", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	}
	if c.public.Scheme == "https" {
		k.Name, k.Secure = "__Host-halberd-sign-in", true
	}
	if value == "" {
		k.MaxAge = -1
	}
	return k
}

func beginSignIn(x *exchange) error {
	v := signInView{Next: inside(x.r.URL.Query().Get("next"))}
	switch {
	case x.c.flows == nil:
		return &halberd.Error{Code: halberd.CodeNotFound, Message: "people sign in by password here"}
	case x.c.closed != "":
		return x.showSignIn(http.StatusForbidden, v)
	}
	f := x.c.flows
	o := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Next: v.Next, Until: x.now.Add(flowLife).Unix()}
	at, err := f.provider.Begin(x.r.Context(), x.c.back(), o.State, o.Nonce, o.Verifier)
	if err != nil {
		return x.providerFailed(v, err)
	}
	http.SetCookie(x.w, x.c.flowCookie(f.seal(o), flowLife))
	return x.goTo(at)
}

func finishSignIn(x *exchange) error {
	f, v := x.c.flows, signInView{Next: "/"}
	switch {
	case f == nil:
		return &halberd.Error{Code: halberd.CodeNotFound, Message: "people sign in by password here"}
	case x.c.closed != "":
		return x.showSignIn(http.StatusForbidden, v)
	}
	stranger := &halberd.Error{Code: halberd.CodeUnauthorized, Message: "this sign-in was begun elsewhere, took too long or was used before: start again"}
	held, err := x.r.Cookie(x.c.flowCookie("", 0).Name)
	http.SetCookie(x.w, x.c.flowCookie("", 0)) // once, whatever comes of it
	if err != nil {
		return x.providerFailed(v, stranger)
	}
	o, ok := f.open(held.Value)
	q := x.r.URL.Query()
	if !ok || !hmac.Equal([]byte(q.Get("state")), []byte(o.State)) {
		return x.providerFailed(v, stranger)
	}
	v.Next = o.Next
	code := q.Get("code")
	if q.Has("error") || code == "" || len(code) > maxCode {
		return x.providerFailed(v, &halberd.Error{
			Code: halberd.CodeUnauthorized, Message: f.provider.Name() + " did not sign you in: start again, or ask who runs it",
		})
	}
	who, err := f.provider.Finish(x.r.Context(), x.c.back(), code, o.Nonce, o.Verifier)
	if err != nil {
		return x.providerFailed(v, err)
	}
	if !f.spend(o.State) {
		return x.providerFailed(v, stranger)
	}
	s, err := x.c.svc.SignInWith(x.r.Context(), who, x.request())
	if err != nil {
		return x.providerFailed(v, err)
	}
	if err := x.begin(s); err != nil {
		return err
	}
	// A redirect would still be the other site's navigation, without the session's
	// cookie; one that this page begins is our own.
	x.w.Header().Set("Refresh", "0; url="+o.Next)
	return x.render(http.StatusOK, "welcome.html", "Signed in", "", o.Next)
}

// providerFailed says on the sign-in page why nobody is signed in. What proved
// nothing counts as a guess of its address.
func (x *exchange) providerFailed(v signInView, err error) error {
	e, ok := asError(err)
	if !ok {
		return err
	}
	if e.Err != nil {
		x.c.log.Warn("somebody was not signed in by the provider", "why", e.Err, "request_id", x.id)
	}
	if e.Code == halberd.CodeUnauthorized {
		if retry, beyond := x.c.svc.Guessed(x.request().ClientIP); beyond {
			err = &halberd.Error{Code: halberd.CodeRateLimited, RetryAfter: retry, Message: "too many sign-ins failed from your address: wait, then try again"}
		}
	}
	return x.signInFailed(v, err)
}
