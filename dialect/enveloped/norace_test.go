//go:build !race

package enveloped

const racing = false
