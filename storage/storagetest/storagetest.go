// Package storagetest is the contract of halberd.Store as a test. An engine
// passes it like this:
//
//	func TestContract(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) halberd.Store { return memory.New() })
//	}
//
// Each case gets a store of its own, and its name is the promise. When two
// engines are found to differ, the difference becomes a case here first.
package storagetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/halberdhq/halberd"
)

// Run holds the store that open makes against the contract. open is called
// once a case and gives an empty store; Run closes it.
func Run(t *testing.T, open func(t *testing.T) halberd.Store) {
	for _, group := range []struct {
		name  string
		cases []contract
	}{
		{"keys", keyCases},
		{"lists", listCases},
		{"counts", countCases},
		{"projects", projectCases},
		{"records", recordCases},
		{"members", memberCases},
		{"quotas", quotaCases},
		{"alerts", alertCases},
		{"audit", auditCases},
		{"events", eventCases},
		{"webhooks", webhookCases},
		{"transactions", transactionCases},
		{"following", followCases},
		{"load", loadCases},
		{"usage", usageCases},
		{"series", seriesCases},
		{"usage, noted", noted(slices.Concat(usageCases, seriesCases))},
		{"notes", noteCases},
		{"keeper", keeperCases},
		{"closing", closeCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.promise, func(t *testing.T) {
					s := &subject{T: t, Store: open(t)}
					defer func() {
						if err := s.Close(); err != nil && !errors.Is(err, halberd.ErrClosed) {
							t.Errorf("Close: %v", err)
						}
					}()
					c.check(s)
				})
			}
		})
	}
}

// contract is one promise and what holds a store against it.
type contract struct {
	promise string
	check   func(*subject)
}
