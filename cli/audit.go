package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) audit() *cobra.Command {
	var q client.AuditQuery
	var many paging
	var follow bool
	c := &cobra.Command{
		Use: "audit", GroupID: groupPeople, Args: words(),
		Short: "Read the audit log, or follow it",
		Long: "Read the audit log, newest first. Needs the scope admin.\n\n" +
			"With --follow hb prints each new event as it is recorded, until it is interrupted; with\n" +
			"-o json that is one object a line, for a SIEM. To go on where a stopped one ended, give\n" +
			"--after the last audit_id it printed.",
		Example: `  hb audit --action key.revoke --from 7d
  hb audit --outcome denied --all -o json
  hb audit --follow -o json | your-siem-forwarder`,
	}
	f := c.Flags()
	f.StringVar(&q.Action, "action", "", "such as key.create")
	f.StringVar(&q.Actor, "actor", "", "the id of whoever did it")
	f.StringVar(&q.Target, "target", "", "the id of what it was done to")
	f.StringVar(&q.Outcome, "outcome", "", "done or denied")
	f.StringVar(&q.From, "from", "", "not before: an instant, or a time ago such as 7d")
	f.StringVar(&q.To, "to", "", "before: an instant, or a time ago such as 1h")
	f.StringVar(&q.After, "after", "", "only what was recorded after this audit_id")
	f.StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	f.BoolVarP(&follow, "follow", "f", false, "print what is recorded from now on (or from --from, --after on)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if follow && (many.all || f.Changed("limit") || q.To != "") {
			return usage("--follow has no end: it goes without --limit, --all and --to")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.From, q.To = a.ago(q.From), a.ago(q.To)
		if follow {
			return a.followAudit(cmd.Context(), api, q)
		}
		q.PageOf = many.first()
		return auditListing.print(a, api.Audit.All(cmd.Context(), q), many)
	}
	return c
}

var auditListing = listing[wire.AuditEvent]{
	what:  "audit events",
	heads: []string{"AT", "ACTION", "TARGET", "ACTOR", "OUTCOME", "FROM", "CHANGES"},
	id:    func(e *wire.AuditEvent) string { return e.AuditID },
	row:   auditRow,
}

func auditRow(e *wire.AuditEvent) []cell {
	outcome := cell{e.Outcome, ""}
	if e.Outcome == "denied" {
		outcome.color = red
		if e.Count > 1 {
			outcome.text = fmt.Sprintf("denied × %d", e.Count)
		}
	}
	target := ""
	if e.Target != nil {
		target = e.Target.ID
	}
	names := make(map[string]string, len(e.Changes))
	for n := range e.Changes {
		names[n] = ""
	}
	return []cell{
		text(e.At.UTC().Format("2006-01-02 15:04:05Z")), text(e.Action), text(target), text(e.Actor.ID),
		outcome, text(deref(e.ClientIP)), text(strings.Join(sorted(names), ",")),
	}
}

// followAudit prints events as they are recorded, from now on unless the query
// says from when.
func (a *app) followAudit(ctx context.Context, api *client.Client, q client.AuditQuery) error {
	q.Ascending = true
	if q.After == "" && q.From == "" {
		last, err := api.Audit.List(ctx, client.AuditQuery{OrganizationID: q.OrganizationID, PageOf: client.PageOf{Limit: 1}})
		if err != nil {
			return err
		}
		if len(last.Items) > 0 {
			q.After = last.Items[0].AuditID
		}
	}
	q.Limit = pageSize
	return follow(ctx, a, feed[wire.AuditEvent]{
		listing: auditListing,
		after: func(ctx context.Context, id string) (client.Page[wire.AuditEvent], error) {
			q.After = id
			return api.Audit.List(ctx, q)
		},
	}, q.After)
}
