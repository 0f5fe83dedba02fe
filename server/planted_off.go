//go:build !planted

package server

import "github.com/halberdhq/halberd"

// planted changes nothing in a program that ships; see planted_on.go.
func planted(*halberd.Options) {}
