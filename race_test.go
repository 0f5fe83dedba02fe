//go:build race

package halberd_test

// The race detector makes sync.Pool forget at random.
const racing = true
