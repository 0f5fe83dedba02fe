package server

import (
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what one instance counts. Labels hold routes and codes, never ids,
// names or addresses: a scrape may go further than a key's owner would like,
// and every label value costs memory.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	refusals *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	known    atomic.Pointer[map[series]*counted] // never changed, only replaced
}

// series is what requests of a kind have in common; counted is where they are
// counted.
type (
	series  struct{ route, method, class string }
	counted struct {
		requests prometheus.Counter
		seconds  prometheus.Observer
	}
)

// newMetrics counts for in, of which the most is made later.
func newMetrics(in *instance) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halberd_http_requests_total",
			Help: "Requests answered on the public listener, but for those at doors.",
		}, []string{"route", "method", "status"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halberd_http_refusals_total",
			Help: "Those of them that were refused, by the code of the error.",
		}, []string{"surface", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halberd_http_request_seconds",
			Help:    "Time from the last byte of a request's headers being read to its answer.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"surface", "status"}),
	}
	m.known.Store(&map[series]*counted{})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "halberd_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": in.version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.refusals, m.seconds, build, &instanceCollector{in},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// answered counts a request that has ended in a room. route is one of ours, so
// that there are only so many series.
func (m *metrics) answered(room, route, method string, w *statusWriter, took time.Duration) {
	of := series{route, method, w.class()}
	at := (*m.known.Load())[of]
	if at == nil {
		at = m.learn(of, surface(room, route))
	}
	at.requests.Inc()
	at.seconds.Observe(took.Seconds())
	if w.code != "" && w.answered() >= http.StatusBadRequest {
		m.refusals.WithLabelValues(surface(room, route), w.code).Inc()
	}
}

// learn finds where a kind of requests is counted, and remembers it: finding it
// for every check would cost as much as all the rest of counting.
func (m *metrics) learn(of series, surface string) *counted {
	at := &counted{
		requests: m.requests.WithLabelValues(of.route, of.method, of.class),
		seconds:  m.seconds.WithLabelValues(surface, of.class),
	}
	for {
		was := m.known.Load()
		next := maps.Clone(*was)
		next[of] = at
		if m.known.CompareAndSwap(was, &next) {
			return at
		}
	}
}

// surface is the part of the server that a room is, checks apart.
func surface(room, route string) string {
	switch {
	case strings.HasPrefix(route, "/v1/api-keys/verify"):
		return "check"
	case room == "/v1/":
		return "v1"
	case room == "/api/":
		return "api"
	case room == "console":
		return room
	}
	return "other"
}

// statusWriter remembers the status of an answer, and what request.Tell says of
// it.
type statusWriter struct {
	http.ResponseWriter
	status   int
	id, code string
}

// Told implements request.Listener.
func (w *statusWriter) Told(requestID, code string) { w.id, w.code = requestID, code }

// answered is the status; an empty answer is 200.
func (w *statusWriter) answered() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// class is a status as a label: 2xx.
func (w *statusWriter) class() string {
	switch w.answered() / 100 {
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	}
	return "5xx"
}

// method keeps a label from having as many values as a client likes.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
