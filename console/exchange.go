package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

const maxForm = 64 << 10 // bytes

// exchange is one request and what is known about it.
type exchange struct {
	c    *Console
	w    http.ResponseWriter
	r    *http.Request
	id   string // of the request
	area area
	now  time.Time

	by       halberd.Actor // zero on open pages
	me       halberd.Member
	projects []halberd.Project
	project  halberd.Project // the one that is looked at
	keyNames map[string]string
}

// handler serves one page.
func (c *Console) handler(p page, a area) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{c: c, w: w, r: r, id: request.ID(r.Header), area: a, now: c.svc.Now()}
		w.Header().Set("X-Request-Id", x.id)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		err := x.enter(p)
		if err == nil {
			err = p.serve(x)
		}
		if err != nil {
			x.refuse(err)
		}
	})
}

// enter reads the form, and finds who is there unless the page is open.
func (x *exchange) enter(p page) error {
	if x.r.Method == http.MethodPost {
		if err := x.r.ParseForm(); err != nil {
			return halberd.Invalid("form", "could not be read: send it again")
		}
	}
	if p.open {
		return nil
	}
	var err error
	if x.by, err = x.signedIn(); err != nil {
		return err
	}
	if _, err := x.c.svc.Charge(x.by); err != nil {
		return err
	}
	ctx := x.r.Context()
	if x.me, err = x.c.svc.GetMember(ctx, x.by, x.by.MemberID()); err != nil {
		return err
	}
	list, err := x.c.svc.ListProjects(ctx, x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	if err != nil {
		return err
	}
	x.projects = list.List
	chosen := x.c.sessions.GetString(ctx, sessionProject)
	for _, pr := range x.projects {
		if pr.ID.String() == chosen || x.project.ID.IsZero() && pr.Default {
			x.project = pr
		}
	}
	return nil
}

// request is what the Service is told of the call.
func (x *exchange) request() halberd.Request {
	return halberd.Request{ID: x.id, ClientIP: request.ClientAddr(x.r), UserAgent: x.r.UserAgent()}
}

// form is a value of the form that was sent.
func (x *exchange) form(name string) string { return x.r.PostForm.Get(name) }

// goTo answers a post: the next page is got anew.
func (x *exchange) goTo(at string) error {
	http.Redirect(x.w, x.r, at, http.StatusSeeOther)
	return nil
}

// say is shown once, on the next page.
func (x *exchange) say(text string) { x.c.sessions.Put(x.r.Context(), sessionNotice, text) }

// refuse answers with what went wrong, in words.
func (x *exchange) refuse(err error) {
	code := halberd.CodeOf(err)
	if code == halberd.CodeUnauthorized {
		_ = x.c.sessions.Destroy(x.r.Context())
		at := "/sign-in"
		if x.r.Method == http.MethodGet && strings.Count(x.r.URL.Path, "/") > 1 {
			at += "?" + url.Values{"next": {x.r.URL.RequestURI()}}.Encode()
		}
		http.Redirect(x.w, x.r, at, http.StatusSeeOther)
		return
	}
	status := request.Status(code)
	if status >= http.StatusInternalServerError {
		x.c.log.Error("a page could not be made", "path", x.r.Pattern, "request_id", x.id, "code", code, "why", err)
	}
	if e, ok := asError(err); ok && e.RetryAfter > 0 {
		x.retryAfter(e)
	}
	v := refusal{Message: message(err), RequestID: x.id}
	title := http.StatusText(status)
	switch status {
	case http.StatusNotFound:
		title, v.Help = "There is nothing here", "It may belong to another organization, or the address has a slip in it."
		if v.Message == "Not found." {
			v.Message = "What this address names is not there."
		}
	case http.StatusForbidden:
		title, v.Help = "This is not yours to do", "Somebody with the role admin can do it, or give you that role."
	case http.StatusTooManyRequests:
		title, v.Help = "One moment", "Nothing was changed."
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		title, v.Help = "That did not work", "Try again. If it stays so, give the request’s number to whoever runs this service."
	case http.StatusBadRequest, http.StatusConflict:
		title, v.Help = "That cannot be done", "Nothing was changed."
	}
	if e := x.render(status, "error.html", title, "", v); e != nil {
		http.Error(x.w, "something went wrong", http.StatusInternalServerError)
	}
}

// retryAfter says in whole seconds when to ask again.
func (x *exchange) retryAfter(e *halberd.Error) {
	x.w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((e.RetryAfter+time.Second-1)/time.Second)), 10))
}

type refusal struct {
	Message   string
	Help      string
	RequestID string
}

var fieldWords = map[string]string{
	"label": "the name", "ip_allow": "the list", "rate_limits": "the limit", "expires_at": "the end",
	"expires_in_days": "the end", "admin_key": "the admin key", "external_id": "the external id",
	"window_seconds": "the span", "url": "the address",
}

// message is what a person may read of an error.
func message(err error) string {
	var text string
	if e, ok := asError(err); ok {
		text = e.Message
		if rest, begins := strings.CutPrefix(text, e.Field); begins && fieldWords[e.Field] != "" {
			text = fieldWords[e.Field] + rest // the page's word for it, not the API's
		}
	}
	if text == "" || halberd.CodeOf(err) == halberd.CodeInternal {
		return "Something went wrong on our side."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
