package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// kindWords is what the page says of a kind of alert. What a kind may be told is
// the Service's to say: of a threshold or a span the page knows only the words.
type kindWords struct {
	Kind  halberd.AlertKind
	Title string
	Help  string
	Label string // of the threshold; "": there is none
	Unit  string
	Span  bool   // there is a window
	Tone  string // of its mark: bad, warn or info
	Icon  string
}

var alertKinds = [...]kindWords{
	{halberd.AlertErrors, "Many checks refused", "A share of a key’s checks is refused.", "From", "% of its checks refused", true, "warn", "warn"},
	{halberd.AlertVolume, "Unusual volume", "A key is asked far more often than its own past says.", "From", "times as often as usual", false, "warn", "warn"},
	{halberd.AlertOrigin, "New network or program", "A key is used from somewhere, or by something, for the first time.", "", "", false, "warn", "warn"},
	{halberd.AlertEnded, "Ended key in use", "A revoked or expired key is still used: someone has it.", "From", "refused uses", true, "bad", "warn"},
	{halberd.AlertBadKeys, "Bad keys from one address", "One address presents many keys that are none.", "From", "bad keys", true, "bad", "warn"},
	{halberd.AlertLimit, "Limit nearly spent", "A rate limit or quota is nearly spent, and again when all of it is.", "From", "% spent", false, "warn", "warn"},
	{halberd.AlertExpiring, "About to expire", "A key ends soon; told again at 7 days and at 1.", "Within", "days", false, "info", "clock"},
	{halberd.AlertUnused, "Unused", "Nobody uses a key any more.", "For", "days", false, "info", "clock"},
}

func wordsOf(kind halberd.AlertKind) kindWords {
	for _, k := range alertKinds {
		if k.Kind == kind {
			return k
		}
	}
	return kindWords{Kind: kind, Title: string(kind), Tone: "info", Icon: "info"}
}

// ruleWords say what a rule looks for, shortly.
func ruleWords(a *halberd.AlertRule) string {
	n := numberWord(a.Threshold)
	within := ""
	if a.Window > 0 {
		within = " within " + plural(int(a.Window/time.Minute), "minute", "minutes")
	}
	switch a.Kind {
	case halberd.AlertErrors:
		text := n + " % of its checks refused" + within
		var as []string
		for _, r := range a.Reasons {
			as = append(as, string(r))
		}
		if len(as) > 0 {
			text += ", as " + strings.Join(as, " or ")
		}
		return text
	case halberd.AlertVolume:
		return n + " times as often as its own past says"
	case halberd.AlertOrigin:
		return "For the first time, after its first day"
	case halberd.AlertEnded:
		return plural(int(a.Threshold), "use", "uses") + " of a revoked or expired key" + within
	case halberd.AlertBadKeys:
		return plural(int(a.Threshold), "bad key", "bad keys") + within
	case halberd.AlertLimit:
		return n + " % spent, and again at 100 %"
	case halberd.AlertExpiring:
		return n + " days ahead, again at 7 and at 1"
	case halberd.AlertUnused:
		return "Not used for " + n + " days"
	}
	return ""
}

// numberWord is a number without digits that say nothing.
func numberWord(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
