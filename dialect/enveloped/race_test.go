//go:build race

package enveloped

// The race detector makes sync.Pool forget at random.
const racing = true
