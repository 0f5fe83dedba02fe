//go:build !planted

package server

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/postgres"
)

// planted changes nothing in a program that ships; see planted_on.go.
func planted(*halberd.Options) {}

// plantedStore changes nothing either.
func plantedStore(s *postgres.Store) *postgres.Store { return s }
