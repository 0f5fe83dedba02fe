package console

import (
	"net/http"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

type invitationView struct {
	Name    string
	Problem string
	Field   string
	Closed  string
	Host    string
}

func invitationPage(x *exchange) error {
	return x.showInvitation(http.StatusOK, invitationView{})
}

func (x *exchange) showInvitation(status int, v invitationView) error {
	v.Closed, v.Host = x.c.closed, x.c.public.Host
	return x.render(status, "invitation.html", "You are invited", "", v)
}

func acceptInvitation(x *exchange) error {
	v := invitationView{Name: x.form("name")}
	if x.c.closed != "" {
		return x.showInvitation(http.StatusForbidden, v)
	}
	s, err := x.c.svc.Accept(x.r.Context(), halberd.NewSecret(strings.TrimSpace(x.form("invitation"))), v.Name, x.form("password"), x.request())
	if e, ok := asError(err); ok && e.Code != halberd.CodeInternal {
		v.Problem, v.Field = message(err), e.Field
		return x.showInvitation(http.StatusBadRequest, v)
	}
	if err != nil {
		return err
	}
	if err := x.begin(s); err != nil {
		return err
	}
	x.say("Welcome.")
	return x.goTo("/")
}

type profileView struct {
	Area    area
	Me      halberd.Member
	Problem string
	Field   string
}

func profilePage(x *exchange) error { return x.showProfile(http.StatusOK, profileView{}) }

func (x *exchange) showProfile(status int, v profileView) error {
	v.Area, v.Me = x.area, x.me
	return x.render(status, "profile.html", "Your profile", "profile", v)
}

func editProfile(x *exchange) error {
	_, err := x.c.svc.UpdateMember(x.r.Context(), x.by, x.me.ID, halberd.MemberPatch{Name: halberd.Some(x.form("name"))}, 0)
	if e, ok := asError(err); ok && e.Code == halberd.CodeInvalid {
		return x.showProfile(http.StatusBadRequest, profileView{Problem: message(err), Field: "name"})
	}
	if err != nil {
		return err
	}
	x.say("Your name is changed.")
	return x.goTo(x.area.At("/profile"))
}

func changePassword(x *exchange) error {
	s, err := x.c.svc.ChangePassword(x.r.Context(), x.by, x.form("former"), x.form("password"))
	if e, ok := asError(err); ok && (e.Code == halberd.CodeInvalid || e.Code == halberd.CodeRateLimited) {
		return x.showProfile(request.Status(e.Code), profileView{Problem: message(err), Field: "password"})
	}
	if err != nil {
		return err
	}
	if err := x.begin(s); err != nil {
		return err
	}
	x.say("Your password is changed, and your other sessions have ended.")
	return x.goTo(x.area.At("/profile"))
}

func signOutEverywhere(x *exchange) error {
	if err := x.c.svc.SignOutEverywhere(x.r.Context(), x.by); err != nil {
		return err
	}
	return signOut(x)
}
