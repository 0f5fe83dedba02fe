package cli

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// profileView is a profile as it is shown. The key never is.
type profileView struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Key     string `json:"key_in"`
	Current bool   `json:"current"`
}

func (a *app) profileList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short:   "List the profiles",
		Example: `  hb profile list`,
	}
	c.Flags().VarP(output{&a.format, formats}, "output", "o", "table, json or yaml")
	c.RunE = func(*cobra.Command, []string) error {
		book, err := a.readProfiles()
		if err != nil {
			return err
		}
		views := []profileView{}
		for _, name := range slices.Sorted(maps.Keys(book.Profiles)) {
			p := book.Profiles[name]
			views = append(views, profileView{name, p.URL, p.Store, name == book.pick("", a.getenv("HB_PROFILE"))})
		}
		if len(views) == 0 {
			a.say("There are no profiles yet: hb login makes one.")
		}
		return a.show(views, func(p *page) {
			rows(a, p, []string{"NAME", "URL", "KEY IN", "CURRENT"}, views, func(v *profileView) string { return v.Name },
				func(v *profileView) []cell {
					return []cell{text(v.Name), text(v.URL), text(v.Key), text(yesNo(v.Current))}
				})
		})
	}
	return c
}
