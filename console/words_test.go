package console_test

import (
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
)

// What is said of several nodes is only said where it is so.
func TestARevocationSaysHowFarItHasGone(t *testing.T) {
	if got := console.Reached(halberd.Propagation{Confirmed: true, Nodes: 3, Waited: 1212 * time.Millisecond}); got != " It holds on all 3 nodes, after 1,212 ms." {
		t.Errorf("%q", got)
	}
	if got := console.Reached(halberd.Propagation{Confirmed: true, Nodes: 1}); got != "" {
		t.Errorf("one node: %q", got)
	}
	if got := console.Reached(halberd.Propagation{Nodes: 3}); got != "" {
		t.Errorf("unconfirmed: %q", got)
	}
}
