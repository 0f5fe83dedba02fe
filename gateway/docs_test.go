package gateway_test

import (
	"os"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/gateway"
)

// The policy that docs/reference/policy.md shows is one.
func TestTheDocumentedPolicyIsOne(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(after, "```")
	if _, err := gateway.ParsePolicy([]byte(text)); err != nil || !found {
		t.Errorf("%v\n%s", err, text)
	}
}
