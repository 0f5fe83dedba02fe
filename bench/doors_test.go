package bench

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a gateway sends, Traefik's way, and what a service asks.
const (
	forwardHead = "GET /v1/auth/forward?scopes=read HTTP/1.1\r\nHost: keys.internal\r\nAuthorization: Bearer $KEY\r\n" +
		"Accept: */*\r\nUser-Agent: shop/2.1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: api.example.com\r\n" +
		"X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /orders/42\r\n"
	verifyHead = "POST /v1/api-keys/verify HTTP/1.1\r\nHost: keys.internal\r\nAuthorization: Bearer $CALLER\r\n" +
		"Content-Type: application/json\r\n"
	verifyBody = `{"key":"$KEY","scopes":["read"]}`
)

// target is one thing that is loaded in every round.
type target struct {
	name  string
	order order
	pid   int
	runs  []outcome // one a round
}

// outcome is one run, with what it cost the server per request and how many
// cores did something else meanwhile.
type outcome struct {
	answered
	perRequest time.Duration
	foreign    float64
}

func (o *outcome) rate() float64 { return float64(o.Count) / o.Took.Seconds() }

// figure is a pair of targets and the ratio that is promised of it.
type figure struct {
	name       string
	of, beside *target
	goal       string
}

// BenchmarkDoors prints docs/benchmarks.md's table of doors. HALBERD_BENCH_LONG=1
// adds ten million keys, and more and longer rounds.
func BenchmarkDoors(b *testing.B) {
	rounds, during := 5, 2*time.Second
	long := os.Getenv("HALBERD_BENCH_LONG") != ""
	if long {
		rounds, during = 9, 4*time.Second
	}
	hb := build(b)
	million := start(b, hb, 1_000_000)
	bare := prepareBare(b, million)
	figures := list(million, bare)
	if long {
		most := start(b, hb, 10_000_000)
		fast := most.forward()
		fast.name, fast.order.Address = "forward, check_listen, 10,000,000 keys", most.checks
		figures = append(figures, figure{"forward door on check_listen, 10,000,000 keys", fast, figures[0].beside, "0.85"})
	}
	var targets []*target
	for _, f := range figures {
		for _, t := range []*target{f.beside, f.of} {
			if !slices.Contains(targets, t) {
				t.order.Callers, t.order.During = 32, during
				targets = append(targets, t)
			}
		}
	}
	for range b.N {
		for round := range rounds + 1 { // the first warms up and does not count
			fmt.Fprintf(os.Stderr, "round %d of %d\n", round, rounds)
			for _, t := range targets {
				o, err := t.run(b)
				if err != nil {
					b.Fatalf("%s: %v", t.name, err)
				}
				if o.Bad > 0 {
					b.Fatalf("%s: %d of %d answers are not the wanted one", t.name, o.Bad, o.Count)
				}
				if round > 0 {
					t.runs = append(t.runs, o)
				}
			}
		}
	}
	fmt.Fprintln(os.Stdout, table(targets, figures))
	b.ReportMetric(0, "ns/op")
}

// prepareBare starts the server that looks at nothing with the answers that
// the real one gives.
func prepareBare(b *testing.B, s *halberd) *bared {
	b.Helper()
	keys, err := lines(s.keys)
	if err != nil {
		b.Fatal(err)
	}
	var o bareOrder
	_, o.Headers, _ = ask(b.Context(), s.address, http.MethodGet, "/v1/auth/forward?scopes=read", keys[0], "")
	_, _, verdict := ask(b.Context(), s.address, http.MethodPost, "/v1/api-keys/verify", s.caller, strings.ReplaceAll(verifyBody, "$KEY", keys[0]))
	o.Verdict = string(verdict)
	if o.Check, err = askGateway(s.gateways, keys[0]); err != nil {
		b.Fatal(err)
	}
	at, pid := startBare(b, o)
	return &bared{at, pid, s.keys}
}

type bared struct {
	bareAt
	pid  int
	keys string
}

func list(s *halberd, bare *bared) []figure {
	at := func(name, path string) *target {
		head := strings.Replace(forwardHead, "/v1/auth/forward?scopes=read", path, 1)
		return &target{name: name, pid: bare.pid, order: order{Network: "tcp", Address: bare.HTTP, Head: head, Keys: bare.keys}}
	}
	headers := at("net/http, the same headers", "/v1/auth/forward?scopes=read")
	empty := at("net/http, empty", "/empty")
	forward, quick := s.forward(), s.forward()
	quick.name, quick.order.Address = "GET /v1/auth/forward, check_listen", s.checks
	verify := func(name, address string, pid int) *target {
		return &target{name: name, pid: pid, order: order{
			Network: "tcp", Address: address, Head: strings.Replace(verifyHead, "$CALLER", s.caller, 1), Body: verifyBody,
			Want: `"valid":true`, Keys: s.keys,
		}}
	}
	gateway := func(name, address string, pid int) *target {
		return &target{name: name, pid: pid, order: order{Network: "tcp", Address: address, Want: "ustomer", Keys: s.keys}}
	}
	socket := s.forward()
	socket.name, socket.order.Network, socket.order.Address = "the same over a Unix socket", "unix", s.socket
	post := verify("net/http, POST", bare.HTTP, bare.pid)
	return []figure{
		{"forward door on check_listen, 1,000,000 keys", quick, headers, "0.90"},
		{"the same, beside an empty handler", quick, empty, ""},
		{"verify on check_listen", verify("POST /v1/api-keys/verify, check_listen", s.checks, s.pid), post, "0.85"},
		{"forward door on listen", forward, headers, ""},
		{"verify on listen", verify("POST /v1/api-keys/verify", s.address, s.pid), post, ""},
		{"ext_authz by gRPC", gateway("ext_authz Check", s.gateways, s.pid), gateway("gRPC, the same answer", bare.GRPC, bare.pid), "0.85"},
		{"forward door, Unix socket beside TCP", socket, forward, "1.05"},
	}
}

func (s *halberd) forward() *target {
	return &target{name: "GET /v1/auth/forward", pid: s.pid, order: order{
		Network: "tcp", Address: s.address, Head: forwardHead, Keys: s.keys,
	}}
}

// run loads the target once, and once more if something else was busy.
func (t *target) run(b *testing.B) (o outcome, err error) {
	for range 2 {
		all, err := cpuOfAll()
		if err != nil {
			return o, err
		}
		server, err := cpuOf(t.pid)
		if err != nil {
			return o, err
		}
		if o.answered, err = give(b.Context(), t.order); err != nil {
			return o, err
		}
		serverAfter, err := cpuOf(t.pid)
		if err != nil {
			return o, err
		}
		allAfter, err := cpuOfAll()
		if err != nil {
			return o, err
		}
		o.perRequest = (serverAfter - server) / time.Duration(o.Count)
		o.foreign = (allAfter - all - (serverAfter - server) - o.CPU).Seconds() / o.Took.Seconds()
		if o.clean() {
			break
		}
	}
	return o, nil
}

// clean says whether next to nothing else ran meanwhile.
func (o *outcome) clean() bool { return o.foreign < 0.2 }

// median of a figure over the rounds in which both runs were clean; over all if
// there are none.
func (f *figure) median(of func(o *outcome) float64) (ratio float64, clean int) {
	var good, all []float64
	for i := range f.of.runs {
		x, y := &f.of.runs[i], &f.beside.runs[i]
		all = append(all, of(x)/of(y))
		if x.clean() && y.clean() {
			good = append(good, of(x)/of(y))
		}
	}
	if len(good) == 0 {
		return middle(all), 0
	}
	return middle(good), len(good)
}

func middle(of []float64) float64 {
	if len(of) == 0 {
		return math.NaN()
	}
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// table is what is printed: the ratios, then what they were made of.
func table(targets []*target, figures []figure) string {
	var s strings.Builder
	if !canPin() {
		s.WriteString("\nNot pinned: server and load share all cores.\n")
	}
	s.WriteString("\n| figure | requests/s | promised | p50 | p99 | server CPU a request | clean rounds |\n|---|---|---|---|---|---|---|\n")
	for _, f := range figures {
		rate, clean := f.median((*outcome).rate)
		p50, _ := f.median(func(o *outcome) float64 { return o.P50.Seconds() })
		p99, _ := f.median(func(o *outcome) float64 { return o.P99.Seconds() })
		cpu, _ := f.median(func(o *outcome) float64 { return o.perRequest.Seconds() })
		fmt.Fprintf(&s, "| %s | %.2f × | %s | %.2f × | %.2f × | %.2f × | %d of %d |\n", f.name, rate, f.goal, p50, p99, cpu, clean, len(f.of.runs))
	}
	s.WriteString("\n| target, medians | requests/s | p50 µs | p99 µs | server CPU µs a request | load CPU | others' CPU |\n|---|---|---|---|---|---|---|\n")
	for _, t := range targets {
		med := func(of func(o *outcome) float64) float64 {
			var all []float64
			for i := range t.runs {
				all = append(all, of(&t.runs[i]))
			}
			return middle(all)
		}
		fmt.Fprintf(&s, "| %s | %.0f | %.0f | %.0f | %.2f | %.2f | %.2f |\n", t.name, med((*outcome).rate),
			med(func(o *outcome) float64 { return o.P50.Seconds() * 1e6 }), med(func(o *outcome) float64 { return o.P99.Seconds() * 1e6 }),
			med(func(o *outcome) float64 { return o.perRequest.Seconds() * 1e6 }),
			med(func(o *outcome) float64 { return o.CPU.Seconds() / o.Took.Seconds() }),
			med(func(o *outcome) float64 { return o.foreign }))
	}
	return s.String()
}
