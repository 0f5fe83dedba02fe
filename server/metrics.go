package server

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/halberdhq/halberd"
)

// metrics is what one instance counts. Labels hold routes and codes, never ids,
// names or addresses: a scrape may go further than a key's owner would like,
// and every label value costs memory.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// newMetrics counts for the Service that service returns; nil: not yet there.
func newMetrics(version string, service func() *halberd.Service) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halberd_http_requests_total",
			Help: "Requests answered on the public listener.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halberd_http_request_seconds",
			Help:    "Time from the first byte of a request's headers being read to its answer.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "halberd_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.seconds, build, &instanceCollector{service},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// instanceCollector asks the Service at every scrape.
type instanceCollector struct{ service func() *halberd.Service }

// What a scrape tells of the Service.
type instanceDescs struct{ ready, keys, revision, damaged, checks *prometheus.Desc }

func describe() instanceDescs {
	return instanceDescs{
		ready:    prometheus.NewDesc("halberd_ready", "1 when every key is loaded and checks are answered.", nil, nil),
		keys:     prometheus.NewDesc("halberd_keys", "Secrets in the index; a key in rotation counts twice.", nil, nil),
		revision: prometheus.NewDesc("halberd_revision", "Number of the last change applied.", nil, nil),
		damaged:  prometheus.NewDesc("halberd_damaged_rows", "Rows that are refused because their MAC is wrong; see hb doctor.", nil, nil),
		checks:   prometheus.NewDesc("halberd_checks_total", "Checks answered, by the code of the verdict; those of the callers' own keys count as well.", []string{"code"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *instanceCollector) Describe(out chan<- *prometheus.Desc) {
	d := describe()
	for _, one := range []*prometheus.Desc{d.ready, d.keys, d.revision, d.damaged, d.checks} {
		out <- one
	}
}

// Collect implements prometheus.Collector.
func (c *instanceCollector) Collect(out chan<- prometheus.Metric) {
	d := describe()
	svc := c.service()
	if svc == nil {
		out <- prometheus.MustNewConstMetric(d.ready, prometheus.GaugeValue, 0)
		return
	}
	s := svc.Stats()
	out <- prometheus.MustNewConstMetric(d.ready, prometheus.GaugeValue, 1)
	out <- prometheus.MustNewConstMetric(d.keys, prometheus.GaugeValue, float64(s.Keys))
	out <- prometheus.MustNewConstMetric(d.revision, prometheus.GaugeValue, float64(s.Revision))
	out <- prometheus.MustNewConstMetric(d.damaged, prometheus.GaugeValue, float64(s.Damaged))
	for code, n := range s.Verdicts {
		out <- prometheus.MustNewConstMetric(d.checks, prometheus.CounterValue, float64(n), string(code))
	}
}

// statusWriter remembers the status of an answer,
// and what request.Tell says of it.
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
