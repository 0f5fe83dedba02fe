package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

const day = 24 * time.Hour

// several is a flag that may be given more than once. kind is what help calls
// its value.
func several(to *[]string, kind string) *repeated { return &repeated{to, kind} }

type repeated struct {
	to   *[]string
	kind string
}

func (r *repeated) String() string { return "" }
func (r *repeated) Type() string   { return r.kind }
func (r *repeated) Set(s string) error {
	*r.to = append(*r.to, s)
	return nil
}

// commas parts the values of a repeatable flag that also takes a comma list.
func commas(values []string) []string {
	out := []string{}
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// span reads a length of time: 12h, 90m, 30d, 2w.
func span(s string) (time.Duration, error) {
	if n, unit := strings.TrimRight(s, "dw"), s[min(len(s), len(strings.TrimRight(s, "dw"))):]; unit == "d" || unit == "w" {
		days, err := strconv.ParseInt(n, 10, 32)
		if err != nil || days < 0 || days > 100_000 {
			return 0, fmt.Errorf("%q is no length of time such as 30d or 12h", s)
		}
		if unit == "w" {
			days *= 7
		}
		return time.Duration(days) * day, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no length of time such as 30d or 12h", s)
	}
	return d, nil
}

// expiry is what --expires-in and --expires-at ask for. At most one of the
// fields is set; none means that neither flag was given.
type expiry struct {
	at   wire.Field[string]
	days wire.Field[int64]
}

// expiry reads the two flags. Whole days are counted by the server's clock,
// shorter times by this machine's.
func (a *app) expiry(in, at string, inSet, atSet bool) (e expiry, err error) {
	switch {
	case inSet && atSet:
		return e, usage("--expires-in and --expires-at say the same thing; give one")
	case atSet && (at == "never" || at == "none"):
		e.at = wire.Null[string]()
	case atSet:
		e.at = wire.Some(at)
	case inSet && in == "never":
		e.at = wire.Null[string]()
	case inSet:
		if n, err := strconv.ParseInt(in, 10, 64); err == nil {
			e.days = wire.Some(n)
			return e, nil
		}
		d, err := span(in)
		if err != nil || d < time.Second {
			return e, usage("--expires-in must be a number of days or a length of time such as 30d or 12h")
		}
		if d%(day) == 0 {
			e.days = wire.Some(int64(d / day))
		} else {
			e.at = wire.Some(a.now().Add(d).UTC().Format(time.RFC3339))
		}
	}
	return e, nil
}

// ago reads a point in the past: an instant or a date, which the server reads,
// or a length of time, counted back from now.
func (a *app) ago(s string) string {
	if d, err := span(s); err == nil && s != "" {
		return a.now().Add(-d).UTC().Format(time.RFC3339)
	}
	return s
}

// ahead is ago for a point in the future.
func (a *app) ahead(s string) string {
	if d, err := span(s); err == nil && s != "" {
		return a.now().Add(d).UTC().Format(time.RFC3339)
	}
	return s
}

// rateLimits reads [name=]limit/window[/burst][@external_id], such as 100/1m.
func rateLimits(values []string) ([]wire.RateLimit, error) {
	out := []wire.RateLimit{}
	for _, v := range commas(values) {
		name, rest, named := strings.Cut(v, "=")
		if !named {
			name, rest = "", v
		}
		rest, per, err := sharing("--rate-limit", rest)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(rest, "/")
		if len(parts) != 2 && len(parts) != 3 {
			return nil, usage("--rate-limit must be like 100/1m or uploads=100/1m")
		}
		l := wire.RateLimit{Name: name, Per: per}
		if l.Limit, err = strconv.ParseInt(parts[0], 10, 64); err != nil || l.Limit < 1 {
			return nil, usage("--rate-limit must begin with a number: 100/1m is 100 a minute")
		}
		if !strings.ContainsAny(parts[1], "0123456789") {
			parts[1] = "1" + parts[1] // 100/m
		}
		window, err := span(parts[1])
		if err != nil || window < time.Second || window%time.Second != 0 {
			return nil, usage("--rate-limit must name a window of whole seconds: 100/1m is 100 a minute")
		}
		l.WindowSeconds = int64(window / time.Second)
		if len(parts) == 3 {
			if l.Burst, err = strconv.ParseInt(parts[2], 10, 64); err != nil || l.Burst < 1 {
				return nil, usage("--rate-limit must end with a burst that is a number: 100/1m/200")
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// quotaIn reads limit[/refill][@external_id], such as 10000/month; none is none.
func quotaIn(value string) (wire.Field[wire.QuotaRule], error) {
	if value == "none" {
		return wire.Null[wire.QuotaRule](), nil
	}
	const form = "--quota must be like 10000/month, 500/day, 100/12h, 1000 (never refilled) or none"
	rest, per, err := sharing("--quota", value)
	if err != nil {
		return wire.Field[wire.QuotaRule]{}, err
	}
	uses, refill, refilled := strings.Cut(rest, "/")
	q := wire.QuotaRule{Refill: "none", Per: per}
	if q.Limit, err = strconv.ParseInt(uses, 10, 64); err != nil || q.Limit < 1 {
		return wire.Field[wire.QuotaRule]{}, usage(form)
	}
	switch {
	case refill == "day", refill == "month":
		q.Refill = refill
	case refilled:
		every, err := span(refill)
		if err != nil || every < time.Second || every%time.Second != 0 {
			return wire.Field[wire.QuotaRule]{}, usage(form)
		}
		q.Refill, q.EverySeconds = "interval", int64(every/time.Second)
	}
	return wire.Some(q), nil
}

// formatQuota is a quota as quotaIn reads it.
func formatQuota(q *wire.KeyQuota) string {
	s := strconv.FormatInt(q.Limit, 10)
	switch {
	case q.EverySeconds != nil:
		s += "/" + formatSpan(*q.EverySeconds)
	case q.Refill != "none":
		s += "/" + q.Refill
	}
	if q.Per == perExternalID {
		s += "@" + q.Per
	}
	if q.Remaining != nil {
		s += fmt.Sprintf(" (%d left", *q.Remaining)
		if q.RefillsAt != nil {
			s += ", refilled at " + instant(q.RefillsAt)
		}
		s += ")"
	}
	return s
}

// sharing cuts off @external_id, which is how a limit says that all keys of one
// external id share it.
func sharing(flag, value string) (rest, per string, err error) {
	rest, per, shared := strings.Cut(value, "@")
	if shared && per != perExternalID {
		return "", "", usage("%s may end with @%s: shared by all keys of one external id", flag, perExternalID)
	}
	return rest, per, nil
}

const perExternalID = "external_id"

// formatLimit is a limit as rateLimits reads it.
func formatLimit(l wire.RateLimit) string {
	s := fmt.Sprintf("%s=%d/%s", cmp.Or(l.Name, "default"), l.Limit, formatSpan(l.WindowSeconds))
	if l.Burst != 0 && l.Burst != l.Limit {
		s += fmt.Sprintf("/%d", l.Burst)
	}
	if l.Per == perExternalID {
		s += "@" + l.Per
	}
	return s
}

// formatSpan is a number of seconds in the largest unit that holds it whole.
func formatSpan(seconds int64) string {
	for _, u := range []struct {
		n    int64
		unit string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds%u.n == 0 && seconds > 0 {
			return fmt.Sprintf("%d%s", seconds/u.n, u.unit)
		}
	}
	return fmt.Sprintf("%ds", seconds)
}

// pairs reads k=v.
func pairs(flag string, values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		k, val, ok := strings.Cut(v, "=")
		if !ok || k == "" {
			return nil, usage("%s must be like name=value", flag)
		}
		out[k] = val
	}
	return out, nil
}

// switches reads --active and --inactive.
func switches(active, inactive bool) (f wire.Field[bool], err error) {
	switch {
	case active && inactive:
		return f, usage("--active and --inactive contradict each other; give one")
	case active || inactive:
		f = wire.Some(active)
	}
	return f, nil
}
