// Command everything links what the others must not, so that the test is seen
// to find it: the server, the command line and gRPC.
package main

import (
	"context"

	"github.com/halberdhq/halberd/cli"
	"github.com/halberdhq/halberd/guard/grpcguard"
	"github.com/halberdhq/halberd/server"
)

func main() {
	_, _ = grpcguard.New(nil, nil, grpcguard.Options{})
	cli.Run(context.Background(), cli.Options{Extra: server.Commands(server.Options{})})
}
