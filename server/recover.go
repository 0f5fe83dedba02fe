package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd"
)

func (o Options) recover() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a new admin key when the last one is lost",
		Long: `Make a new admin key when the last one is lost. The server must be stopped.

The key is written to admin.key in the data folder, and an audit event says that
it was made. Other keys stay as they are.`,
		Example: `  hb recover --data /var/lib/halberd`,
	}
	read := o.settings(cmd, "data", "database", "listen", "public-url") // the last two: for the command that it shows
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read().load()
		if err != nil {
			return misused(err)
		}
		harden()
		if err := recoverKey(cmd.Context(), c, cmd.ErrOrStderr()); err != nil {
			return err
		}
		key, err := filepath.Abs(filepath.Join(c.Data, adminKeyFile))
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "A new admin key is in %s. Start the server, then see which keys there are:\n  %s\nRevoke the admin key that was lost, keep the new one somewhere safe, and delete the file.\n",
			key, useKey(key, c.PublicURL))
		return nil
	}
	return cmd
}

func recoverKey(ctx context.Context, c Config, log io.Writer) (err error) {
	dir := c.Data
	if err := c.mustHoldData(); err != nil {
		return err
	}
	if key := filepath.Join(dir, adminKeyFile); there(key) {
		return fmt.Errorf("%s is still there: try that key first; if it is no good, delete the file and run this again", key)
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := c.open(ctx, logger, true)
	if inUse(err) {
		return fmt.Errorf("%w: stop it first", err)
	}
	if err != nil {
		return err
	}
	svc, err := begun(ctx, store, halberd.Options{Logger: logger})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	return errors.Join(svc.Recover(ctx, keepAdminKey(dir)), svc.Close())
}
