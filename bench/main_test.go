// Package bench measures the doors of a real server, beside servers that look at
// nothing, as docs/benchmarks.md says. It knows no room: it starts bin/hb on a
// folder of a million keys and speaks to it from outside.
package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// This program is all three sides of the measurement: it starts itself again
// as the server that looks at nothing and as the load.
const roleVariable = "HALBERD_BENCH_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		m.Run()
	case "bare":
		err = play(serveBare)
	case "load":
		err = play(load)
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		panic("bench: " + err.Error())
	}
}

// play reads what is asked from stdin; fn says what came of it on stdout.
func play[T any](fn func(T, *json.Encoder) error) error {
	var order T
	if err := json.NewDecoder(os.Stdin).Decode(&order); err != nil {
		return err
	}
	return fn(order, json.NewEncoder(os.Stdout))
}
