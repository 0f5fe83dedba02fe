package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/jobs"
	"github.com/halberdhq/halberd/notify"
)

// Judge implements halberd.Endpoints.
func (o *outward) Judge(ctx context.Context, address string) error {
	if strings.HasPrefix(address, "mailto:") {
		if o.mailer == nil {
			return halberd.Invalid("url", "must be an https URL: this server sends no email, for it has no smtp_host")
		}
		return nil
	}
	return o.webhooks.Judge(ctx, address)
}

// send implements jobs.Send.
func (in *instance) send(ctx context.Context, o halberd.Outgoing) jobs.Receipt {
	m := notify.Message{ID: o.Event.ID.String(), URL: o.Address.Reveal(), Secrets: o.Secrets}
	switch o.Format {
	case halberd.FormatStandard:
		m.Body = o.Event.Body()
	case halberd.FormatSlack:
		body, err := notify.Slack(notice(o.Event, in.current().PublicURL))
		if err != nil {
			return jobs.Receipt{Error: "not sent: the event cannot be put in words"}
		}
		m.Body, m.Unsigned = body, true
	case halberd.FormatEmail:
		return in.mail(ctx, strings.TrimPrefix(m.URL, "mailto:"), o)
	default:
		return jobs.Receipt{Error: "not sent: this version does not know the format"}
	}
	got := in.outward.webhooks.Send(ctx, m, in.now())
	return jobs.Receipt{Status: got.Status, Gone: got.Gone(), RetryAfter: got.RetryAfter, Error: got.Why}
}

// mail hands an event in. What the mail server said is for the operator, not for
// whoever made the webhook: it is our network's.
func (in *instance) mail(ctx context.Context, to string, o halberd.Outgoing) jobs.Receipt {
	if in.outward.mailer == nil {
		return jobs.Receipt{Error: "not sent: this server sends no email any more"}
	}
	if err := in.outward.mailer.Send(ctx, to, notice(o.Event, in.current().PublicURL), in.now()); err != nil {
		in.log.Warn("an email was not taken; it is tried again for three days", "delivery", o.ID, "why", err)
		return jobs.Receipt{Error: "the mail server did not take it; the operator's log says why"}
	}
	return jobs.Receipt{}
}

// notice puts an event in words for people. Its data are ids, hints and what people
// call things; notify sees to it that they stay text.
func notice(e halberd.Event, public string) notify.Notice {
	n := notify.Notice{ID: e.ID.String()}
	data := map[string]any{}
	if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
		data = map[string]any{}
	}
	word := func(name string) string {
		v, _ := data[name].(string)
		return v
	}
	noun, done, _ := strings.Cut(string(e.Type), ".")
	called := ""
	for _, name := range []string{"label", "name", "prefix", noun + "_id"} {
		if called = word(name); called != "" {
			break
		}
	}
	if cause := word("cause"); noun == "alert" && cause != "" { // it says itself what a person should know
		n.Title = cause
		if of := cmp.Or(word("label"), word("prefix")); of != "" {
			n.Title = "Key " + of + ": " + cause
		}
		if done != "opened" {
			n.Title += " (" + done + ")"
		}
	} else {
		n.Title = strings.TrimSpace(strings.ToUpper(noun[:1])+noun[1:]+" "+called) + ": " + strings.ReplaceAll(done, "_", " ")
	}
	if key := word("key_id"); key != "" {
		n.Link = public + "/settings/api-keys/" + key // its page in the console
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if name == "version" || name == "cause" && n.Title == data[name] {
			continue
		}
		if text := said(data[name]); text != "" {
			n.Lines = append(n.Lines, strings.ReplaceAll(name, "_", " ")+": "+text)
		}
	}
	n.Lines = append(n.Lines, "time: "+e.At.UTC().Format("2006-01-02 15:04:05 MST"), "event: "+e.ID.String())
	return n
}

// said is a value of an event's data in words.
func said(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		parts := make([]string, 0, len(v))
		for _, one := range v {
			parts = append(parts, said(one))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+" "+said(v[name]))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
