//go:build linux

package prove

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/pgtest"
)

// database is the PostgreSQL of a run. It writes to the disk as it does when it
// is installed: what is measured here includes that.
type database struct {
	*pgtest.Server
	t        testing.TB
	settings []string
	counter  *atomic.Int64 // of databases in it
}

var postgresSettings = []string{"listen_addresses=*", "max_connections=200"}

func openDatabase(t testing.TB, settings ...string) *database {
	t.Helper()
	settings = slices.Concat(postgresSettings, settings)
	s, err := pgtest.Start(pgtest.Options{Settings: settings})
	pgtest.Need(t, err)
	t.Cleanup(func() { s.Kill(); os.RemoveAll(s.Dir()) })
	d := &database{Server: s, t: t, settings: settings, counter: &atomic.Int64{}}
	d.trust()
	return d
}

// sharedOnce is the database of the tests that leave it as they found it.
var sharedOnce struct {
	mu sync.Mutex
	d  *database
}

func shared(t testing.TB) *database {
	t.Helper()
	sharedOnce.mu.Lock()
	defer sharedOnce.mu.Unlock()
	if sharedOnce.d == nil {
		s, err := pgtest.Start(pgtest.Options{Settings: postgresSettings})
		pgtest.Need(t, err)
		sharedOnce.d = &database{Server: s, settings: postgresSettings, counter: &atomic.Int64{}}
		sharedOnce.d.t = t
		sharedOnce.d.trust()
	}
	d := *sharedOnce.d
	d.t = t
	return &d
}

func endShared() {
	sharedOnce.mu.Lock()
	defer sharedOnce.mu.Unlock()
	if d := sharedOnce.d; d != nil {
		d.thaw()
		d.Kill()
		os.RemoveAll(d.Dir())
	}
}

// trust lets the nodes in, and standbys.
func (d *database) trust() {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.Data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("host all all 10.92.0.0/16 trust\nhost replication all 127.0.0.1/32 trust\n"); err != nil {
		d.t.Fatal(err)
	}
	d.Do(d.t, "SELECT pg_reload_conf()")
}

// create makes an empty database and returns its name.
func (d *database) create() string {
	d.t.Helper()
	name := fmt.Sprintf("hb%d", d.counter.Add(1))
	d.Do(d.t, "CREATE DATABASE "+name)
	return name
}

// restart ends it by a signal, SIGKILL, SIGQUIT or SIGINT, and starts it again.
func (d *database) restart(by syscall.Signal) {
	d.t.Helper()
	d.Signal(by)
	d.again()
}

// again starts it after its end. Killed, its sessions may live a moment longer
// than it does, and it does not start beside them.
func (d *database) again() {
	d.t.Helper()
	var err error
	for range 50 {
		if err = d.Restart(d.settings...); err == nil {
			return
		}
		if !strings.Contains(err.Error(), "shared memory") && !strings.Contains(err.Error(), "lock file") {
			break
		}
		pause(100)
	}
	d.t.Errorf("PostgreSQL does not start again: %v", err)
}

// freeze stops all its processes as they stand; thaw lets them go on.
func (d *database) freeze() { d.all(syscall.SIGSTOP) }
func (d *database) thaw()   { d.all(syscall.SIGCONT) }

func (d *database) all(signal syscall.Signal) {
	pid := d.pid()
	if pid == 0 {
		return
	}
	_ = syscall.Kill(pid, signal) // first: it starts no other
	for _, one := range offspring(pid) {
		_ = syscall.Kill(one, signal)
	}
}

func (d *database) pid() int {
	text, err := os.ReadFile(filepath.Join(d.Data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, _ := strconv.Atoi(string(first))
	return pid
}

// ask runs a query by psql and returns what it prints.
func (d *database) ask(t testing.TB, name, query string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, err := d.Command(ctx, "psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", query, d.SocketAddress(name))
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", query, err, out)
	}
	return strings.TrimSpace(string(out))
}

// listeners are the sessions that wait for notifications in a database.
func (d *database) listeners(t testing.TB, name string) (pids []int) {
	t.Helper()
	for word := range strings.FieldsSeq(d.ask(t, name, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'listen %'")) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Error("nobody listens")
	}
	return pids
}

// stop stops one session until the test ends.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// standby starts a copy of it that follows it.
func (d *database) standby() *database {
	d.t.Helper()
	dir := filepath.Join(d.Dir(), "standby")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, err := d.Command(ctx, "pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(d.Port()), "-U", "postgres", "-D", filepath.Join(dir, "data"), "-R", "-c", "fast", "--no-sync")
	if err != nil {
		d.t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	s, err := pgtest.Start(pgtest.Options{Dir: dir, Settings: d.settings})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Kill)
	return &database{Server: s, t: d.t, settings: d.settings, counter: d.counter}
}

// follows waits until a standby has all that the primary has.
func (d *database) follows(t testing.TB, standby *database) {
	t.Helper()
	at := d.ask(t, "postgres", "SELECT pg_current_wal_lsn()")
	eventually(t, "the standby follows", 20*time.Second, func() bool {
		return standby.ask(t, "postgres", "SELECT coalesce(pg_last_wal_replay_lsn() >= '"+at+"', false)") == "t"
	}, standby.Log)
}
