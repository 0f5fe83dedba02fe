package halberd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// What one Bulk may hold.
const (
	MaxBulkKeys     = 1000   // named one by one
	MaxBulkExternal = 10_000 // of one external id
)

// BulkAction is what is done to every key of a Bulk.
type BulkAction string

// The actions: Revoke, and Update of whether a key is active.
const (
	BulkRevoke     BulkAction = "revoke"
	BulkDeactivate BulkAction = "deactivate"
	BulkActivate   BulkAction = "activate"
)

// Bulk is one thing to do to many keys: those of Keys, or those of ExternalID.
type Bulk struct {
	Action BulkAction
	// Keys are 1 to MaxBulkKeys. One that stands there twice has two results;
	// the second is that of a repetition.
	Keys []KeyID
	// ExternalID means every key of it that the actor reaches and that is not
	// revoked, oldest first, up to MaxBulkExternal.
	ExternalID   string
	Project      ProjectID      // with ExternalID: only of this project
	Organization OrganizationID // with ExternalID, operators only; zero: the actor's
	Reason       string         // with BulkRevoke, kept beside each key
}

// BulkResult is what became of one key. A nil Refusal: done.
type BulkResult struct {
	ID      KeyID
	Refusal *Error // what a call for this key alone would have been told
}

// BulkDone is what became of all, in the order asked for.
type BulkDone struct {
	Results     []BulkResult
	Propagation Propagation
}

// Bulk revokes, deactivates or activates many keys in one transaction and waits
// once. Each key is judged as if it were alone and last: one refused stands in
// no other's way, and of two last admins one stays. What is done is good on
// every node when it returns. Under an Idempotency-Key a repetition does
// nothing and has the results of the first time.
func (s *Service) Bulk(ctx context.Context, by Actor, b Bulk) (BulkDone, error) {
	if err := s.Permit(by, ActionBulkKeys); err != nil {
		return BulkDone{}, err
	}
	one, act, err := s.bulkOf(&b)
	if err != nil {
		return BulkDone{}, err
	}
	var out BulkDone
	out.Propagation, err = s.change(ctx, by, ActionBulkKeys, func(tx Tx, by Actor) error {
		done, err := s.replayed(tx, by)
		if err != nil {
			return err
		}
		if done != "" {
			out.Results, err = readResults(done)
			return err
		}
		ids, err := s.bulkKeys(tx, by, &b)
		if err != nil {
			return err
		}
		out.Results = make([]BulkResult, len(ids))
		for i, id := range ids {
			_, err := one(tx, by, id)
			refusal, refused := errors.AsType[*Error](err)
			if err != nil && !refused {
				return err
			}
			out.Results[i] = BulkResult{ID: id, Refusal: refusal}
		}
		if by.request.Idempotency.Key == "" {
			return nil
		}
		return s.remember(tx, by, writeResults(out.Results))
	})
	if err != nil {
		return BulkDone{}, err
	}
	for i := range out.Results {
		if r := out.Results[i].Refusal; r != nil && (r.Code == CodeForbidden || r.Code == CodeScopeEscalation) {
			_ = s.deny(by, act, r)
		}
	}
	return out, nil
}

// bulkOf judges the values of b, and returns what is done to one key and how it
// is called in the audit log.
func (s *Service) bulkOf(b *Bulk) (one func(Tx, Actor, KeyID) (Key, error), act Action, err error) {
	setActive := func(active bool) func(Tx, Actor, KeyID) (Key, error) {
		return func(tx Tx, by Actor, id KeyID) (Key, error) {
			return s.updateOne(tx, by, id, KeyPatch{Active: Some(active)}, 0)
		}
	}
	switch b.Action {
	case BulkRevoke:
		act, one = ActionRevokeKey, func(tx Tx, by Actor, id KeyID) (Key, error) {
			return s.revokeOne(tx, by, id, b.Reason, 0)
		}
	case BulkDeactivate:
		act, one = ActionUpdateKey, setActive(false)
	case BulkActivate:
		act, one = ActionUpdateKey, setActive(true)
	default:
		return nil, "", Invalid("action", "must be revoke, deactivate or activate")
	}
	switch {
	case b.Reason != "" && b.Action != BulkRevoke:
		return nil, "", Invalid("reason", "is kept with revoked keys only")
	case b.ExternalID != "" && len(b.Keys) > 0:
		return nil, "", Invalid("external_id", "and key_ids exclude each other")
	case b.ExternalID == "" && len(b.Keys) == 0:
		return nil, "", Invalid("key_ids", "must name 1 to %d keys, or external_id a customer", MaxBulkKeys)
	case len(b.Keys) > MaxBulkKeys:
		return nil, "", Invalid("key_ids", "must be at most %d; there are %d", MaxBulkKeys, len(b.Keys))
	case b.ExternalID == "" && !b.Project.IsZero():
		return nil, "", Invalid("project_id", "narrows external_id, and there is none")
	case b.ExternalID == "" && !b.Organization.IsZero():
		return nil, "", Invalid("organization_id", "narrows external_id, and there is none")
	}
	return one, act, checkText("reason", b.Reason, maxReason)
}

// bulkKeys are the keys that b means.
func (s *Service) bulkKeys(tx Tx, by Actor, b *Bulk) ([]KeyID, error) {
	if b.ExternalID == "" {
		return b.Keys, nil
	}
	f, _, err := s.keyFilter(tx, by, KeyQuery{
		ExternalID: b.ExternalID, Project: b.Project, Organization: b.Organization, Sort: KeySort{By: SortCreated},
	})
	if err != nil {
		return nil, err
	}
	f.Limit = MaxBulkExternal + 1
	rows, err := tx.Keys(f)
	if err != nil {
		return nil, err
	}
	if len(rows) > MaxBulkExternal {
		return nil, Invalid("external_id", "has more than %d keys: name a project_id, or the keys by their ids", MaxBulkExternal)
	}
	ids := make([]KeyID, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return ids, nil
}

// savedResult is a BulkResult beside an Idempotency-Key.
type savedResult struct {
	Key     string `json:"k"`
	Code    Code   `json:"c,omitempty"`
	Message string `json:"m,omitempty"`
}

func writeResults(results []BulkResult) string {
	saved := make([]savedResult, len(results))
	for i, r := range results {
		saved[i].Key = r.ID.String()
		if r.Refusal != nil {
			saved[i].Code, saved[i].Message = r.Refusal.Code, r.Refusal.Message
		}
	}
	text, _ := json.Marshal(saved) // strings only: it cannot fail
	return string(text)
}

func readResults(text string) ([]BulkResult, error) {
	var saved []savedResult
	if err := json.Unmarshal([]byte(text), &saved); err != nil {
		return nil, fmt.Errorf("the results beside an Idempotency-Key: %w", err)
	}
	results := make([]BulkResult, len(saved))
	for i, r := range saved {
		id, err := ParseKeyID(r.Key)
		if err != nil {
			return nil, err
		}
		results[i].ID = id
		if r.Code != "" {
			results[i].Refusal = &Error{Code: r.Code, Message: r.Message}
		}
	}
	return results, nil
}
