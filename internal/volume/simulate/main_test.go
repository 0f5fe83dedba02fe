package main

import (
	"strings"
	"testing"
)

// The figures themselves are held by `make volume`; so few keys only tell whether
// the method is about as good as it was.
func TestFiguresOfTheVolumeRule(t *testing.T) {
	var out strings.Builder
	all := run(&out, 50, 60, 1)
	if err := all.judge(mostFalse, 0.85); err != nil {
		t.Error(err)
	}
	t.Log(out.String())
}
