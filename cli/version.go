package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", Args: words(),
		Short: "Print the version of hb",
		RunE: func(*cobra.Command, []string) error {
			return a.write([]byte("hb " + a.version + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"))
		},
	}
}
