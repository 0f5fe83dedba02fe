//go:build race

package server_test

// Under the race detector hb itself is built with it: its goroutines are the
// ones that meet.
const raceFlag = "-race"
