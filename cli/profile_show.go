package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) profileShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show [name]", Args: atMostOne,
		Short:   "Show a profile (default: the one in use), without its key",
		Example: `  hb profile show prod`,
	}
	c.Flags().VarP(output{&a.format, formats}, "output", "o", "table, json or yaml")
	c.RunE = func(_ *cobra.Command, args []string) error {
		book, name, p, err := a.theProfile(strings.Join(args, ""))
		if err != nil {
			return err
		}
		v := profileView{name, p.URL, p.Store, name == book.pick("", a.getenv("HB_PROFILE"))}
		return a.show(v, func(p *page) {
			p.fact("name", text(v.Name))
			p.fact("url", text(v.URL))
			p.fact("key in", text(v.Key))
			p.fact("current", text(yesNo(v.Current)))
		})
	}
	return c
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("%s takes one name at most", cmd.CommandPath())
	}
	return nil
}
