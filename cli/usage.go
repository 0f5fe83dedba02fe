package cli

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// usageFormats: plot is the default on a terminal, table elsewhere.
var usageFormats = []string{"plot", "table", "json", "yaml", "csv"}

func (a *app) usageVerb() *cobra.Command {
	var q client.UsageQuery
	c := &cobra.Command{
		Use: "usage [id]", GroupID: groupKeys,
		Short: "Show how often keys were used, and refused",
		Long: "Show how often checks of a key, of the keys of a customer of yours, of a project or of all that\n" +
			"the key in use reaches were answered, and how: without more words the last 24 hours by hour.\n" +
			"Needs the scope read. All times are UTC.\n\n" +
			"On a terminal it is drawn: █ is valid, ▒ is refused. Elsewhere it is a table, with a column for\n" +
			"each verdict that fell. With -o csv every verdict has its column, so that files can be joined.",
		Example: `  hb usage
  hb usage key_01h455vb4pex5vsknk084sn02q --from 7d
  hb usage --external-id acme --from 2026-01-01 --to 2026-01-31 -o csv >january.csv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return words("the id of a key")(cmd, args)
		},
	}
	f := c.Flags()
	f.StringVar(&q.ProjectID, "project", "", "of the keys of this project")
	f.StringVar(&q.ExternalID, "external-id", "", "of the keys of this customer of yours")
	f.StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	f.StringVar(&q.From, "from", "", "since: an instant, a date, or a time ago such as 7d")
	f.StringVar(&q.To, "to", "", "before: an instant, the end of a date, or a time ago such as 1h")
	f.StringVar(&q.Step, "step", "", "minute, hour or day (default: by the length of the span)")
	_ = c.RegisterFlagCompletionFunc("step", cobra.FixedCompletions([]string{"minute", "hour", "day"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && q.ProjectID+q.ExternalID+q.OrganizationID != "" {
			return usage("the id of a key goes without --project, --external-id and --organization")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.From, q.To = a.ago(q.From), a.ago(q.To)
		var u wire.Usage
		if len(args) > 0 {
			u, err = api.Keys.Usage(cmd.Context(), args[0], q)
		} else {
			u, err = api.Usage(cmd.Context(), q)
		}
		if err != nil {
			return err
		}
		if err := a.showUsage(&u); err != nil {
			return err
		}
		if u.KeptFrom != nil && u.From.Before(*u.KeptFrom) {
			a.tell("Counts by %s are kept from %s on; a longer --step may have older ones.", u.Step, instant(u.KeptFrom))
		}
		return nil
	}
	return c
}

func (a *app) showUsage(u *wire.Usage) error {
	format := a.format
	if format == "" {
		format = "table"
		if _, ok := terminal(a.out); ok {
			format = "plot"
		}
	}
	switch format {
	case "csv":
		text, err := usageCSV(u)
		if err != nil {
			return err
		}
		return a.write(text)
	case "plot":
		return a.show(u, func(p *page) { p.plot(u) })
	}
	codes := fallen(u)
	if len(codes) == 0 && format == "table" {
		a.tell("Nothing was counted from %s to %s.", instant(&u.From), instant(&u.To))
		return nil
	}
	return a.show(u, func(p *page) {
		var rows [][]cell
		for _, point := range u.Series {
			row := []cell{text(stepTime(point.Start, u.Step))}
			for _, code := range codes {
				row = append(row, text(strconv.FormatInt(point.Counts[code], 10)))
			}
			rows = append(rows, row)
		}
		p.table(append([]string{"START"}, codes...), rows)
	})
}

// fallen is the verdicts of a series: VALID, then the refusals in the order in
// which they are judged, then what a newer server may know.
func fallen(u *wire.Usage) (codes []string) {
	for code := range u.Total {
		codes = append(codes, code)
	}
	known := client.UsageVerdicts()
	rank := func(code string) int {
		if i := slices.Index(known, code); i >= 0 {
			return i
		}
		return len(known)
	}
	slices.SortFunc(codes, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return codes
}

// stepTime is the start of a point, as exactly as its step asks for.
func stepTime(t time.Time, step string) string {
	if step == "day" {
		return t.UTC().Format(time.DateOnly)
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// usageCSV has the same columns whatever fell. No cell begins with what a
// spreadsheet takes for a formula.
func usageCSV(u *wire.Usage) ([]byte, error) {
	all := wire.Usage{Total: map[string]int64{}}
	maps.Copy(all.Total, u.Total)
	for _, code := range client.UsageVerdicts() {
		all.Total[code] = 0
	}
	codes := fallen(&all)
	head := []string{"start", "total"}
	for _, code := range codes {
		head = append(head, harmless(code))
	}
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write(head) // errors are kept for Error
	for _, point := range u.Series {
		row := []string{instant(&point.Start), strconv.FormatInt(sum(point.Counts), 10)}
		for _, code := range codes {
			row = append(row, strconv.FormatInt(point.Counts[code], 10))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return buf.Bytes(), w.Error()
}

// harmless is a text of the server's that no spreadsheet reckons with.
func harmless(s string) string {
	if s = clean(s); strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") {
		return "'" + s
	}
	return s
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// totals is a line such as `VALID 118, RATE_LIMITED 2`.
func totals(u *wire.Usage) string {
	var parts []string
	for _, code := range fallen(u) {
		parts = append(parts, fmt.Sprintf("%s %d", code, u.Total[code]))
	}
	return list(parts)
}
