//go:build linux

package prove

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cluster is several servers on one PostgreSQL.
type cluster struct {
	t     testing.TB
	net   network
	pg    *database
	name  string // of the database
	lease time.Duration
	exe   string
	plant string
	nodes []*node
	admin string // the secret of the first start
	// asker is a service's key, with the scope verify and no more.
	asker string
}

// node is one server. Its folder and its address stay when it is started again.
type node struct {
	c              *cluster
	number         int
	dir            string
	public, checks string // addresses
	clock          string // the file that says how wrong its clock is
	log            *journal
	http           *http.Client

	mu    sync.Mutex // guards the rest
	cmd   *exec.Cmd
	ended <-chan error
}

// plan says what a cluster is like. The zero value of a field is the usual.
type plan struct {
	nodes    int           // 3
	lease    time.Duration // a second
	exe      string        // this tree's, with a clock that can be set
	plant    string        // no bug
	on       *database     // the shared one
	net      network       // what the machine gives
	settings []string      // of the servers, further flags
}

// open starts a cluster and waits until every node answers.
func open(t testing.TB, p plan) *cluster {
	t.Helper()
	if p.nodes == 0 {
		p.nodes = 3
	}
	if p.lease == 0 {
		p.lease = time.Second
	}
	if p.exe == "" {
		p.exe = buildOnce.program(t, "planted")
	}
	if p.on == nil {
		p.on = shared(t)
	}
	if p.net == nil {
		p.net = openNetwork(t, p.nodes)
	}
	c := &cluster{t: t, pg: p.on, name: p.on.create(), lease: p.lease, exe: p.exe, plant: p.plant, net: p.net}
	for i := range p.nodes {
		c.add(i)
	}
	c.nodes[0].start(p.settings...)
	c.nodes[0].awaitReady()
	secret, err := os.ReadFile(filepath.Join(c.nodes[0].dir, "admin.key"))
	if err != nil {
		t.Fatalf("%v\n%s", err, c.nodes[0].log)
	}
	c.admin = strings.TrimSpace(string(secret))
	for _, n := range c.nodes[1:] {
		c.nodes[0].lendPepper(n)
		n.start(p.settings...)
	}
	c.awaitReady()
	c.asker = c.nodes[0].must(http.MethodPost, "/v1/api-keys", c.admin, `{"label":"asker","project_id":null,"scopes":["admin"],"operator":true}`).text("data", "key")
	c.raiseCeilings()
	return c
}

func (c *cluster) add(number int) {
	c.t.Helper()
	dir, err := os.MkdirTemp("", "hbn-*")
	if err != nil {
		c.t.Fatal(err)
	}
	host := c.net.host(number)
	at := func() string { return net.JoinHostPort(host, strconv.Itoa(c.net.port(c.t, number))) }
	n := &node{c: c, number: number, dir: filepath.Join(dir, "d"), public: at(), checks: at(), clock: filepath.Join(dir, "clock"), log: &journal{},
		http: &http.Client{Timeout: 4*c.lease + 10*time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() {
		n.kill()
		n.http.CloseIdleConnections()
		os.RemoveAll(dir)
		if n.log.has("DATA RACE") || n.log.has("panic: ") || n.log.has("goroutine 1 [") {
			c.t.Errorf("node %d says:\n%s", n.number, n.log)
		}
	})
}

// raiseCeilings lets the default project hold as many keys as are made.
func (c *cluster) raiseCeilings() {
	c.t.Helper()
	list := c.nodes[0].must(http.MethodGet, "/v1/projects", c.admin, "")
	id := list.text("data", 0, "project_id")
	c.nodes[0].must(http.MethodPatch, "/v1/projects/"+id, c.admin, `{"key_ceiling":1000000}`)
}

// databaseURL is how a node reaches the database.
func (n *node) databaseURL() string {
	host, port := n.c.net.database(n.c.t, n.number, n.c.pg.Port())
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/" + n.c.name, RawQuery: "sslmode=disable"}
	return u.String()
}

// start starts the process. It does not wait until it answers.
func (n *node) start(settings ...string) {
	n.c.t.Helper()
	line := append(n.c.net.under(n.number), n.c.exe, "serve", "--data", n.dir, "--listen", n.public, "--check-listen", n.checks,
		"--database", n.databaseURL(), "--lease", n.c.lease.String(), "--management-limit", "0", "--guesses-per-minute", "0")
	line = append(line, settings...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(n.dir)}
	if strings.HasSuffix(n.c.exe, "-planted") {
		cmd.Env = append(cmd.Env, "PLANTED_CLOCK="+n.clock, "PLANTED_BUG="+n.c.plant)
	}
	cmd.Stdout, cmd.Stderr = n.log, n.log
	ended, err := spawn(cmd, syscall.SIGKILL, 0)
	if err != nil {
		n.c.t.Errorf("node %d does not start: %v", n.number, err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cmd, n.ended = cmd, ended
}

// signal sends the process a signal, if there is one.
func (n *node) signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(s)
	}
}

func (n *node) freeze() { n.signal(syscall.SIGSTOP) }
func (n *node) thaw()   { n.signal(syscall.SIGCONT) }

// kill ends the process at once and waits for its end; leave lets it end in its
// own way.
func (n *node) kill()  { n.end(syscall.SIGKILL) }
func (n *node) leave() { n.end(syscall.SIGTERM) }

func (n *node) end(by syscall.Signal) {
	n.mu.Lock()
	cmd, ended := n.cmd, n.ended
	n.cmd = nil
	n.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Signal(by)
		<-ended // closed, or the result
		n.http.CloseIdleConnections()
	}
}

// revive starts the process again if it has ended by itself, and says whether it
// did.
func (n *node) revive() bool {
	n.mu.Lock()
	cmd, ended := n.cmd, n.ended
	n.mu.Unlock()
	if cmd == nil {
		return false
	}
	select {
	case <-ended:
	default:
		return false
	}
	n.mu.Lock()
	mine := n.cmd == cmd
	if mine {
		n.cmd = nil
	}
	n.mu.Unlock()
	if mine {
		n.start()
	}
	return mine
}

// running reports whether the process has not ended by itself.
func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return false
	}
	return syscall.Kill(n.cmd.Process.Pid, 0) == nil && !zombie(n.cmd.Process.Pid)
}

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

// step makes the node's clock wrong by so much; zero makes it right again. Its
// monotonic clock goes on as before, as it does when an operator or NTP sets the
// time.
func (n *node) step(by time.Duration) {
	n.c.t.Helper()
	temporary := n.clock + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.FormatInt(int64(by), 10)), 0o600); err != nil {
		n.c.t.Error(err)
	}
	if err := os.Rename(temporary, n.clock); err != nil {
		n.c.t.Error(err)
	}
}

// ready reports whether the node says so.
func (n *node) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	a, err := n.ask(ctx, http.MethodGet, "/readyz", "", "")
	return err == nil && a.status == http.StatusOK
}

func (n *node) awaitReady() {
	n.c.t.Helper()
	eventually(n.c.t, fmt.Sprintf("node %d is ready", n.number), 30*time.Second, n.ready, func() string { return n.log.without("msg=request") })
}

func (c *cluster) awaitReady() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.awaitReady()
	}
}

// recover waits until all answer again, and starts those again that have ended: one
// may just have lost the database while it started.
func (c *cluster) recover() {
	c.t.Helper()
	for _, n := range c.nodes {
		eventually(c.t, fmt.Sprintf("node %d is ready again", n.number), 60*time.Second, func() bool { n.revive(); return n.ready() },
			func() string { return n.log.without("msg=request") })
	}
}

// lendPepper puts this node's pepper into another's folder, as an operator does.
func (n *node) lendPepper(to *node) {
	n.c.t.Helper()
	if err := os.MkdirAll(to.dir, 0o700); err != nil {
		n.c.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(n.dir, "pepper"))
	if err != nil {
		n.c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to.dir, "pepper"), text, 0o600); err != nil {
		n.c.t.Fatal(err)
	}
}

// pause lets real time pass: other processes' clocks run on it.
func pause(milliseconds int) { <-time.After(time.Duration(milliseconds) * time.Millisecond) }

func (c *cluster) leases(n float64) { <-time.After(time.Duration(n * float64(c.lease))) }

// eventually waits for what another process does and does not announce.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool, why func() string) {
	t.Helper()
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for began := time.Now(); !ok(); <-every.C {
		if time.Since(began) > within {
			t.Fatalf("%v passed, and not yet: %s\n%s", within, what, why())
		}
	}
}
