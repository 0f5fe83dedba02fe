package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/storage/sqlite"
)

func (o Options) backup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: "Copy the database, also while the server runs",
		Long: `Copy the database, also while the server runs.

The copy is one file, whole and consistent: every change that was answered
before the copy began is in it. The pepper and revoked.log are not in it, on
purpose: save them apart, once and after every revocation respectively.`,
		Example: `  hb backup --data /var/lib/halberd --to /backup/halberd-$(date +%F).db
  hb backup --to - | age -r … >halberd.db.age`,
	}
	read := o.settings(cmd, "data", "database")
	to := cmd.Flags().String("to", "", "file to write, or - for stdout")
	force := cmd.Flags().Bool("force", false, "replace the file if it is there")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read().load()
		if err != nil {
			return misused(err)
		}
		switch {
		case *to == "":
			return misused(errors.New("name the file to write with --to FILE, or --to - for stdout"))
		case *to != "-" && !*force && there(*to):
			return misused(fmt.Errorf("%s is there already: name another file, or replace it with --force", *to))
		}
		if c.shared() {
			return misused(c.notOurs("backup"))
		}
		harden()
		size, err := backup(cmd.Context(), c.Data, *to, cmd.OutOrStdout())
		if err != nil {
			return err
		}
		name := *to
		if name == "-" {
			name = "stdout"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Copied %s to %s (%d bytes).\n"+
			"%s and %s are not in it, on purpose: save them apart from it. Without the pepper the copy is of no use, to you as to a thief.\n",
			filepath.Join(c.Data, databaseFile), name, size, filepath.Join(c.Data, pepperFile), filepath.Join(c.Data, journalFile))
		return nil
	}
	return cmd
}

// backup copies the database of dir to a file, or to stdout for "-".
func backup(ctx context.Context, dir, to string, stdout io.Writer) (size int64, err error) {
	if err := mustHoldData(dir); err != nil {
		return 0, err
	}
	source := func(w io.Writer) error { return askBackup(ctx, dir, w) }
	if running, err := answers(ctx, dir); err != nil {
		return 0, err
	} else if !running {
		store, err := sqlite.Open(ctx, dir, sqlite.Options{})
		if err != nil {
			return 0, err
		}
		defer func() { _ = store.Close() }() // nothing was written
		source = func(w io.Writer) error { return store.Backup(ctx, w) }
	}
	count := &countingWriter{Writer: stdout}
	if to == "-" {
		err := source(count)
		return count.n, err
	}
	err = writeWhole(to, func(f *os.File) error {
		count.Writer = f
		return source(count)
	})
	return count.n, err
}

type countingWriter struct {
	io.Writer
	n int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.n += int64(n)
	return n, err
}

func mustHoldData(dir string) error {
	switch {
	case there(filepath.Join(dir, databaseFile)):
	case there(filepath.Join(dir, pepperFile)):
		return fmt.Errorf("%w in %s, only the pepper: of a node the database is a PostgreSQL, which --database names", errNoData, dir)
	default:
		return fmt.Errorf("%w in %s: name the data folder with --data", errNoData, dir)
	}
	return nil
}

// socketClient speaks to the instance that holds dir.
func socketClient(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socketFile))
		},
	}}
}

// answers reports whether a server runs on dir.
func answers(ctx context.Context, dir string) (bool, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socketFile))
	switch {
	case err == nil:
		return true, c.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EINVAL):
		return false, nil
	}
	return false, fmt.Errorf("asking whether a server runs on %s: %w; be the user that the server runs as", dir, err)
}

// ask sends a request to the instance that holds dir.
func ask(ctx context.Context, dir, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://halberd"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := socketClient(dir).Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running server: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return nil, fmt.Errorf("the running server says: %s", strings.TrimSpace(string(said)))
}

func askBackup(ctx context.Context, dir string, w io.Writer) error {
	res, err := ask(ctx, dir, http.MethodPost, "/backup")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the backup was cut short: %w", err)
	}
	return nil
}
