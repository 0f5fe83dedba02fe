//go:build linux

package prove

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

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
