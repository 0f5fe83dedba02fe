// Command hookbase lists what a webhook API has (S3-34):
//
//	export HOOKBASE_API_KEY="…"
//	hookbase sources list
//
// HOOKBASE_URL is where the API is.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/halberdhq/halberd/examples/hookshop/consumer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := program{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}.run(ctx, os.Args[1:])
	stop()
	os.Exit(code) //nolint:forbidigo // the end of main
}

// program is what main gives to run.
type program struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	wait           func(context.Context, time.Duration) error // nil: a real wait
}

const usage = "usage: hookbase sources|destinations|routes|events list\n" +
	"The key is taken from HOOKBASE_API_KEY, the API's address from HOOKBASE_URL.\n"

// columns are the fields that a list shows, by what is listed; none where there
// is no such list.
func columns(of string) []string {
	switch of {
	case "sources":
		return []string{"id", "name", "provider", "active"}
	case "destinations":
		return []string{"id", "name", "url"}
	case "routes":
		return []string{"id", "sourceId", "destinationId", "active"}
	case "events":
		return []string{"id", "sourceId", "type", "receivedAt"}
	}
	return nil
}

// run returns how the program ends.
func (p program) run(ctx context.Context, args []string) int {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		fmt.Fprint(p.stdout, usage)
		return 0
	}
	if len(args) != 2 || columns(args[0]) == nil || args[1] != "list" {
		fmt.Fprint(p.stderr, usage) // without the arguments: one may be a key
		return consumer.ExitUsage
	}
	if err := p.list(ctx, args[0]); err != nil {
		fmt.Fprintln(p.stderr, "hookbase:", err)
		return consumer.Exit(err)
	}
	return 0
}

func (p program) list(ctx context.Context, what string) error {
	address := p.getenv("HOOKBASE_URL")
	if address == "" {
		address = "http://127.0.0.1:8081"
	}
	c, err := consumer.New(address, p.getenv("HOOKBASE_API_KEY"), "HOOKBASE_API_KEY")
	if err != nil {
		return err
	}
	if p.wait != nil {
		c.Wait = p.wait
	}
	var answer map[string][]map[string]any
	if err := c.Get(ctx, "/api/"+what, &answer); err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fields := columns(what)
	fmt.Fprintln(t, strings.ToUpper(strings.Join(fields, "\t")))
	for _, row := range answer[what] {
		cells := make([]string, len(fields))
		for i, name := range fields {
			cells[i] = consumer.Printable(fmt.Sprint(row[name]))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}
