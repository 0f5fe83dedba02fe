package console

import (
	"net/http"
	"strings"

	"github.com/halberdhq/halberd"
)

type signInView struct {
	First   bool // no member yet: the admin key opens
	Email   string
	Name    string
	Next    string
	Problem string
	Field   string // that the problem is about
	Closed  string
	Host    string
	Version string
	With    string // the provider's name; "": there is none
}

func signInPage(x *exchange) error {
	if _, err := x.signedIn(); err == nil {
		return x.goTo("/")
	}
	return x.showSignIn(http.StatusOK, signInView{Next: inside(x.r.URL.Query().Get("next"))})
}

func (x *exchange) showSignIn(status int, v signInView) error {
	v.First, v.Closed, v.Host, v.Version = !x.c.svc.HasMembers(), x.c.closed, x.c.public.Host, x.c.version
	if x.c.flows != nil {
		v.With = x.c.flows.provider.Name()
	}
	return x.render(status, "signin.html", "Sign in", "", v)
}

func signIn(x *exchange) error {
	v := signInView{Email: x.form("email"), Next: inside(x.form("next"))}
	if x.c.closed != "" {
		return x.showSignIn(http.StatusForbidden, v)
	}
	s, err := x.c.svc.SignIn(x.r.Context(), v.Email, x.form("password"), x.request())
	if err != nil {
		return x.signInFailed(v, err)
	}
	if err := x.begin(s); err != nil {
		return err
	}
	return x.goTo(v.Next)
}

func firstMember(x *exchange) error {
	v := signInView{Email: x.form("email"), Name: x.form("name"), Next: "/"}
	if x.c.closed != "" {
		return x.showSignIn(http.StatusForbidden, v)
	}
	ctx := x.r.Context()
	by, err := x.c.svc.Authenticate(ctx, halberd.NewSecret(strings.TrimSpace(x.form("admin_key"))), x.request())
	if halberd.CodeOf(err) == halberd.CodeUnauthorized {
		err = halberd.Invalid("admin_key", "is not the one in admin.key")
	}
	if err != nil {
		return x.signInFailed(v, err)
	}
	s, err := x.c.svc.FirstMember(ctx, by, v.Email, v.Name, x.form("password"))
	if err != nil {
		return x.signInFailed(v, err)
	}
	if err := x.begin(s); err != nil {
		return err
	}
	x.say("Welcome. From now on people sign in; the admin key is for programs.")
	return x.goTo(v.Next)
}

func (x *exchange) signInFailed(v signInView, err error) error {
	e, ok := asError(err)
	if !ok || e.Code == halberd.CodeInternal {
		return err
	}
	v.Problem, v.Field = message(err), e.Field
	status := http.StatusForbidden
	switch e.Code {
	case halberd.CodeInvalid:
		status = http.StatusBadRequest
	case halberd.CodeRateLimited:
		status = http.StatusTooManyRequests
		x.retryAfter(e)
	case halberd.CodeUnavailable:
		status = http.StatusServiceUnavailable
	}
	return x.showSignIn(status, v)
}

func signOut(x *exchange) error {
	if err := x.c.sessions.Destroy(x.r.Context()); err != nil {
		return err
	}
	return x.goTo("/sign-in")
}

func home(x *exchange) error { return x.goTo("/settings/api-keys") }

// areaHome is what an area's bare path leads to.
func areaHome(x *exchange) error { return x.goTo(x.area.At("/api-keys")) }

func nothingHere(*exchange) error {
	return &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such page"}
}

// inside is a path of this console to go on to; anything else is its beginning.
func inside(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || !Serves(next) {
		return "/"
	}
	return next
}
