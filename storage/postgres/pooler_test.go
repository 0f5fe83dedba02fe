package postgres_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/pgtest"
	"github.com/halberdhq/halberd/storage/postgres"
)

// pooler is a PgBouncer before the server, in a mode, and with further settings.
func pooler(t *testing.T, address, mode, more string) string {
	t.Helper()
	pg := server.Server(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())
	file := filepath.Join(pg.Dir(), fmt.Sprintf("pooler-%d.ini", port))
	must(t, os.WriteFile(file+".users", []byte(`"postgres" ""`), 0o644))
	must(t, os.WriteFile(file, fmt.Appendf(nil, "[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = trust\nauth_file = %s.users\npool_mode = %s\n%s\n", pg.Port(), port, file, mode, more), 0o644))
	cmd, err := pg.Command(t.Context(), "pgbouncer", file)
	pgtest.Need(t, err)
	out, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	go func() { _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "a pooler", func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return strings.Replace(address, fmt.Sprint(pg.Port()), fmt.Sprint(port), 1)
}

// What a pooler passes by.
const passed = "ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout,jit,enable_hashjoin,enable_mergejoin," +
	"default_transaction_isolation,bytea_output,synchronous_commit"

// A pooler in session mode is as good as none. One in transaction mode is refused
// before anything is locked on a session that others get, and so is one that takes
// no settings, at once and with a word.
func TestPoolers(t *testing.T) {
	address := server.Empty(t)
	for _, c := range []struct{ mode, more, words string }{
		{"transaction", passed, "transaction mode"},
		{"statement", passed, "transaction mode"},
		{"session", "", "ignore_startup_parameters"},
		{"session", passed, ""},
	} {
		s, err := postgres.Open(t.Context(), pooler(t, address, c.mode, c.more), t.TempDir(), postgres.Options{Log: quiet, StartTimeout: 10 * time.Second})
		if err == nil {
			must(t, insert(t.Context(), s, 1))
			must(t, s.Close())
		}
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s mode: %v", c.mode, err)
		}
	}
}
