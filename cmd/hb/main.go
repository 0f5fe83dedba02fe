// Command hb is Halberd: the server and its client in one program. It only
// wires them together: see packages server and cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/halberdhq/halberd/cli"
	"github.com/halberdhq/halberd/server"
)

var version = "dev" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	os.Exit(cli.Run(ctx, cli.Options{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Version: version,
		Extra:   server.Commands(server.Options{Environ: os.Environ(), Version: version}),
	}))
}
