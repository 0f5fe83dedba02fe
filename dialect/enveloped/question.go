package enveloped

import (
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// read reads the body of one check. Most are flat objects of plain text;
// those are read here, and whatever is not, broken ones included, by the decoder that
// reads every other body.
func (q *question) read(raw []byte) error {
	q.reader = reader{text: string(raw)} // one copy: raw is used again
	if q.verify(&q.body) {
		return nil
	}
	q.body = VerifyKey{}
	return request.Decode(raw, &q.body)
}

// question is one check on its way from text to the ground, in one piece.
type question struct {
	reader
	body   VerifyKey
	scopes [4]halberd.Scope // room for those of the check
}

// reader walks a text of JSON as most programs write it. It gives up (false) where
// a thing is out of the ordinary, so that it needs no opinion on what is wrong.
type reader struct {
	text string
	at   int
	room [4]string // for a list
	left int       // of room
}

// The members of a check, as bits.
const (
	hasKey = 1 << iota
	hasScopes
	hasResource
	hasClientIP
	hasUserAgent
	hasCost
	hasFilters
	hasInclude
	hasRevision
)

func (r *reader) verify(into *VerifyKey) bool {
	r.left = len(r.room)
	if !r.next('{') {
		return false
	}
	for seen := 0; ; {
		name, ok := r.string()
		if !ok || !r.next(':') {
			return false
		}
		var bit int
		switch name {
		case "key":
			bit = hasKey
			into.Key, ok = r.string()
		case "scopes":
			bit = hasScopes
			into.Scopes, ok = r.list()
		case "resource":
			bit = hasResource
			into.Resource, ok = r.string()
		case "client_ip":
			bit = hasClientIP
			into.ClientIP, ok = r.string()
		case "user_agent":
			bit = hasUserAgent
			into.UserAgent, ok = r.string()
		case "cost":
			bit = hasCost
			into.Cost.Set = true
			into.Cost.Value, ok = r.number()
		case "filters_resources":
			bit = hasFilters
			into.FiltersResources, ok = r.flag()
		case "include":
			bit = hasInclude
			into.Include, ok = r.list()
		case "at_least_revision":
			bit = hasRevision
			into.AtLeastRevision, ok = r.number()
		default:
			return false
		}
		if !ok || seen&bit != 0 {
			return false
		}
		seen |= bit
		if r.next(',') {
			continue
		}
		return r.next('}') && r.end()
	}
}

// blank passes what may stand between two tokens.
func (r *reader) blank() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) end() bool {
	r.blank()
	return r.at == len(r.text)
}

func (r *reader) next(c byte) bool {
	r.blank()
	if r.at == len(r.text) || r.text[r.at] != c {
		return false
	}
	r.at++
	return true
}

// string reads a text of printable ASCII without an escape.
func (r *reader) string() (string, bool) {
	if !r.next('"') {
		return "", false
	}
	for i := r.at; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			s := r.text[r.at:i]
			r.at = i + 1
			return s, true
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		}
	}
	return "", false
}

// list reads a few texts. The decoder's list of none is not nil either.
func (r *reader) list() ([]string, bool) {
	if !r.next('[') {
		return nil, false
	}
	out := r.room[len(r.room)-r.left:][:0]
	if r.next(']') {
		return []string{}, true
	}
	for {
		s, ok := r.string()
		if !ok || r.left == 0 {
			return nil, false
		}
		out = append(out, s)
		r.left--
		if r.next(',') {
			continue
		}
		return out, r.next(']')
	}
}

// number reads a whole number of few digits, from 0.
func (r *reader) number() (n int64, ok bool) {
	r.blank()
	begin := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		n = n*10 + int64(r.text[r.at]-'0')
		if r.at++; r.at-begin > 9 {
			return 0, false
		}
	}
	digits := r.text[begin:r.at]
	return n, digits != "" && (digits == "0" || digits[0] != '0')
}

func (r *reader) flag() (yes, ok bool) {
	r.blank()
	for _, word := range [...]string{"true", "false"} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			return word == "true", true
		}
	}
	return false, false
}
