package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// bulkAction is one of the three things done to many keys.
type bulkAction struct {
	verb, done, short, long, final string
}

var (
	bulkRevoke = bulkAction{
		"revoke", "Revoked", "Revoke many API keys, for good",
		"Revoke many API keys. They stop working everywhere before this command ends, without any\ngrace, and nothing brings them back.",
		" This cannot be undone.",
	}
	bulkDeactivate = bulkAction{
		"deactivate", "Deactivated", "Stop many API keys from working, for now",
		"Deactivate many API keys. They stop working before this command ends, and can be activated\nagain with the same secrets.", "",
	}
	bulkActivate = bulkAction{
		"activate", "Activated", "Make many inactive API keys work again",
		"Activate many API keys that were deactivated. Revoked ones stay revoked.", "",
	}
)

func (a *app) bulkVerb(act bulkAction) *cobra.Command {
	var force bool
	var file, external, project, reason string
	c := &cobra.Command{
		Use: act.verb + " [id...]", Short: act.short,
		Long: act.long + "\n\nThe keys are those named, up to 1,000, or all of an external id, in one step. Each has its\n" +
			"result: one that is refused stands in no other's way, and the exit code is then 1.\n\n" +
			"On a terminal hb asks first; without one, --force is needed.",
		Example: "  hb api-keys bulk " + act.verb + " key_01h455vb4pex5vsknk084sn02q key_01h455vb4pex5vsknk084sn02r\n" +
			"  hb api-keys list --unused-since 90d --all --quiet | hb api-keys bulk " + act.verb + " --file - --force\n" +
			"  hb api-keys bulk " + act.verb + " --external-id customer-42",
	}
	f := c.Flags()
	f.BoolVar(&force, "force", false, "do not ask")
	f.StringVar(&file, "file", "", "a file with one id a line; - is stdin")
	f.StringVar(&external, "external-id", "", "all keys of this customer that are not revoked")
	f.StringVar(&project, "project", "", "with --external-id: only keys of this project")
	if act == bulkRevoke {
		f.StringVar(&reason, "reason", "", "why, for the audit log (up to 255 characters)")
		mayBeEmpty(c, "reason")
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		in := wire.BulkKeys{Action: act.verb, Reason: reason}
		switch named := len(args) > 0 || file != ""; {
		case named == f.Changed("external-id"):
			return usage("%s needs either ids, as words or by --file, or --external-id", cmd.CommandPath())
		case named && f.Changed("project"):
			return usage("--project goes with --external-id")
		}
		if _, ok := terminal(a.in); !ok && !force {
			if act == bulkRevoke {
				return usage(noTerminal)
			}
			return usage(noOneToAsk)
		}
		if f.Changed("external-id") {
			in.ExternalID = wire.Some(external)
		} else {
			ids, err := a.bulkIDs(cmd.Context(), args, file)
			if err != nil {
				return err
			}
			in.KeyIDs = wire.Some(ids)
		}
		if f.Changed("project") {
			in.ProjectID = wire.Some(project)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		if !force {
			if err := a.confirmBulk(cmd.Context(), api, act, &in); err != nil {
				return err
			}
		}
		done, err := api.Keys.Bulk(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.showBulk(act, &done)
	}
	return c
}

// bulkIDs are the ids named as words and in a file. A line that is none is not
// repeated: it may be a secret.
func (a *app) bulkIDs(ctx context.Context, args []string, file string) ([]string, error) {
	ids := args
	for _, id := range args {
		if !bulkID.MatchString(id) {
			return nil, usage("an id of a key is key_ and 26 characters")
		}
	}
	if file == "" {
		return ids, nil
	}
	from := a.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, usage("--file: %v", err)
		}
		defer func() { _ = opened.Close() }() // it was only read
		from = opened
	}
	return interruptibleLines(ctx, from, ids)
}

var bulkID = regexp.MustCompile(`^key_[0-9a-z]{26}$`)

// interruptibleLines adds the ids in r, one a line, to ids.
func interruptibleLines(ctx context.Context, r io.Reader, ids []string) ([]string, error) {
	text, err := interruptible(ctx, func() (string, error) {
		b, err := io.ReadAll(io.LimitReader(r, 1<<20))
		return string(b), err
	})
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		id := strings.TrimSpace(lines.Text())
		switch {
		case id == "":
		case !bulkID.MatchString(id):
			return nil, usage("--file: line %d is no id of a key: key_ and 26 characters", n)
		default:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, usage("--file: there is no id in it")
	}
	return ids, nil
}

// confirmBulk asks, and says how many keys it is about.
func (a *app) confirmBulk(ctx context.Context, api *client.Client, act bulkAction, in *wire.BulkKeys) error {
	n, whose := len(in.KeyIDs.Value), ""
	if in.ExternalID.Set {
		whose = " of " + in.ExternalID.Value
		for _, err := range api.Keys.All(ctx, client.KeyQuery{ExternalID: in.ExternalID.Value, ProjectID: in.ProjectID.Value}) {
			if err != nil {
				return err
			}
			n++
		}
	}
	question := fmt.Sprintf("%s %s%s?%s", strings.ToUpper(act.verb[:1])+act.verb[1:], counted(n, "key"), whose, act.final)
	return a.confirm(ctx, question)
}

// counted is a number and its noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func (a *app) showBulk(act bulkAction, done *client.Changed[[]wire.BulkResult]) error {
	refused := 0
	rows := make([][]cell, len(done.Value))
	for i, r := range done.Value {
		rows[i] = []cell{text(r.KeyID), {"done", green}, text("")}
		if !r.Done {
			refused++
			e := r.Error
			if e == nil {
				e = &wire.Error{}
			}
			rows[i] = []cell{text(r.KeyID), {cmp.Or(e.Code, "refused"), red}, text(e.Message)}
		}
	}
	if err := a.show(done.Value, func(p *page) {
		switch {
		case a.quiet:
			for _, r := range done.Value {
				if r.Done {
					p.line(r.KeyID)
				}
			}
		case len(rows) > 0:
			p.table([]string{"ID", "RESULT", "WHY"}, rows)
		}
	}); err != nil {
		return err
	}
	if !done.Confirmed() {
		return unconfirmed("the keys are changed", done.Propagation)
	}
	if refused > 0 {
		return &problem{exit: exitFailure, text: fmt.Sprintf("%s %d of %s; %d refused", act.done, len(rows)-refused, counted(len(rows), "key"), refused)}
	}
	a.tell("%s %s.", act.done, counted(len(rows), "key"))
	return nil
}
