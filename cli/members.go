package cli

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

var memberListing = listing[wire.Member]{
	what:  "members",
	heads: []string{"ID", "EMAIL", "NAME", "ROLE", "OPERATOR", "STATE"},
	id:    func(m *wire.Member) string { return m.MemberID },
	row:   memberRow,
}

func memberRow(m *wire.Member) []cell {
	return []cell{
		text(m.MemberID), text(m.Email), text(m.Name), text(m.Role), text(yesNo(m.Operator)), memberState(m.State),
	}
}

func memberState(s string) cell {
	return cell{s, map[string]string{"active": green, "invited": yellow, "inactive": yellow, "removed": red}[s]}
}

// known is a member's name for a sentence.
func known(m *wire.Member) string { return cmp.Or(m.Name, m.Email) }

// showMember writes one member to stdout.
func (a *app) showMember(m *wire.Member) error {
	return a.show(m, func(p *page) {
		if a.quiet {
			p.line(m.MemberID)
			return
		}
		describeMember(p, m)
	})
}

func describeMember(p *page, m *wire.Member) {
	p.fact("id", text(m.MemberID))
	p.fact("email", text(m.Email))
	p.factIf("name", m.Name)
	p.fact("organization", text(m.OrganizationID))
	p.fact("role", text(m.Role))
	p.fact("operator", text(yesNo(m.Operator)))
	p.fact("state", memberState(m.State))
	p.factIf("link ends", instant(m.InvitedUntil))
	p.fact("password", text(yesNo(m.Password)))
	p.factIf("signs in with", deref(m.Provider))
	p.fact("created", text(instant(&m.CreatedAt)))
	p.factIf("removed", instant(m.RemovedAt))
}

// showLink writes an invitation's link, which is shown this once. With -q it is
// all there is on stdout, whatever the format of the rest.
func (a *app) showLink(m *wire.InvitedMember) error {
	// Without this a closed pipe ends the program before it can say anything.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	if !a.quiet {
		a.say("%s may %s once the link is opened. It is shown this once, and ends on %s.", known(&m.Member), doing(m.Role), instant(m.InvitedUntil))
	}
	out := []byte(clean(m.InviteURL) + "\n")
	if !a.quiet && a.format != "" && a.format != "table" {
		var err error
		if out, err = a.render(m, nil); err != nil {
			return err
		}
	}
	err := a.write(out)
	if err == nil && leadsNowhere(a.out) {
		err = fmt.Errorf("stdout is closed, or the null device")
	}
	if err != nil {
		return &problem{exit: exitFailure, err: err, text: fmt.Sprintf("%s is invited, but the link could not be written: %v.\n"+
			"    Make another with `hb members invite-again %s`.", m.Email, err, m.MemberID)}
	}
	a.tell("Hand it to nobody else: whoever opens it becomes %s.", m.Email)
	return nil
}

func doing(role string) string {
	switch role {
	case "admin":
		return "do everything"
	case "write":
		return "look and edit"
	}
	return "look"
}

func (a *app) membersGet() *cobra.Command {
	return &cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Args: words("the id of a member"),
		Short:   "Show one member",
		Example: `  hb members get mem_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			m, err := api.Members.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showMember(&m)
		},
	}
}
