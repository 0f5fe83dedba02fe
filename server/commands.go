package server

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options is what the verbs take from the process around them.
type Options struct {
	Environ []string // as os.Environ gives it; HALBERD_… are settings
	Version string
}

// Commands is the verbs of whoever runs the instance. Their errors choose the
// exit code by a method ExitCode: 2 for what was asked wrongly, 1 for the rest.
func Commands(o Options) []*cobra.Command {
	return []*cobra.Command{o.serve(), o.demo(), o.backup(), o.restore(), o.migrateStore(), o.recover(), o.doctor()}
}

// misuse is an error of the asking: exit code 2.
type misuse struct{ error }

func misused(err error) error { return misuse{err} }

// ExitCode is for package cli.
func (misuse) ExitCode() int { return 2 }

// Unwrap returns the cause.
func (m misuse) Unwrap() error { return m.error }

// settings adds the flags of a Config to a command. Those named by only, or
// all.
func (o Options) settings(cmd *cobra.Command, only ...string) (read func() sources) {
	var c Config
	cmd.Flags().SortFlags = false // what belongs together stays together
	cmd.Flags().String("config", "", "YAML file of settings (default: the one "+envConfig+" names, or none)")
	for _, s := range c.settings() {
		wanted := len(only) == 0
		for _, name := range only {
			wanted = wanted || s.flag() == name
		}
		if wanted {
			cmd.Flags().String(s.flag(), "", s.help)
		}
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 { // and it is not repeated: it may be a secret
			return misused(fmt.Errorf("hb %s takes no arguments, only flags", cmd.Name()))
		}
		return noneEmpty(cmd)
	}
	return func() sources {
		file, _ := cmd.Flags().GetString("config")
		return sources{file: file, environ: o.Environ, flags: func(name string) (string, bool) {
			f := cmd.Flags().Lookup(name)
			if f == nil || !f.Changed {
				return "", false
			}
			return f.Value.String(), true
		}}
	}
}

// noneEmpty refuses a flag with nothing in it: that is a variable of a script that
// was never set, and without a policy, say, more would pass than with one.
func noneEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = misused(fmt.Errorf("--%s must not be empty: leave it out, or give it a value", f.Name))
		}
	})
	return err
}

func (o Options) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server.

The first start on an empty folder makes an organization, a project and an
admin key, and writes that key to admin.key in the folder.

Every flag is also a setting in the file (--tls-cert is tls_cert) and a variable
(HALBERD_TLS_CERT). A flag outweighs the variable, and that the file.

SIGHUP reads the configuration, the certificate and the policy again; SIGTERM and SIGINT
stop after the requests under way, a second one at once.`,
		Example: `  hb serve
  hb serve --listen :443 --tls-cert cert.pem --tls-key key.pem --data /var/lib/halberd
  hb serve --print-config`,
	}
	read := o.settings(cmd)
	show := cmd.Flags().Bool("print-config", false, "print the settings in effect, as a file of them, and end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *show {
			c, err := read().load()
			if err != nil {
				return misused(err)
			}
			return c.write(cmd.OutOrStdout())
		}
		return serve(cmd.Context(), read(), o.Version, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

var errNoData = errors.New("there is no Halberd database")
