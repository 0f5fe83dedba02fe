package request

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// Param is one query parameter of an operation.
type Param struct {
	Name string
	Doc  string
	Int  bool     // a whole number, from Min to Max; otherwise text
	Min  int      // of a number
	Max  int      // of a number
	Enum []string // of a text; empty: any
	// Blank says that the empty value is as good as none. Elsewhere it is
	// refused: a filter that was left empty would select everything.
	Blank bool
	// List says that the value may be several of Enum, parted by commas.
	List bool
}

// Query holds the parameters that were given, judged by their Params.
type Query map[string]string

// Int is a number, 0 where it was not given.
func (q Query) Int(name string) int {
	n, _ := strconv.Atoi(q[name])
	return n
}

// readQuery refuses what params do not know, what comes twice, and values
// that cannot be.
func readQuery(raw string, params []Param) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, halberd.Invalid("query", "must be pairs of name=value, percent-encoded")
	}
	q := Query{}
	for name, given := range values {
		i := slices.IndexFunc(params, func(p Param) bool { return p.Name == name })
		if i < 0 {
			return nil, halberd.Invalid(printable(name), "is not a parameter of this call")
		}
		if len(given) > 1 {
			return nil, halberd.Invalid(name, "must be given once")
		}
		if err := params[i].judge(given[0]); err != nil {
			return nil, err
		}
		q[name] = given[0]
	}
	return q, nil
}

func (p *Param) judge(value string) error {
	switch {
	case value == "" && p.Blank:
		return nil
	case value == "":
		return halberd.Invalid(p.Name, "must not be empty")
	case p.Int:
		n, err := strconv.Atoi(value)
		if err != nil || n < p.Min || n > p.Max || strconv.Itoa(n) != value {
			return halberd.Invalid(p.Name, "must be a whole number from %d to %d", p.Min, p.Max)
		}
	case len(p.Enum) > 0:
		parts := []string{value}
		if p.List {
			parts = strings.Split(value, ",")
		}
		for _, part := range parts {
			if !slices.Contains(p.Enum, part) {
				return halberd.Invalid(p.Name, "must be %s", oneOf(p.Enum))
			}
		}
	}
	return nil
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// instant is what time.Parse does not insist on: it lets a short hour and a
// comma by.
var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// Instant reads an RFC 3339 instant, in UTC and whole seconds. The epoch and what
// was before it are refused, since there 0 is none, and so is what an offset
// moves out of the years that RFC 3339 can write.
func Instant(field, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Unix() <= 0 || t.UTC().Year() > 9999 || !instant.MatchString(text) {
		return time.Time{}, halberd.Invalid(field, "must be an instant such as 2026-01-31T12:00:00Z")
	}
	return t.UTC().Truncate(time.Second), nil
}

// InstantOrDate also reads a date, which is the end of that day, UTC.
func InstantOrDate(field, text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil && day.Unix() >= 0 {
		return day.Add(24*time.Hour - time.Second), nil
	}
	t, err := Instant(field, text)
	if err != nil {
		return t, halberd.Invalid(field, "must be an instant such as 2026-01-31T12:00:00Z, or a date, which is the end of that day in UTC")
	}
	return t, nil
}
