package memory

import (
	"bytes"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// reader answers from the state. Whoever made it holds the lock.
type reader struct{ *state }

func (r reader) Revision() (int64, error) { return r.revision, nil }

func (r reader) Meta(name string) (string, error) {
	v, found := r.meta[name]
	if !found {
		return "", halberd.ErrNotFound
	}
	return v, nil
}

func (r reader) Key(id halberd.KeyID) (halberd.KeyRecord, error) {
	k := r.keys[id]
	if k == nil {
		return halberd.KeyRecord{}, halberd.ErrNotFound
	}
	return r.answer(k), nil
}

// answer is a copy of k with what the usage says.
func (r reader) answer(k *halberd.KeyRecord) halberd.KeyRecord {
	out := *k
	u := r.lastUsed[k.ID]
	out.LastUsedAt, out.LastUsedFrom, out.LastUsedAgent = u.At, u.From, u.Agent
	return out
}

func (r reader) CountKeys(project halberd.ProjectID, now int64) (int, error) {
	n := 0
	for at, ids := range r.homes {
		if at.project != project {
			continue
		}
		for id := range ids {
			if s := stateAt(r.keys[id], now); s != halberd.StateRevoked && !expired(r.keys[id], now) {
				n++
			}
		}
	}
	return n, nil
}

func (r reader) CountAdmins(org halberd.OrganizationID, except halberd.KeyID, now int64) (int, error) {
	n := 0
	for id := range r.homes[home{organization: org}] {
		k := r.keys[id]
		if id != except && k.State == halberd.StateActive && k.ExpiresAt == 0 && k.NotBefore <= now &&
			holds(k, string(halberd.ScopeAdmin)) {
			n++
		}
	}
	return n, nil
}

func (r reader) Project(id halberd.ProjectID) (halberd.ProjectRecord, error) {
	p, found := r.projects[id]
	if !found {
		return halberd.ProjectRecord{}, halberd.ErrNotFound
	}
	return p, nil
}

func (r reader) Projects(org halberd.OrganizationID, after halberd.ProjectID, limit int, deleted bool) ([]halberd.ProjectRecord, error) {
	var out []halberd.ProjectRecord
	for _, p := range r.projects {
		if (org.IsZero() || p.Organization == org) && (deleted || p.DeletedAt == 0) && bytes.Compare(p.ID[:], after[:]) > 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b halberd.ProjectRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) DefaultProject(org halberd.OrganizationID) (halberd.ProjectRecord, error) {
	for _, p := range r.projects {
		if p.Organization == org && p.Default && p.DeletedAt == 0 {
			return p, nil
		}
	}
	return halberd.ProjectRecord{}, halberd.ErrNotFound
}

func (r reader) Organization(id halberd.OrganizationID) (halberd.OrganizationRecord, error) {
	o, found := r.organizations[id]
	if !found {
		return halberd.OrganizationRecord{}, halberd.ErrNotFound
	}
	return o, nil
}

func (r reader) Organizations(after halberd.OrganizationID, limit int) ([]halberd.OrganizationRecord, error) {
	var out []halberd.OrganizationRecord
	for _, o := range r.organizations {
		if bytes.Compare(o.ID[:], after[:]) > 0 {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b halberd.OrganizationRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) Idempotent(actor, route string, key [32]byte, now int64) (halberd.IdempotencyRecord, error) {
	got, found := r.idempotent[idempotencyKey{actor, route, key}]
	if !found || got.EndsAt <= now {
		return halberd.IdempotencyRecord{}, halberd.ErrNotFound
	}
	return got, nil
}

func (r reader) Audit(f halberd.AuditFilter) ([]halberd.AuditRecord, error) {
	after, since := -1, -1
	if !f.After.IsZero() {
		at, found := r.audited[f.After]
		if !found {
			return nil, nil
		}
		after = at
	}
	if !f.Since.IsZero() {
		at, found := r.audited[f.Since]
		if !found {
			return nil, nil
		}
		since = at
	}
	var out []halberd.AuditRecord
	for n := range r.audit {
		i := n
		if !f.Ascending {
			i = len(r.audit) - 1 - n
		}
		passed := after < 0 || f.Ascending && i > after || !f.Ascending && i < after
		if passed && i > since && auditMatches(f, &r.audit[i]) {
			out = append(out, r.audit[i])
		}
		if f.Limit > 0 && len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

func auditMatches(f halberd.AuditFilter, a *halberd.AuditRecord) bool {
	return (f.Organization.IsZero() || a.Organization == f.Organization) &&
		(f.Project.IsZero() || a.Project == f.Project) &&
		(f.Action == "" || a.Action == f.Action) &&
		(f.Actor == "" || a.Actor == f.Actor) &&
		(f.Target == "" || a.Target == f.Target) &&
		(f.Outcome == "" || a.Outcome == f.Outcome) &&
		(f.From == 0 || a.At >= f.From) &&
		(f.To == 0 || a.At < f.To)
}

func first[T any](list []T, limit int) []T {
	if limit > 0 && len(list) > limit {
		return list[:limit]
	}
	return list
}

func expired(k *halberd.KeyRecord, now int64) bool { return k.ExpiresAt != 0 && now >= k.ExpiresAt }

// stateAt derives a state as halberd.Key.StateAt does.
func stateAt(k *halberd.KeyRecord, now int64) halberd.State {
	if k.State == halberd.StateActive && expired(k, now) {
		return halberd.StateExpired
	}
	return k.State
}

// holds reports whether one word stands in the key's scopes.
func holds(k *halberd.KeyRecord, word string) bool {
	return slices.Contains(strings.Fields(k.Scopes), word)
}
