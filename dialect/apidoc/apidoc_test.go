package apidoc_test

import (
	"os"
	"testing"

	"github.com/halberdhq/halberd/dialect/apidoc"
)

const kept = "../../docs/openapi.json"

// The document that people read in the repository is the one that is served.
// HALBERD_GOLDEN=write (make golden) writes it anew.
func TestTheKeptDocumentIsTheOneServed(t *testing.T) {
	made := apidoc.Document()
	if os.Getenv("HALBERD_GOLDEN") == "write" {
		if err := os.WriteFile(kept, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(made) {
		t.Errorf("docs/openapi.json is not what the tables say: run HALBERD_GOLDEN=write go test ./dialect/apidoc, and read the difference")
	}
}
