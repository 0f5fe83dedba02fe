package console

import (
	"net/http"
	"strconv"

	"github.com/halberdhq/halberd"
)

type membersView struct {
	Area    area
	Me      halberd.Member
	Members []memberRow
	Invited []memberRow
	Link    string // of an invitation just made; shown once
	LinkFor string
	Problem string
	Form    halberd.NewMember
}

type memberRow struct {
	halberd.Member
	Initials string
	Called   string
	Made     string // when and by whom
	Ended    bool   // the invitation
	Ends     string
}

func membersPage(x *exchange) error {
	return x.showMembers(http.StatusOK, membersView{Form: halberd.NewMember{Role: halberd.ScopeRead}})
}

func (x *exchange) showMembers(status int, v membersView) error {
	list, err := x.c.svc.ListMembers(x.r.Context(), x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	if err != nil {
		return err
	}
	people := map[string]string{}
	for i := range list.List {
		people[list.List[i].ID.String()] = nameOf(&list.List[i])
	}
	v.Area, v.Me = x.area, x.me
	for i := range list.List {
		m := &list.List[i]
		row := memberRow{
			Member: *m, Initials: initials(m.Name, m.Email), Called: nameOf(m),
			Made: person(m.CreatedBy, people) + ", " + day(m.CreatedAt),
		}
		if m.State == halberd.MemberInvited {
			row.Ended, row.Ends = !x.now.Before(m.InvitedUntil), day(m.InvitedUntil)
			v.Invited = append(v.Invited, row)
		} else {
			v.Members = append(v.Members, row)
		}
	}
	if v.Link != "" {
		return x.renderSecret("members.html", "Members", "members", v)
	}
	return x.render(status, "members.html", "Members", "members", v)
}

func inviteMember(x *exchange) error {
	n := halberd.NewMember{Email: x.form("email"), Role: halberd.Scope(x.form("role")), Operator: x.form("operator") == "true"}
	in, err := x.c.svc.InviteMember(x.r.Context(), x.by, n)
	if err != nil {
		return x.memberRefused(err, n)
	}
	return x.showMembers(http.StatusOK, membersView{Link: x.link(in.Secret), LinkFor: in.Member.Email, Form: halberd.NewMember{Role: halberd.ScopeRead}})
}

func inviteAgain(x *exchange) error {
	m, err := x.member()
	if err != nil {
		return err
	}
	in, err := x.c.svc.InviteAgain(x.r.Context(), x.by, m.ID)
	if err != nil {
		return x.memberRefused(err, halberd.NewMember{})
	}
	return x.showMembers(http.StatusOK, membersView{Link: x.link(in.Secret), LinkFor: in.Member.Email, Form: halberd.NewMember{Role: halberd.ScopeRead}})
}

// link carries its secret behind the #, which browsers do not send: it is in no
// log and in no Referer.
func (x *exchange) link(secret halberd.Secret) string {
	return x.c.public.String() + "/invitation#" + secret.Reveal()
}

// memberRefused says on the page what can be mended there.
func (x *exchange) memberRefused(err error, n halberd.NewMember) error {
	e, ok := asError(err)
	if !ok {
		return err
	}
	switch e.Code {
	case halberd.CodeInvalid, halberd.CodeConflict, halberd.CodeLastAdmin, halberd.CodeScopeEscalation:
		return x.showMembers(http.StatusConflict, membersView{Problem: message(err), Form: n})
	}
	return err
}

func (x *exchange) member() (halberd.Member, error) {
	id, err := halberd.ParseMemberID(x.r.PathValue("member"))
	if err != nil {
		return halberd.Member{}, &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such member"}
	}
	return x.c.svc.GetMember(x.r.Context(), x.by, id)
}

func editMember(x *exchange) error {
	m, err := x.member()
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(x.form("version"), 10, 64)
	var p halberd.MemberPatch
	if role := x.form("role"); role != "" {
		p.Role = halberd.Some(halberd.Scope(role))
	}
	if active := x.form("active"); active != "" {
		p.Active = halberd.Some(active == "true")
	}
	if operator := x.form("operator"); operator != "" {
		p.Operator = halberd.Some(operator == "true")
	}
	after, err := x.c.svc.UpdateMember(x.r.Context(), x.by, m.ID, p, version)
	if err != nil {
		return x.memberRefused(err, halberd.NewMember{Role: halberd.ScopeRead})
	}
	if after.Version != m.Version {
		x.say("Changed. Every session of " + nameOf(&after.Member) + " has ended.")
	}
	return x.goTo(x.area.At("/members"))
}

type leaveView struct {
	Area    area
	Member  halberd.Member
	Called  string
	Keys    []keyRow
	More    bool
	Heirs   []memberRow
	Me      halberd.Member
	Problem string
}

func leavePage(x *exchange) error { return x.showLeave(http.StatusOK, "") }

func (x *exchange) showLeave(status int, problem string) error {
	m, err := x.member()
	if err != nil {
		return err
	}
	ctx := x.r.Context()
	keys, err := x.c.svc.List(ctx, x.by, halberd.KeyQuery{OwnedBy: m.ID, Page: halberd.Page{Limit: 100}})
	if err != nil {
		return err
	}
	list, err := x.c.svc.ListMembers(ctx, x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	if err != nil {
		return err
	}
	v := leaveView{Area: x.area, Member: m, Called: nameOf(&m), More: keys.Next != "", Me: x.me, Problem: problem}
	for i := range keys.List {
		v.Keys = append(v.Keys, x.row(&keys.List[i], nil))
	}
	for i := range list.List {
		if o := &list.List[i]; o.ID != m.ID && o.State == halberd.MemberActive {
			v.Heirs = append(v.Heirs, memberRow{Member: *o, Called: nameOf(o)})
		}
	}
	return x.render(status, "leave.html", "Remove "+v.Called, "members", v)
}

func removeMember(x *exchange) error {
	m, err := x.member()
	if err != nil {
		return err
	}
	l := halberd.Leaving{Keys: halberd.KeysOfLeaver(x.form("keys"))}
	if l.Keys == halberd.HandKeysOn {
		if l.To, err = halberd.ParseMemberID(x.form("to")); err != nil {
			return x.showLeave(http.StatusBadRequest, "Choose who takes the keys over.")
		}
	}
	left, err := x.c.svc.RemoveMember(x.r.Context(), x.by, m.ID, l, 0)
	if e, ok := asError(err); ok && e.Code != halberd.CodeInternal && e.Code != halberd.CodeUnauthorized && e.Code != halberd.CodeNotFound {
		return x.showLeave(http.StatusConflict, message(err))
	}
	if err != nil {
		return err
	}
	said := nameOf(&left.Member) + " is removed, and every session of theirs has ended."
	if n := len(left.Keys); n > 0 {
		switch l.Keys {
		case halberd.SuspendKeys:
			said += " " + plural(n, "key is", "keys are") + " suspended."
		case halberd.HandKeysOn:
			said += " " + plural(n, "key was", "keys were") + " handed over."
		default:
			said += " " + plural(n, "key goes", "keys go") + " on working."
		}
	}
	x.say(said)
	return x.goTo(x.area.At("/members"))
}
