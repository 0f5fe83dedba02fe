package request_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

func TestACallersRequestIDIsKeptUnlessItIsNotOne(t *testing.T) {
	for _, plain := range []string{"abc", "8f14e45f-ceea-467f-a0e6-0f9d3c1a2b4c", "4bf92f3577b34da6a3ce929d0e0e4736", "req_1.2"} {
		if got := request.ID(http.Header{"X-Request-Id": {plain}}); got != plain {
			t.Errorf("%s became %s", plain, got)
		}
	}
	secret := fixture.New(t).Root.Reveal() // ids go into the log
	for _, h := range []http.Header{{}, {"X-Request-Id": {""}}, {"X-Request-Id": {"a b"}}, {"X-Request-Id": {strings.Repeat("a", 65)}}, {"X-Request-Id": {"a", "b"}}, {"X-Request-Id": {secret}}, {"X-Request-Id": {"job-7." + secret + "-1"}}} {
		if got := request.ID(h); !strings.HasPrefix(got, "req_") {
			t.Errorf("%v was taken", len(h["X-Request-Id"]))
		}
	}
}
