package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

func (o Options) restore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore --from FILE",
		Short: "Put a backup in the place of the database",
		Long: `Put a backup in the place of the database. The server must be stopped.

The backup is started on trial first; nothing is replaced unless its file, its
schema and its pepper are right. The former database stays in the folder under
another name. The folder's pepper and revoked.log stay: a key that was revoked
after the backup was made is revoked again, and what the former database says was
spent of a quota stays spent.`,
		Example: `  hb restore --data /var/lib/halberd --from /backup/halberd-2026-01-31.db`,
	}
	read := o.settings(cmd, "data", "database")
	from := cmd.Flags().String("from", "", "the backup")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read().load()
		if err != nil {
			return misused(err)
		}
		if *from == "" {
			return misused(errors.New("name the backup with --from FILE"))
		}
		if c.shared() {
			return misused(c.notOurs("restore"))
		}
		harden()
		r := restoring{dir: c.Data, from: *from, words: cmd.ErrOrStderr(), now: time.Now()}
		return r.run(cmd.Context())
	}
	return cmd
}

// restoring is one restore.
type restoring struct {
	dir, from string
	words     io.Writer
	now       time.Time

	adminKeyRefused bool // by the backup: the key in admin.key
	quotasCarried   int
	quotasLost      string // why what was spent since the backup is not known, and can be spent again
}

func (r *restoring) run(ctx context.Context) (err error) {
	if !there(r.dir) { // holding it would make it
		return fmt.Errorf("there is no folder %s: name the instance's with --data, or make one and copy the saved pepper and %s there", r.dir, journalFile)
	}
	release, err := holdFolder(r.dir)
	if errors.Is(err, errFolderInUse) {
		return fmt.Errorf("%s: %w: stop it first", r.dir, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if !there(filepath.Join(r.dir, pepperFile)) {
		return fmt.Errorf("there is no pepper in %s: copy there the one that was saved from the backup's instance, and with it %s; without it no key can be checked", r.dir, journalFile)
	}
	if !there(filepath.Join(r.dir, journalFile)) {
		fmt.Fprintf(r.words, "WARNING: there is no %s in %s. Keys that were revoked after the backup was made will be good again. If it was saved, copy it there and restore once more.\n", journalFile, r.dir)
	}
	trial, err := os.MkdirTemp(r.dir, ".restore-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
	stats, err := r.try(ctx, trial)
	if err != nil {
		return fmt.Errorf("%s is not restored, and nothing was changed: %w", r.from, err)
	}
	former, err := r.replace(trial)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.words, "Restored %s: %s, revision %d.\n", r.from, quantity(stats.Keys, "key"), stats.Revision)
	if stats.Damaged > 0 {
		fmt.Fprintf(r.words, "WARNING: damaged in it, and refused: %s; hb doctor names them.\n", quantity(stats.Damaged, "row"))
	}
	if former != "" {
		fmt.Fprintf(r.words, "The former database is in %s; delete it when it is not needed.\n", former)
	}
	if r.quotasCarried > 0 {
		fmt.Fprintf(r.words, "What was spent of %d quotas after the backup stays spent.\n", r.quotasCarried)
	}
	if r.quotasLost != "" {
		fmt.Fprintf(r.words, "WARNING: %s: what was spent of quotas after the backup can be spent again.\n", r.quotasLost)
	}
	if r.adminKeyRefused {
		fmt.Fprintf(r.words, "The key in %s is no good with this database: delete the file. If no other admin key is left, hb recover makes one.\n", filepath.Join(r.dir, adminKeyFile))
	}
	fmt.Fprintf(r.words, "What was made or changed after the backup is gone; what was revoked stays revoked. Start the server.\n")
	return nil
}

// try starts the backup in a folder of its own, with the pepper and the journal
// of this one: what a start would refuse is refused before anything changes,
// and what was revoked since is revoked.
func (r *restoring) try(ctx context.Context, trial string) (st halberd.Stats, err error) {
	for _, f := range []struct {
		from, to string
		may      bool // be absent
	}{
		{r.from, databaseFile, false},
		{r.from + "-wal", databaseFile + "-wal", true}, // of a database that was moved away, not of a backup
		{filepath.Join(r.dir, pepperFile), pepperFile, false},
		{filepath.Join(r.dir, journalFile), journalFile, true},
	} {
		if f.may && !there(f.from) {
			continue
		}
		if err := copyFile(f.from, filepath.Join(trial, f.to)); err != nil {
			return st, err
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(ctx, trial, sqlite.Options{Log: quiet})
	if err != nil {
		return st, inPlace(err, trial, r.from)
	}
	closing := store.Close
	defer func() {
		err = errors.Join(err, closing())
		if err == nil && there(filepath.Join(trial, databaseFile+"-wal")) {
			err = errors.New("the database could not be closed cleanly")
		}
	}()
	if err := store.View(ctx, func(r halberd.Reader) error {
		n, err := r.Revision()
		if err == nil && n == 0 {
			return errors.New("it holds nothing of Halberd")
		}
		return err
	}); err != nil {
		return st, err
	}
	findings, err := store.Integrity(ctx)
	if err != nil {
		return st, err
	}
	findings = slices.DeleteFunc(findings, aboutJournal) // the start says it, and passes over such lines
	if len(findings) > 0 {
		return st, errors.New(strings.Join(findings, "; "))
	}
	svc, err := begun(ctx, store, halberd.Options{Logger: slog.New(slog.NewTextHandler(r.words, nil))})
	if err != nil {
		return st, err
	}
	closing = svc.Close
	if err := r.carryQuotas(ctx, store); err != nil {
		return st, err
	}
	if key, err := os.ReadFile(filepath.Join(r.dir, adminKeyFile)); err == nil {
		v, err := svc.Verify(ctx, halberd.Check{Secret: halberd.NewSecret(strings.TrimSpace(string(key)))}) // counted in the trial only
		r.adminKeyRefused = err == nil && !v.Valid()
	}
	return svc.Stats(), nil
}

// carryQuotas brings the quotas of a tried backup up to what the database that it
// replaces has given away. That one is read from a copy: it stays as it is.
func (r *restoring) carryQuotas(ctx context.Context, tried halberd.Store) error {
	var some []halberd.QuotaRecord
	if err := tried.View(ctx, func(r halberd.Reader) (err error) {
		some, err = r.Quotas(halberd.QuotaID{}, 1)
		return err
	}); err != nil {
		return err
	}
	path := filepath.Join(r.dir, databaseFile)
	if !there(path) {
		if len(some) > 0 {
			r.quotasLost = "there is no former database in " + r.dir
		}
		return nil
	}
	former, closing, err := r.openFormer(ctx, path)
	if err == nil {
		r.quotasCarried, err = halberd.CarryQuotas(ctx, former, tried)
	}
	if err := errors.Join(err, closing()); err != nil {
		r.quotasLost = "the former database cannot be read (" + err.Error() + ")"
	}
	return nil
}

func (r *restoring) openFormer(ctx context.Context, path string) (_ halberd.Store, closing func() error, err error) {
	dir, err := os.MkdirTemp(r.dir, ".restore-*")
	if err != nil {
		return nil, func() error { return nil }, err
	}
	closing = func() error { return os.RemoveAll(dir) }
	for _, suffix := range []string{"", "-wal"} {
		if !there(path + suffix) {
			continue
		}
		if err := copyFile(path+suffix, filepath.Join(dir, databaseFile+suffix)); err != nil {
			return nil, closing, err
		}
	}
	store, err := sqlite.Open(ctx, dir, sqlite.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, closing, inPlace(err, dir, path)
	}
	return store, func() error { return errors.Join(store.Close(), os.RemoveAll(dir)) }, nil
}

// inPlace words an error about the trial as one about the file it came from.
func inPlace(err error, trial, from string) error {
	if err == nil {
		return nil
	}
	abs, _ := filepath.Abs(trial)
	text := strings.TrimPrefix(err.Error(), "opening the data folder: ")
	return errors.New(strings.NewReplacer(
		filepath.Join(abs, databaseFile), from,
		sqlite.ErrDamaged.Error()+"; restore a backup", "it is damaged, or no backup; try another",
		sqlite.ErrDamaged.Error(), "it is damaged, or no backup",
		sqlite.ErrNewer.Error(), "it was made by a newer version of Halberd",
	).Replace(text))
}

// replace moves the tried database into its place. In between there is no
// halberd.db, and a server that starts then refuses: a half of each would be
// worse. It returns the name the former one has now.
func (r *restoring) replace(trial string) (former string, err error) {
	path := filepath.Join(r.dir, databaseFile)
	if there(path) {
		former = path + ".before-restore-" + r.now.UTC().Format("20060102T150405.000Z")
		if err := os.Rename(path, former); err != nil {
			return "", err
		}
	}
	// A log that stayed would be taken for one of the new database.
	if wal := path + "-wal"; there(wal) {
		if former == "" {
			former = path + ".before-restore-" + r.now.UTC().Format("20060102T150405.000Z")
		}
		if err := os.Rename(wal, former+"-wal"); err != nil {
			return "", err
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.Rename(filepath.Join(trial, databaseFile), path); err != nil {
		return "", err
	}
	return former, syncFolder(r.dir)
}

// copyFile copies a file to a place where none is, onto the disk, mode 0600.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
