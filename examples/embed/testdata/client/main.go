// Command client asks a server about one key.
package main

import (
	"context"
	"os"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
)

func main() {
	keys, err := client.New("http://127.0.0.1:8080", os.Getenv("HB_API_KEY"))
	if err != nil {
		panic(err)
	}
	v, err := keys.Verify(context.Background(), halberd.Check{Secret: halberd.NewSecret(os.Getenv("KEY"))})
	if err != nil || !v.Valid() {
		panic("refused")
	}
}
