//go:build !race

package halberd_test

const racing = false
