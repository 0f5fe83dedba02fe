package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) events() *cobra.Command {
	var q client.EventQuery
	var many paging
	var following, newest bool
	c := &cobra.Command{
		Use: "events", GroupID: groupKeys, Args: words(),
		Short: "Read what happened, or follow it",
		Long: "Read the events: every change of a key, project, organization, member or webhook, and\n" +
			"every alert, in the order in which it was committed. Needs the scope admin.\n\n" +
			"With --follow hb prints each new event as it happens, until it is interrupted; with\n" +
			"-o json that is one object a line. To go on where a stopped one ended, give --after the\n" +
			"last event_id it printed.",
		Example: `  hb events --type key.revoked --from 7d
  hb events --type 'key.*' --newest --limit 20
  hb events --follow -o json | your-consumer`,
	}
	f := c.Flags()
	f.Var(several(&q.Types, "list"), "type", "such as key.revoked, or key.* for all of a noun")
	f.StringVar(&q.Target, "target", "", "the id of what it happened to")
	f.StringVar(&q.From, "from", "", "not before: an instant, or a time ago such as 7d")
	f.StringVar(&q.To, "to", "", "before: an instant, or a time ago such as 1h")
	f.StringVar(&q.After, "after", "", "only what happened after this event_id")
	f.StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	f.BoolVar(&newest, "newest", false, "newest first")
	f.BoolVarP(&following, "follow", "f", false, "print what happens from now on (or from --from, --after on)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if following && (many.all || f.Changed("limit") || q.To != "" || newest) {
			return usage("--follow has no end: it goes without --limit, --all, --to and --newest")
		}
		q.Types = commas(q.Types)
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.From, q.To, q.Descending = a.ago(q.From), a.ago(q.To), newest
		if following {
			return a.followEvents(cmd.Context(), api, q)
		}
		q.PageOf = many.first()
		return eventListing.print(a, api.Events.All(cmd.Context(), q), many)
	}
	return c
}

// followEvents prints events as they happen, from now on unless the query says
// from when.
func (a *app) followEvents(ctx context.Context, api *client.Client, q client.EventQuery) error {
	if q.After == "" && q.From == "" {
		last, err := api.Events.List(ctx, client.EventQuery{OrganizationID: q.OrganizationID, Descending: true, PageOf: client.PageOf{Limit: 1}})
		if err != nil {
			return err
		}
		if len(last.Items) > 0 {
			q.After = last.Items[0].EventID
		}
	}
	q.Limit = pageSize
	return follow(ctx, a, feed[wire.Event]{
		listing: eventListing,
		after: func(ctx context.Context, id string) (client.Page[wire.Event], error) {
			q.After = id
			return api.Events.List(ctx, q)
		},
	}, q.After)
}

var eventListing = listing[wire.Event]{
	what:  "events",
	heads: []string{"AT", "TYPE", "TARGET", "VERSION", "BY", "CHANGED"},
	id:    func(e *wire.Event) string { return e.EventID },
	row:   eventRow,
}

func eventRow(e *wire.Event) []cell {
	target, version := "", ""
	if e.Target != nil {
		target = e.Target.ID
	}
	if e.Version != 0 {
		version = strconv.FormatInt(e.Version, 10)
	}
	by, _ := e.Data["actor"].(map[string]any)
	id, _ := by["id"].(string)
	var changed []string
	names, _ := e.Data["changed"].([]any)
	for _, n := range names {
		if name, ok := n.(string); ok {
			changed = append(changed, name)
		}
	}
	return []cell{
		text(e.At.UTC().Format("2006-01-02 15:04:05Z")), text(e.Type), text(target), text(version), text(id), text(strings.Join(changed, ",")),
	}
}
