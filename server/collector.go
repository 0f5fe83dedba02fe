package server

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/halberdhq/halberd"
)

// instanceCollector asks what counts by itself, at every scrape.
type instanceCollector struct{ in *instance }

// What a scrape tells of the Service, the doors and the traces.
type instanceDescs struct {
	ready, keys, revision, damaged, checks, guesses      *prometheus.Desc
	usageFlushes, usageFailed, usageWaiting              *prometheus.Desc
	usageDropped, forfeited, doors, spans                *prometheus.Desc
	tasks, jobs, attempts, relayed, relayFailed          *prometheus.Desc
	ahead, lease, nodes, lag, sealed, waits, unconfirmed *prometheus.Desc
}

func describe() instanceDescs {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("halberd_"+name, help, labels, nil)
	}
	return instanceDescs{
		ready:        d("ready", "1 when every key is loaded and checks are answered."),
		keys:         d("keys", "Secrets in the index; a key in rotation counts twice."),
		revision:     d("revision", "Number of the last change applied."),
		damaged:      d("damaged_rows", "Rows that are refused because their MAC is wrong; see hb doctor."),
		checks:       d("checks_total", "Checks answered, by the code of the verdict; those of the callers' own keys count as well.", "code"),
		guesses:      d("guesses_total", "Bad credentials beyond what one address may present: answered 429."),
		usageFlushes: d("usage_flush_seconds", "How often counts of checks were handed to the store, and how long that took."),
		usageFailed:  d("usage_flush_failures_total", "Times that the store did not take counts; they wait for the next."),
		usageWaiting: d("usage_waiting", "Counts, each of one key and verdict, that wait for the store."),
		usageDropped: d("usage_dropped_total", "Checks that are missing in the usage: too much waited."),
		forfeited:    d("quota_forfeited_uses", "Uses of quotas that processes which did not end cleanly took and may not have given, until their refill; found at the start."),
		doors:        d("door_answers_total", "Answers to gateways, by the status that was meant; nginx is told another for some.", "door", "status"),
		tasks:        d("task_runs_total", "Runs of housekeeping on this node.", "task", "outcome"),
		jobs:         d("deliveries_waiting", "Deliveries that are not done, on all nodes, by the state of their jobs.", "state"),
		attempts:     d("delivery_attempts_total", "Attempts of this node to deliver an event.", "outcome"),
		relayed:      d("deliveries_total", "Deliveries that this node has made of events."),
		relayFailed:  d("relay_failures_total", "Times that events could not be made deliveries; they wait for the next."),
		ahead:        d("clock_ahead_seconds", "How far this machine's clock is ahead of the database's; negative: behind it."),
		lease:        d("lease_remaining_seconds", "How long this node may still answer without the database; 0: it answers nothing. Only with several nodes, as what follows."),
		nodes:        d("nodes", "Active nodes, this one included."),
		lag:          d("revisions_behind", "Changes that this node had not applied when it last renewed its lease."),
		sealed:       d("sealed", "1 when the database went back in time: nothing is answered until the server is restarted."),
		waits:        d("propagation_wait_seconds", "How long changes waited for the other nodes."),
		unconfirmed:  d("propagation_unconfirmed_total", "Changes that were answered before every node was known to have them."),
		spans:        d("spans_total", "Spans of traces that a collector took, or did not; only with otlp_endpoint.", "outcome"),
	}
}

// Describe implements prometheus.Collector.
func (c *instanceCollector) Describe(out chan<- *prometheus.Desc) {
	d := describe()
	for _, one := range []*prometheus.Desc{
		d.ready, d.keys, d.revision, d.damaged, d.checks, d.guesses,
		d.usageFlushes, d.usageFailed, d.usageWaiting, d.usageDropped, d.forfeited, d.doors, d.spans,
		d.tasks, d.jobs, d.attempts, d.relayed, d.relayFailed,
		d.ahead, d.lease, d.nodes, d.lag, d.sealed, d.waits, d.unconfirmed,
	} {
		out <- one
	}
}

// Collect implements prometheus.Collector.
func (c *instanceCollector) Collect(out chan<- prometheus.Metric) {
	d := describe()
	gauge := func(of *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, v)
	}
	counter := func(of *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(of, prometheus.CounterValue, float64(n), labels...)
	}
	for _, n := range c.in.doors.Counts() {
		counter(d.doors, n.N, n.Door, strconv.Itoa(n.Status))
	}
	if t := c.in.traces; t != nil {
		counter(d.spans, t.sent.done.Load(), "taken")
		counter(d.spans, t.sent.failed.Load(), "dropped")
	}
	svc := c.in.service.Load()
	if svc == nil {
		gauge(d.ready, 0)
		return
	}
	s := svc.Stats()
	if svc.Ready() == nil {
		gauge(d.ready, 1)
	} else {
		gauge(d.ready, 0)
	}
	if n := s.Node; n != nil {
		c.node(out, &d, n)
	}
	gauge(d.keys, float64(s.Keys))
	gauge(d.revision, float64(s.Revision))
	gauge(d.damaged, float64(s.Damaged))
	for code, n := range s.Verdicts {
		counter(d.checks, n, string(code))
	}
	counter(d.guesses, s.Guesses)
	out <- prometheus.MustNewConstSummary(d.usageFlushes, uint64(s.Usage.Flushes), s.Usage.Took.Seconds(), nil)
	counter(d.usageFailed, s.Usage.Failed)
	gauge(d.usageWaiting, float64(s.Usage.Waiting))
	counter(d.usageDropped, s.Usage.Dropped)
	gauge(d.forfeited, float64(s.Forfeited.Uses))
	if r := c.in.jobs.Load(); r != nil {
		j := r.Stats(context.Background())
		for name, t := range j.Tasks {
			counter(d.tasks, t.Done, name, "done")
			counter(d.tasks, t.Failed, name, "failed")
		}
		for _, state := range []string{"available", "running", "retryable", "scheduled"} {
			if !j.WaitingUnavailable {
				out <- prometheus.MustNewConstMetric(d.jobs, prometheus.GaugeValue, float64(j.Waiting[state]), state)
			}
		}
		counter(d.attempts, j.Delivered, "delivered")
		counter(d.attempts, j.Failed, "failed")
		counter(d.relayed, j.Relayed)
		counter(d.relayFailed, j.RelayFailures)
	}
}

// node tells what only one of several nodes has.
func (c *instanceCollector) node(out chan<- prometheus.Metric, d *instanceDescs, n *halberd.NodeStats) {
	gauge := func(of *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, v)
	}
	gauge(d.lease, n.Left.Seconds())
	gauge(d.nodes, float64(n.Nodes))
	gauge(d.lag, float64(n.Lag))
	gauge(d.ahead, n.Ahead.Seconds())
	sealed := 0.0
	if n.Sealed {
		sealed = 1
	}
	gauge(d.sealed, sealed)
	below, all := map[float64]uint64{}, uint64(0)
	for i, bound := range halberd.WaitBounds() {
		all += uint64(n.Waits[i])
		below[bound.Seconds()] = all
	}
	all += uint64(n.Waits[len(n.Waits)-1])
	out <- prometheus.MustNewConstHistogram(d.waits, all, n.Waited.Seconds(), below)
	out <- prometheus.MustNewConstMetric(d.unconfirmed, prometheus.CounterValue, float64(n.Unconfirmed))
}
