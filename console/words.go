package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/halberdhq/halberd"
)

// words are what templates write values with: times as people say them, numbers
// with their thousands parted.
func words() template.FuncMap {
	return template.FuncMap{
		"asset": asset,
		"icon":  icon,
		"count": func(n any) (string, error) {
			switch n := n.(type) {
			case int:
				return count(n), nil
			case int64:
				return count(n), nil
			}
			return "", fmt.Errorf("console: %T is no number", n)
		},
		"day":   day,
		"exact": exact,
		"list":  func(v ...any) []any { return v },
		"next":  func(i int) int { return i + 1 },
		"more":  func(l []string) int { return len(l) - 1 },
	}
}

// icon is a drawing of the sprite.
func icon(name string) (template.HTML, error) {
	for i := range len(name) {
		if name[i] < 'a' || name[i] > 'z' {
			return "", fmt.Errorf("console: no icon %q", name)
		}
	}
	//nolint:gosec // letters only, see above
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><use href="#i-` + name + `"/></svg>`), nil
}

// count is a number as people read it: 1,021,486.
func count[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, c := range s {
		if left := len(s) - i; i > 0 && left%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plural is "1 key" or "2 keys".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// day is a date in UTC: 14 May 2026.
func day(t time.Time) string {
	if t.IsZero() {
		return "Never"
	}
	return t.UTC().Format("2 Jan 2006")
}

// exact is an instant to the second, for titles and details.
func exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04:05 UTC")
}

// ago is a past time as people say it.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "Never"
	case d < 10*time.Second:
		return "Just now"
	case d < time.Minute:
		return plural(int(d/time.Second), "second ago", "seconds ago")
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute ago", "minutes ago")
	case d < 12*time.Hour:
		return plural(int(d/time.Hour), "hour ago", "hours ago")
	}
	y, m, n := now.UTC().Date()
	today := time.Date(y, m, n, 0, 0, 0, 0, time.UTC)
	switch {
	case !t.Before(today):
		return "Today, " + t.UTC().Format("15:04")
	case !t.Before(today.AddDate(0, 0, -1)):
		return "Yesterday, " + t.UTC().Format("15:04")
	}
	return day(t)
}

// soon is "in 5 days" for a time ahead of now.
func soon(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d < time.Hour:
		return "within the hour"
	case d < 24*time.Hour:
		return "in " + plural(int(d/time.Hour), "hour", "hours")
	}
	return "in " + plural(int(d/(24*time.Hour)), "day", "days")
}

// reached is how far a change had gone when it was answered, where several nodes
// had to hear of it: " It holds on all 3 nodes, after 212 ms."
func reached(p halberd.Propagation) string {
	if p.Nodes < 2 || !p.Confirmed {
		return ""
	}
	return fmt.Sprintf(" It holds on all %d nodes, after %s ms.", p.Nodes, count(p.Waited.Milliseconds()))
}

// initials stand in the round mark beside a person's name.
func initials(name, email string) string {
	var out []rune
	for part := range strings.FieldsSeq(name) {
		r, _ := utf8.DecodeRuneInString(part)
		out = append(out, r)
	}
	switch {
	case len(out) > 1:
		out = []rune{out[0], out[len(out)-1]}
	case len(out) == 0:
		r, _ := utf8.DecodeRuneInString(email)
		out = []rune{r}
	}
	return strings.ToUpper(string(out))
}

// permission is one mark that says what a key may do (S1-05, S1-06).
type permission struct {
	Word  string
	Class string
}

// permissions says scopes as the page does: the ladder in one word, then the
// API's own words.
func permissions(s halberd.Scopes) []permission {
	var out []permission
	switch {
	case s.Holds(halberd.ScopeAdmin):
		return []permission{{"Admin", "badge--admin"}}
	case s.Holds(halberd.ScopeWrite):
		out = append(out, permission{"Read/Write", ""})
	case s.Holds(halberd.ScopeRead):
		out = append(out, permission{"Read-Only", ""})
	}
	for _, w := range s.Strings() {
		if w == string(halberd.ScopeVerify) || strings.Contains(w, ":") {
			out = append(out, permission{w, "badge--code"})
		}
	}
	return out
}
