package cli

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// page is output for people. All text that goes in comes out harmless.
type page struct {
	buf     bytes.Buffer
	colored bool
}

// cell is one field of a table, in a color or none ("").
type cell struct{ text, color string }

const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	faint  = "\x1b[2m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

func text(s string) cell { return cell{text: s} }

// table aligns rows under their heads. A width counts characters.
func (p *page) table(heads []string, rows [][]cell) {
	width := make([]int, len(heads))
	for i, h := range heads {
		width[i] = len(h)
	}
	for _, r := range rows {
		for i := range r {
			r[i].text = shorten(clean(r[i].text), 40)
			width[i] = max(width[i], utf8.RuneCountInString(r[i].text))
		}
	}
	head := make([]cell, len(heads))
	for i, h := range heads {
		head[i] = cell{h, bold}
	}
	for _, r := range append([][]cell{head}, rows...) {
		for i, c := range r {
			if i > 0 {
				p.buf.WriteString("  ")
			}
			p.write(c)
			if i < len(r)-1 {
				p.buf.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.text)))
			}
		}
		p.buf.WriteByte('\n')
	}
}

// fact is one line of a description: a name and what it is, in full.
func (p *page) fact(name string, c cell) {
	c.text = clean(c.text)
	p.buf.WriteString(name)
	p.buf.WriteString(strings.Repeat(" ", max(1, 16-len(name))))
	p.write(c)
	p.buf.WriteByte('\n')
}

// factIf is fact for what is worth a line only when there is something.
func (p *page) factIf(name, s string) {
	if s != "" {
		p.fact(name, text(s))
	}
}

// line is one word alone.
func (p *page) line(s string) { p.buf.WriteString(clean(s) + "\n") }

func (p *page) write(c cell) {
	if p.colored && c.color != "" {
		p.buf.WriteString(c.color + c.text + plain)
		return
	}
	p.buf.WriteString(c.text)
}

// colored: on a terminal that can, and only when nobody objects.
func (a *app) colored() bool {
	_, ok := terminal(a.out)
	return ok && !a.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// moment is a time in a table; nil is what none means there.
func moment(t *time.Time, none string) cell {
	if t == nil {
		return cell{none, faint}
	}
	return text(t.UTC().Format("2006-01-02 15:04Z"))
}

// instant is a time in a description; nil is none.
func instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func list(ss []string) string { return strings.Join(ss, ", ") }

func state(s string) cell {
	return cell{s, map[string]string{"active": green, "inactive": yellow, "expired": yellow, "revoked": red}[s]}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func limits(ls []wire.RateLimit) string {
	ss := make([]string, len(ls))
	for i, l := range ls {
		ss[i] = formatLimit(l)
	}
	return list(ss)
}

// row is one line of fields, for output that has no end and so no widths.
func (p *page) row(cells []cell) {
	for i, c := range cells {
		if i > 0 {
			p.buf.WriteString("  ")
		}
		c.text = clean(c.text)
		if c.text == "" {
			c.text = "-"
		}
		p.write(c)
	}
	p.buf.WriteByte('\n')
}
