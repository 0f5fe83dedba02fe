package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func drawn(colored bool, counts ...map[string]int64) []string {
	begin := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	u := wire.Usage{From: begin, To: begin.Add(time.Duration(len(counts)) * time.Hour), Step: "hour", Total: map[string]int64{}}
	for i, c := range counts {
		u.Series = append(u.Series, wire.UsagePoint{Start: begin.Add(time.Duration(i) * time.Hour), Counts: c})
		for code, n := range c {
			u.Total[code] += n
		}
	}
	p := &page{colored: colored}
	p.plot(&u)
	return strings.Split(strings.TrimSuffix(p.buf.String(), "\n"), "\n")
}

// The numbers stand before the bars, what is not nothing can be seen, and it
// fits 80 columns whatever the numbers.
func TestAPlotCanBeReadWithoutColor(t *testing.T) {
	none := map[string]int64{}
	got := drawn(false,
		map[string]int64{"VALID": 1000}, map[string]int64{"VALID": 500, "RATE_LIMITED": 250}, map[string]int64{"EXPIRED": 1},
		none, map[string]int64{"VALID": 1}, none, none, none, none, map[string]int64{"VALID": 999, "REVOKED": 1}, map[string]int64{"VALID": 330},
	)
	want := []string{
		"2026-01-31T00:00:00Z to 2026-01-31T11:00:00Z, by hour",
		"START                VALID  REFUSED",
		"2026-01-31 00:00Z     1000        0  " + strings.Repeat("█", 43),
		"2026-01-31 01:00Z      500      250  " + strings.Repeat("█", 22) + strings.Repeat("▒", 11),
		"2026-01-31 02:00Z        0        1  ▒",
		"2026-01-31 03:00Z        0        0",
		"2026-01-31 04:00Z        1        0  ▏",
		"…                  4 times nothing",
		"2026-01-31 09:00Z      999        1  " + strings.Repeat("█", 42) + "▒",
		"2026-01-31 10:00Z      330        0  " + strings.Repeat("█", 14) + "▎",
		"total: VALID 2830, REVOKED 1, EXPIRED 1, RATE_LIMITED 250",
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for n := int64(1); n < 1e15; n *= 7 {
		for _, line := range drawn(false, map[string]int64{"VALID": n}, map[string]int64{"VALID": n - 1, "EXPIRED": 1}, map[string]int64{"EXPIRED": n}, map[string]int64{"VALID": 1, "EXPIRED": n - 1}) {
			if w := utf8.RuneCountInString(line); w > 80 {
				t.Errorf("%d columns: %s", w, line)
			}
		}
	}
	if colored := strings.Join(drawn(true, map[string]int64{"VALID": 2, "EXPIRED": 1}), "\n"); !strings.Contains(colored, green) || !strings.Contains(colored, red) {
		t.Errorf("no colors: %q", colored)
	}
}

// A column is named by a text of the server's, which no spreadsheet may take
// for a formula.
func TestCSVHoldsNoFormula(t *testing.T) {
	u := wire.Usage{Total: map[string]int64{"=cmd|' /C calc'!A0": 1, "+1": 1, "@x": 1, "-x": 1, "\t=1": 1}}
	out, err := usageCSV(&u)
	if err != nil {
		t.Fatal(err)
	}
	for cell := range strings.SplitSeq(strings.TrimSpace(string(out)), ",") {
		if strings.ContainsAny(strings.Trim(cell, `"`)[:1], "=+-@\t\r") {
			t.Errorf("a formula: %q", cell)
		}
	}
}
