//go:build linux

package prove

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// network is what lies between the nodes and the database. What is cut loses
// its packets without a word; what was on its way arrives, perhaps, after heal.
type network interface {
	// under begins the command line of a node's process.
	under(node int) []string
	// host is where a node listens, and port a port that is free there.
	host(node int) string
	port(t testing.TB, node int) int
	// database is where a node reaches the database that listens on the port.
	database(t testing.TB, node, port int) (host string, at int)
	// cut parts a node from the database.
	cut(node int, which direction)
	heal(node int)
	// name is for the report.
	name() string
}

// direction is what a cut loses.
type direction int

const (
	bothWays direction = iota
	answers            // what the database says does not arrive
	asks               // what the node says does not arrive
)

func (d direction) String() string {
	return [...]string{"both ways", "the database's answers", "the node's asks"}[d]
}

func openNetwork(t testing.TB, nodes int) network {
	t.Helper()
	if os.Getenv(insideVariable) == ownNetwork {
		return openNamespaces(t, nodes)
	}
	return openProxies(t, nodes)
}

// namespaces is a network namespace for each node, with two cables to this one:
// one to be asked by, never cut, and one to the database. A namespace belongs to
// a process that sleeps; when that ends, and it ends with this one, nothing of it
// is left.
type namespaces struct {
	t       testing.TB
	holders []int // process ids
	free    []int // the next port of each
}

// Side 1 of a cable is here, side 2 at the node.
const (
	cableAsk      = "10.91.%d.%d"
	cableDatabase = "10.92.%d.%d"
	nobody        = "02:00:00:00:00:99" // whom packets are sent to that shall be lost
)

func openNamespaces(t testing.TB, nodes int) *namespaces {
	t.Helper()
	n := &namespaces{t: t}
	for node := range nodes {
		holder := exec.Command("sleep", "infinity")
		ended, err := spawn(holder, syscall.SIGKILL, syscall.CLONE_NEWNET)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = holder.Process.Kill(); <-ended })
		n.holders, n.free = append(n.holders, holder.Process.Pid), append(n.free, 8000)
		n.ip(node, "link set lo up")
		n.cable(node, "ask", cableAsk)
		n.cable(node, "db", cableDatabase)
	}
	return n
}

func (n *namespaces) cable(node int, name, addresses string) {
	here, there := fmt.Sprintf("hb%s%d", name, node), "hb"+name
	_ = exec.Command("ip", "link", "del", here).Run() // of the test before, if the system has not taken it down yet
	n.ip(-1, fmt.Sprintf("link add %s type veth peer name %s netns %d", here, there, n.holders[node]))
	n.ip(-1, fmt.Sprintf("addr add "+addresses+"/24 dev %s", node, 1, here))
	n.ip(node, fmt.Sprintf("addr add "+addresses+"/24 dev %s", node, 2, there))
	n.ip(-1, "link set "+here+" up")
	n.ip(node, "link set "+there+" up")
}

// ip runs ip(8) in a node's namespace, or in ours.
func (n *namespaces) ip(node int, line string) {
	n.t.Helper()
	args := append([]string{"ip"}, strings.Fields(line)...)
	if node >= 0 {
		args = append(n.under(node), args...)
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		n.t.Errorf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (n *namespaces) under(node int) []string {
	return []string{"nsenter", "--net=/proc/" + strconv.Itoa(n.holders[node]) + "/ns/net", "--"}
}

func (n *namespaces) host(node int) string { return fmt.Sprintf(cableAsk, node, 2) }

func (n *namespaces) port(_ testing.TB, node int) int { n.free[node]++; return n.free[node] }

func (n *namespaces) database(_ testing.TB, node, port int) (string, int) {
	return fmt.Sprintf(cableDatabase, node, 1), port
}

// cut sends packets to somebody who is not there: that loses them in silence,
// one way if need be, where a link that is down or a route that is gone would
// tell the sender.
func (n *namespaces) cut(node int, which direction) {
	if which != asks {
		n.ip(-1, fmt.Sprintf("neigh replace "+cableDatabase+" lladdr %s dev hbdb%d nud permanent", node, 2, nobody, node))
	}
	if which != answers {
		n.ip(node, fmt.Sprintf("neigh replace "+cableDatabase+" lladdr %s dev hbdb nud permanent", node, 1, nobody))
	}
}

func (n *namespaces) heal(node int) {
	_ = exec.Command("ip", strings.Fields(fmt.Sprintf("neigh del "+cableDatabase+" dev hbdb%d", node, 2, node))...).Run() // it need not be there
	args := append(n.under(node), strings.Fields(fmt.Sprintf("ip neigh del "+cableDatabase+" dev hbdb", node, 1))...)
	_ = exec.Command(args[0], args[1:]...).Run()
}

func (n *namespaces) name() string { return "network namespaces" }
