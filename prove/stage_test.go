//go:build linux

package prove

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/halberdhq/halberd/internal/pgtest"
)

// The stage itself: a cut that cuts nothing, or a freeze that freezes nothing,
// would make every proof on it worthless.

// answered reports whether a session from where a node stands gets an answer, in
// ten seconds; unanswered whether it gets none in a few tenths of one.
func answered(t *testing.T, net network, node int, pg *database) bool {
	t.Helper()
	return reaches(t, net, node, pg, "10")
}

func unanswered(t *testing.T, net network, node int, pg *database) bool {
	t.Helper()
	return !reaches(t, net, node, pg, "0.4")
}

func reaches(t *testing.T, net network, node int, pg *database, seconds string) bool {
	t.Helper()
	psql, err := pgtest.Program("psql")
	if err != nil {
		t.Fatal(err)
	}
	host, port := net.database(t, node, pg.Port())
	line := append(net.under(node), "timeout", seconds, psql, "-X", "-At", "-c", "SELECT 1",
		fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", host+":"+strconv.Itoa(port)))
	return exec.Command(line[0], line[1:]...).Run() == nil
}

func TestTheStageCutsWhatItSaysAndNothingElse(t *testing.T) {
	pg := shared(t)
	networks := map[string]network{"as it is": openNetwork(t, 2)}
	if networks["as it is"].name() != "proxies on the loopback" {
		networks["proxies"] = openProxies(t, 2)
	}
	for name, net := range networks {
		t.Run(name, func(t *testing.T) {
			for _, which := range []direction{bothWays, answers, asks} {
				if !answered(t, net, 0, pg) {
					t.Fatal("no answer before anything was cut")
				}
				net.cut(0, which)
				if !unanswered(t, net, 0, pg) {
					t.Errorf("%s cut, and an answer comes", which)
				}
				if !answered(t, net, 1, pg) {
					t.Errorf("node 0 was cut off, and node 1 is")
				}
				net.heal(0)
				if !answered(t, net, 0, pg) {
					t.Error("healed, and no answer comes")
				}
			}
		})
	}
}

func TestTheStageStopsTheDatabase(t *testing.T) {
	pg := shared(t)
	net := openNetwork(t, 1)
	pg.freeze()
	if !unanswered(t, net, 0, pg) {
		t.Error("frozen, and it answers")
	}
	pg.thaw()
	if !answered(t, net, 0, pg) {
		t.Error("thawed, and no answer comes")
	}
	for _, by := range []syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT, syscall.SIGINT} {
		pg.restart(by)
		if !answered(t, net, 0, pg) {
			t.Errorf("no answer after %v", by)
		}
	}
}
