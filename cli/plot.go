package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

const (
	plotWidth = 80
	// foldedFrom is how many empty lines in a row are one.
	foldedFrom = 4
)

// plot draws a series: a line a point, with its numbers before the bar, so that
// it can be read without color, and without bars. It fits 80 columns.
func (p *page) plot(u *wire.Usage) {
	const valid = "VALID"
	most, widest := int64(0), len("REFUSED")
	for _, point := range u.Series {
		n := sum(point.Counts)
		most, widest = max(most, n), max(widest, len(strconv.FormatInt(n, 10)))
	}
	p.line(fmt.Sprintf("%s to %s, by %s", instant(&u.From), instant(&u.To), u.Step))
	if most == 0 {
		p.line("Nothing was counted.")
		return
	}
	start := len(stepTime(u.From, u.Step))
	p.write(cell{fmt.Sprintf("%-*s  %*s  %*s", start, "START", widest, "VALID", widest, "REFUSED"), bold})
	p.buf.WriteByte('\n')
	width := plotWidth - start - 2*(2+widest) - 2
	for i := 0; i < len(u.Series); i++ {
		if n := emptyFrom(u.Series[i:]); n >= foldedFrom {
			p.write(cell{fmt.Sprintf("%-*s  %d times nothing", start, "…", n), faint})
			p.buf.WriteByte('\n')
			i += n - 1
			continue
		}
		counts := u.Series[i].Counts
		total := sum(counts)
		refused := total - counts[valid]
		fmt.Fprintf(&p.buf, "%-*s  %*d  %*d", start, stepTime(u.Series[i].Start, u.Step), widest, counts[valid], widest, refused)
		good, bad := bar(counts[valid], refused, most, width)
		if good+bad != "" {
			p.buf.WriteString("  ")
			p.write(cell{good, green})
			p.write(cell{bad, red})
		}
		p.buf.WriteByte('\n')
	}
	p.line("total: " + totals(u))
}

func emptyFrom(points []wire.UsagePoint) (n int) {
	for n < len(points) && sum(points[n].Counts) == 0 {
		n++
	}
	return n
}

// bar is two parts of a line that is width long for most: █ with eighths at its
// end, and ▒. What is not nothing can be seen.
func bar(valid, refused, most int64, width int) (good, bad string) {
	scale := func(n int64, parts int) int { return int(float64(n)/float64(most)*float64(parts) + 0.5) }
	long := 0
	if refused > 0 {
		long = max(1, scale(refused, width))
		if valid > 0 {
			long = min(long, width-1)
		}
	}
	if valid > 0 {
		eighths := min(max(1, scale(valid, 8*width)), 8*(width-long))
		good = strings.Repeat("█", eighths/8)
		if rest := eighths % 8; rest > 0 && refused == 0 {
			good += string([]rune("▏▎▍▌▋▊▉")[rest-1])
		} else if rest > 0 && (good == "" || rest >= 4) && eighths/8 < width-long {
			good += "█" // a gap before ▒ would look like a third thing
		}
	}
	return good, strings.Repeat("▒", long)
}
