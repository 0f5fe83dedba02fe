package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/password"
	"github.com/halberdhq/halberd/jobs"
	"github.com/halberdhq/halberd/storage/postgres"
)

func (o Options) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with an instance",
		Long: `Look for what is wrong with an instance: files and their modes, pepper, database,
rows, journal of revocations, background work, clock, disk, certificate, policy.

When a server runs on the folder it is the one that looks; otherwise the folder
is opened as a start would open it, and a PostgreSQL is only read. The exit code is 1 when something fails, 0
when there are only warnings.`,
		Example: "  hb doctor --data /var/lib/halberd\n  hb doctor -o json",
	}
	read := o.settings(cmd, "data", "database", "tls-cert", "tls-key", "policy")
	format := cmd.Flags().StringP("output", "o", "table", "table or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read().load()
		if err != nil {
			return misused(err)
		}
		if *format != "table" && *format != "json" {
			return misused(fmt.Errorf("-o is table or json, not %q", *format))
		}
		harden()
		found, err := findings(cmd.Context(), c)
		if err != nil {
			return err
		}
		if err := report(cmd.OutOrStdout(), *format, found); err != nil {
			return err
		}
		failed := 0
		for _, f := range found {
			if f.State == stateFail {
				failed++
			}
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d checks failed", failed, len(found))
		}
		return nil
	}
	return cmd
}

// finding is the outcome of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warn or fail
	What   string `json:"what"`
	Remedy string `json:"remedy"` // empty where nothing is to be done
}

const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "fail"
)

func report(w io.Writer, format string, found []finding) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(found)
	}
	for _, f := range found {
		fmt.Fprintf(w, "%-4s  %-10s  %s\n", f.State, f.Check, f.What)
		if f.Remedy != "" {
			fmt.Fprintf(w, "%-4s  %-10s  → %s\n", "", "", f.Remedy)
		}
	}
	return nil
}

// findings asks the server that holds the folder, or looks for itself.
func findings(ctx context.Context, c Config) ([]finding, error) {
	d := doctor{config: c, now: time.Now()}
	if !there(c.Data) && c.shared() {
		return nil, fmt.Errorf("there is no folder %s: name a node's with --data. Where no node runs, make one (mode 0700) and copy a node's pepper into it", c.Data)
	}
	if !there(c.Data) {
		return nil, fmt.Errorf("%w in %s: name the data folder with --data", errNoData, c.Data)
	}
	running, err := answers(ctx, c.Data)
	if err != nil {
		return nil, err
	}
	if running {
		res, err := ask(ctx, c.Data, http.MethodGet, "/doctor")
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		var found []finding
		if err := json.NewDecoder(res.Body).Decode(&found); err != nil {
			return nil, fmt.Errorf("reading what the running server found: %w", err)
		}
		return found, nil
	}
	closing, err := d.open(ctx)
	switch _, refused := errors.AsType[*refusedStart](err); {
	case refused && strings.Contains(err.Error(), "pepper"):
		d.fail("pepper", err.Error(), "copy the pepper of the server that made the database into "+d.dir())
	case err != nil:
		d.unread("database", err, "")
	}
	found := d.examine(ctx)
	if err := closing(); err != nil {
		return nil, err
	}
	return found, nil
}

// doctor looks at one folder. store and service are nil when they could not be
// opened.
type doctor struct {
	config  Config
	store   engine
	service *halberd.Service
	jobs    *jobs.Runner // nil: no server runs
	now     time.Time

	// inspected is what is in a shared store that no server of this folder uses;
	// nil: there is a service to ask, or nothing could be read.
	inspected *halberd.Examination

	found []finding
	named []string // files that a finding is about
}

func (d *doctor) ok(check, format string, args ...any) {
	d.found = append(d.found, finding{check, stateOK, fmt.Sprintf(format, args...), ""})
}
func (d *doctor) warn(check, what, remedy string) {
	d.found = append(d.found, finding{check, stateWarn, what, remedy})
}
func (d *doctor) fail(check, what, remedy string) {
	d.found = append(d.found, finding{check, stateFail, what, remedy})
}

// unread says why something could not be looked at. A database that is away is no
// damaged one: nothing is to be restored then.
func (d *doctor) unread(check string, err error, remedy string) {
	switch {
	case errors.Is(err, halberd.ErrHistory):
		remedy = "the database went back in time: see why, then restart this node; what its revoked.log says was revoked is revoked again then"
	case d.config.shared() && postgres.Away(err):
		remedy = "see that it runs, and that this machine reaches it"
	}
	d.fail(check, why(err), remedy)
}

// dir is the folder by its full name: the one who reads it may stand elsewhere.
func (d *doctor) dir() string {
	if abs, err := filepath.Abs(d.config.Data); err == nil {
		return abs
	}
	return d.config.Data
}

func (d *doctor) file(name string) string { return filepath.Join(d.dir(), name) }

// open opens the folder as a start would, except that it makes nothing.
func (d *doctor) open(ctx context.Context) (closing func() error, err error) {
	nothing := func() error { return nil }
	if !d.config.shared() && !there(d.file(databaseFile)) {
		return nothing, fmt.Errorf("%s is missing: put it back, or restore a backup", d.file(databaseFile))
	}
	quiet := slog.New(slog.DiscardHandler)
	if d.store, err = d.config.open(ctx, quiet, true); err != nil {
		d.store = nil
		return nothing, err
	}
	if !there(d.file(pepperFile)) {
		return d.store.Close, nil // reported by files
	}
	if d.config.shared() {
		// A Service would be one more node, which the others wait and make room for.
		x, err := halberd.Inspect(ctx, d.store)
		if err != nil {
			return d.store.Close, refused(err)
		}
		d.inspected = &x
		return d.store.Close, nil
	}
	svc, err := begun(ctx, d.store, halberd.Options{Logger: quiet})
	if err != nil {
		return d.store.Close, err
	}
	d.service = svc
	return svc.Close, nil
}

// examine makes every check that can be made.
func (d *doctor) examine(ctx context.Context) []finding {
	d.folder()
	d.files()
	d.adminKey()
	d.database(ctx)
	d.durability(ctx)
	d.nodes(ctx)
	d.rows(ctx)
	d.work(ctx)
	d.disk()
	d.certificate()
	d.policy()
	return d.found
}

func (d *doctor) folder() {
	info, err := os.Stat(d.dir())
	switch {
	case err != nil:
		d.fail("folder", err.Error(), "")
	case !info.IsDir():
		d.fail("folder", d.dir()+" is no folder", "name the data folder with --data")
	default:
		d.private("folder", d.dir(), info)
	}
}

// files looks at who may read what is in the folder. A copy of the database or
// the pepper is as good as the original.
func (d *doctor) files() {
	before := len(d.found)
	entries, err := os.ReadDir(d.dir())
	if err != nil {
		d.fail("files", err.Error(), "")
		return
	}
	n := 0
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile: a temporary file
		}
		if err != nil {
			d.fail("files", err.Error(), "")
			continue
		}
		n++
		if info.Mode().Type() == fs.ModeSymlink {
			continue // what it points to is the operator's arrangement
		}
		d.private("files", d.file(e.Name()), info)
	}
	if !there(d.file(pepperFile)) {
		d.fail("pepper", d.file(pepperFile)+" is missing: without it no key can be checked", "copy it back from where it was saved")
	}
	if !there(d.file(journalFile)) {
		d.fail("journal", d.file(journalFile)+" is missing: a restored backup would bring revoked keys back", "copy it back from where it was saved; a start makes an empty one")
	}
	if len(d.found) == before {
		d.ok("files", "%s, for their owner only", quantity(n, "file"))
	}
}

// private finds fault with a file that others may use, or that is not ours.
func (d *doctor) private(check, path string, info fs.FileInfo) {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		d.named = append(d.named, path)
		d.fail(check, fmt.Sprintf("%s may be used by others than its owner (mode %04o)", path, mode), "chmod go= "+quote(path))
		return
	}
	if uid, known := ownerOf(info); known && uid != os.Geteuid() {
		d.warn(check, fmt.Sprintf("%s belongs to user %d, and this is user %d", path, uid, os.Geteuid()), "let the server run as the owner of its files")
		return
	}
	if check == "folder" {
		d.ok(check, "%s, for its owner only", path)
	}
}

func (d *doctor) adminKey() {
	if path := d.file(adminKeyFile); there(path) {
		d.warn("admin key", path+" is still there: whoever reads it may do everything", "keep the key somewhere safe, then delete the file")
	}
}

func (d *doctor) database(ctx context.Context) {
	if d.store == nil {
		return // said when it could not be opened
	}
	wrong, err := d.store.Integrity(ctx)
	if err != nil {
		d.unread("database", err, "")
		return
	}
	n := 0
	for _, w := range wrong {
		if d.said(w) {
			continue
		}
		n++
		d.fail("database", w, "stop the server and restore a backup, unless the line says otherwise")
	}
	if n == 0 {
		d.ok("database", "whole, and of this version's schema")
	}
}

// durability looks at a database that others set up.
func (d *doctor) durability(ctx context.Context) {
	store, ok := d.store.(durable)
	if !ok {
		return
	}
	found, err := store.Durability(ctx)
	if err != nil {
		d.unread("durability", err, "")
		return
	}
	for _, what := range found {
		d.warn("durability", what, "as the line says, then reload PostgreSQL")
	}
	if len(found) == 0 {
		d.ok("durability", "a change that was answered outlives a crash of the database, and of the machine")
	}
}

// nodes lists the servers that share the database, as they have last said.
func (d *doctor) nodes(ctx context.Context) {
	store, several := d.store.(halberd.Cluster)
	if !several {
		return
	}
	list, err := store.Nodes(ctx)
	if err != nil {
		d.unread("nodes", err, "")
		return
	}
	var newest, seen int64
	versions, leases := map[string]bool{}, map[time.Duration]bool{}
	for _, n := range list {
		newest, seen = max(newest, n.Applied), max(seen, n.SeenAt)
		versions[n.Version] = true
		if n.State == halberd.NodeActive {
			leases[n.Lease] = true
		}
	}
	for _, n := range list {
		// The id is that of hb nodes: nodes of one machine have one name.
		name := fmt.Sprintf("%s (%x)", cmp.Or(n.Name, "a node without a name"), n.Incarnation[:8])
		switch n.State {
		case halberd.NodeFenced:
			d.warn("nodes", name+" was silent for longer than its lease and answers nothing", "see that it reaches the database: it enters again by itself, as another line of this list. This one is taken out by the others within two leases or so")
		case halberd.NodeJoining:
			d.ok("nodes", "%s is loading", name)
		case halberd.NodeActive:
			if silent(&n, seen) {
				d.warn("nodes", fmt.Sprintf("%s was last heard of at %s, and its lease is over: it answers nothing", name, time.UnixMilli(n.SeenAt).UTC().Format(time.RFC3339)),
					"see whether it runs, and whether it reaches the database: it goes on by itself")
				continue
			}
			d.ok("nodes", "%s answers: renewed %s, lease %s, %d behind", name, time.UnixMilli(n.SeenAt).UTC().Format(time.RFC3339), n.Lease, newest-n.Applied)
		}
	}
	if len(leases) > 1 {
		d.warn("nodes", "their leases differ", "set the same lease for all: an outage is survived by the shortest, and a revocation waits for the longest")
	}
	if len(versions) > 1 {
		d.warn("nodes", fmt.Sprintf("they run %d different versions", len(versions)), "finish the upgrade")
	}
}

// silent reports whether a node was renewed so long before the latest that was
// that it can hold no lease.
func silent(n *halberd.NodeRecord, latest int64) bool {
	return time.Duration(latest-n.SeenAt)*time.Millisecond > n.Lease
}

// said reports whether a finding of the engine's is about a file that files
// has found fault with, or found missing.
func (d *doctor) said(what string) bool {
	for _, f := range d.named {
		if strings.HasPrefix(what, f+" ") {
			return true
		}
	}
	if aboutJournal(what) {
		return d.service != nil || d.inspected != nil // which reads it more closely
	}
	return strings.Contains(what, d.file(pepperFile)) && !there(d.file(pepperFile))
}

// aboutJournal reports whether a finding of the engine's is about lines of the
// journal of revocations, of which a crash may tear the last.
func aboutJournal(what string) bool { return strings.HasPrefix(what, journalFile+" has ") }

func (d *doctor) rows(ctx context.Context) {
	var x halberd.Examination
	switch {
	case d.service != nil:
		var err error
		if x, err = d.service.Examine(ctx); err != nil {
			d.unread("rows", err, "restore a backup")
			return
		}
		if lost := d.service.Stats().Forfeited; lost.Uses > 0 {
			d.warn("quotas", fmt.Sprintf("%d uses of %d quotas were forfeited when a server did not end cleanly", lost.Uses, lost.Quotas),
				"they come back with the refill; where there is none, raise the quota's limit by as much")
		}
	case d.inspected != nil:
		x = *d.inspected
	default:
		return
	}
	d.ok("pepper", "belongs to the database; its fingerprint is %s", x.Fingerprint)
	for _, r := range x.Damaged {
		remedy := "restore a backup"
		switch kind, _, _ := strings.Cut(r.ID, "_"); kind {
		case "key":
			remedy += ", or make a new key and revoke this one"
		case "whk", "rul":
			remedy += ", or make another: this one does nothing"
		}
		d.fail("rows", fmt.Sprintf("%s was changed behind the server's back or is damaged (%s): it is refused", r.ID, r.Why), remedy)
	}
	if len(x.Damaged) == 0 {
		d.ok("rows", "%s, every MAC right", quantity(x.Rows, "row"))
	}
	for _, h := range x.Disabled {
		d.warn("webhooks", fmt.Sprintf("%s was disabled and is sent nothing: %s", h.ID, h.Why), "see to its receiver, then hb webhooks update "+h.ID+" --active; or delete it")
	}
	d.journal(x.Journal)
	d.clock(x.Latest)
}

// clock looks at the clock that expiry is judged by, and at this machine's.
func (d *doctor) clock(latest time.Time) {
	const slack = 5 * time.Minute
	const remedy = "set the clock, and keep it right with NTP"
	here := d.now.UTC().Format(time.RFC3339)
	if d.service != nil && d.config.shared() {
		switch ahead := d.service.Stats().Node.Ahead.Round(time.Second); {
		case ahead.Abs() > time.Minute:
			d.warn("clock", fmt.Sprintf("it is %s here, %s ahead of the database's clock (with a minus sign: behind it): expiry is judged by the database's", here, ahead), remedy)
		default:
			d.ok("clock", "%s, as the database has it", here)
		}
		return
	}
	switch {
	case !latest.After(d.now.Add(slack)):
		d.ok("clock", "%s, after everything in the database", here)
	case d.config.shared():
		d.warn("clock", fmt.Sprintf("it is %s here, and the newest row is of %s by the database's clock, by which expiry is judged", here, latest.Format(time.RFC3339)), remedy)
	default:
		d.fail("clock", fmt.Sprintf("it is %s here, and the newest row is of %s: expiry is judged by this clock", here, latest.Format(time.RFC3339)), remedy)
	}
}

func (d *doctor) journal(j halberd.JournalState) {
	const list = 10
	before := len(d.found)
	if n := j.Unreadable + j.Forged; n > 0 {
		d.warn("journal", fmt.Sprintf("what cannot be believed in %s is passed over: %s, %d unreadable, %d with a wrong MAC", journalFile, quantity(n, "line"), j.Unreadable, j.Forged),
			"a torn last line is left by a crash and harmless; more than that: copy the file back from where it was saved")
	}
	switch n := len(j.Missing); {
	case n > 0 && d.inspected != nil: // other nodes revoked them since this one ended
		d.ok("journal", "%s not in %s yet: this node's next start writes them", quantity(n, "revoked key"), journalFile)
	case n > 0:
		d.warn("journal", fmt.Sprintf("%s not in %s, and a restored backup would revive: %v", quantity(n, "revoked key"), journalFile, j.Missing[:min(n, list)]),
			"revoke them once more, which writes their lines")
	}
	if n := len(j.Revived); n > 0 {
		d.fail("journal", fmt.Sprintf("%s in %s but not revoked in the database: %v", quantity(n, "key"), journalFile, j.Revived[:min(n, list)]),
			"start the server again, which revokes them")
	}
	if len(d.found) == before {
		d.ok("journal", "%d revoked keys, in step with the database", j.Entries)
	}
}

// work looks at what nobody waits for: it is the server's own memory of it, so
// there is nothing to say of a folder at rest.
func (d *doctor) work(ctx context.Context) {
	if d.jobs == nil {
		return
	}
	s := d.jobs.Stats(ctx)
	before := len(d.found)
	for _, name := range slices.Sorted(maps.Keys(s.Tasks)) {
		if t := s.Tasks[name]; t.LastError != nil {
			d.warn("jobs", fmt.Sprintf("%s failed at %s: %v", name, t.LastAt.UTC().Format(time.RFC3339), t.LastError), "it is tried again when it is next due; the log says more")
		}
	}
	if s.WaitingUnavailable {
		d.warn("jobs", "what waits to be done cannot be counted: the jobs' database does not answer", "look into the log")
	}
	if len(d.found) == before {
		waiting := s.Waiting["available"] + s.Waiting["running"] + s.Waiting["scheduled"]
		d.ok("jobs", "%s in order, %s under way, %d to be tried again", quantity(len(s.Tasks), "task"), deliveries(waiting), s.Waiting["retryable"])
	}
}

func deliveries(n int64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

func (d *doctor) disk() {
	free, err := freeBytes(d.config.Data)
	if err != nil {
		d.warn("disk", "the free space cannot be told: "+err.Error(), "")
		return
	}
	var size uint64
	for _, name := range []string{databaseFile, databaseFile + "-wal", usageFile, jobsFile} {
		if info, err := os.Stat(d.file(name)); err == nil {
			size += uint64(info.Size())
		}
	}
	const mib = 1 << 20
	what := fmt.Sprintf("%d MiB free, %d MiB of data", free/mib, size/mib)
	switch {
	case free < 64*mib:
		d.fail("disk", what, "make room: when it is full nothing can be created or changed")
	case free < size+512*mib:
		d.warn("disk", what, "make room: a backup needs as much again for a moment")
	default:
		d.ok("disk", "%s", what)
	}
}

func (d *doctor) certificate() {
	if d.config.TLSCert == "" {
		return
	}
	const check = "TLS"
	pair, err := tls.LoadX509KeyPair(d.config.TLSCert, d.config.TLSKey)
	if err != nil {
		d.fail(check, err.Error(), "put a certificate and its key there, then send SIGHUP")
		return
	}
	if info, err := os.Stat(d.config.TLSKey); err == nil && info.Mode().Perm()&0o007 != 0 {
		d.warn(check, fmt.Sprintf("%s may be read by everyone (mode %04o)", d.config.TLSKey, info.Mode().Perm()), "chmod o= "+quote(d.config.TLSKey))
	}
	left := pair.Leaf.NotAfter.Sub(d.now)
	what := fmt.Sprintf("%s is good until %s", d.config.TLSCert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	switch {
	case left <= 0:
		d.fail(check, fmt.Sprintf("%s ended at %s", d.config.TLSCert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339)), "put a new one in its place, then send SIGHUP")
	case left < 14*24*time.Hour:
		d.warn(check, what, "put a new one in its place, then send SIGHUP")
	default:
		d.ok(check, "%s", what)
	}
}

// policy looks at what a reload or the next start would go by.
func (d *doctor) policy() {
	const check = "policy"
	policy, err := readPolicy(d.config.Policy)
	switch {
	case err != nil:
		d.fail(check, err.Error(), "mend it, then send SIGHUP; see docs/reference/policy.md")
	case policy == nil:
	case d.service == nil:
		d.ok(check, "%s is one", d.config.Policy)
	default:
		if ids := unknownProjects(d.service, policy); ids != "" {
			d.warn(check, d.config.Policy+" names projects that do not exist or are suspended, and what their rules cover is refused: "+ids, "see hb projects list; one that is made later is known at once")
			return
		}
		d.ok(check, "%s is one, and its projects are there", d.config.Policy)
	}
}

// begun is halberd.New for the operator at the machine, to whom the reason is
// said without its code.
func begun(ctx context.Context, store halberd.Store, o halberd.Options) (*halberd.Service, error) {
	o.Passwords = password.New()
	svc, err := halberd.New(ctx, store, o)
	return svc, refused(err)
}

// refused is err with its reason, where the ground refuses a store.
func refused(err error) error {
	if e, ok := errors.AsType[*halberd.Error](err); ok {
		return &refusedStart{e}
	}
	return err
}

// refusedStart is a store that the ground does not start on.
type refusedStart struct{ cause *halberd.Error }

func (r *refusedStart) Error() string { return why(r.cause) }
func (r *refusedStart) Unwrap() error { return r.cause }

// why is an error with its cause: for the operator at the machine.
func why(err error) string {
	e, ok := errors.AsType[*halberd.Error](err)
	switch {
	case !ok:
		return err.Error()
	case e.Err != nil:
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}
