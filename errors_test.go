package halberd_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// An operator's log says why, and nobody else is told.
func TestTheCauseOfAnErrorIsForTheLog(t *testing.T) {
	err := &halberd.Error{Code: halberd.CodeUnavailable, Message: "the database does not answer", Err: errors.New("no such index")}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Error("it failed", "why", error(err))
	if !strings.Contains(out.String(), "the database does not answer (no such index)") {
		t.Errorf("logged: %s", out.String())
	}
	for _, format := range []string{"%v", "%s", "%+v"} {
		if said := fmt.Sprintf(format, err); strings.Contains(said, "no such index") {
			t.Errorf("said: %s", said)
		}
	}
}
