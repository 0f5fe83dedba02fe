package notify

import (
	"strings"
	"unicode"
)

// Notice is something to tell people, in no format yet. Its texts may hold what
// strangers wrote, such as the name of a key: they arrive as text.
type Notice struct {
	ID    string   // of the event it tells of
	Title string   // one line
	Lines []string // what a person should know, one thing each
	Link  string   // where to look; empty: nowhere
}

// line is a text as one line: what would begin a new one, steer a terminal, or
// turn the direction of what follows, is a space, or a mark where it would
// otherwise vanish. At most most characters.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029':
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.TrimSpace(s)
	if n := 0; len(s) > most {
		for i := range s {
			if n++; n > most {
				return s[:i] + "…"
			}
		}
	}
	return s
}

const (
	maxTitle = 200
	maxLine  = 1000
	maxLines = 40
)

// lines are a Notice's lines, bounded.
func (n Notice) lines() []string {
	var out []string
	for _, l := range n.Lines {
		if l = line(l, maxLine); l != "" && len(out) < maxLines {
			out = append(out, l)
		}
	}
	return out
}
