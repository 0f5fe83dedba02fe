package halberd

import (
	"context"
	"fmt"
	"strings"
)

// Audit reads the events of what the actor reaches. Denied attempts still in
// memory are written first, so that nothing that was answered is missing.
func (s *Service) Audit(ctx context.Context, by Actor, q AuditQuery) (out AuditEvents, err error) {
	if err := s.Permit(by, ActionReadAudit); err != nil {
		return out, err
	}
	if err := s.flushDenials(ctx); err != nil {
		return out, outward(err)
	}
	err = s.look(ctx, by, ActionReadAudit, func(r Reader) error {
		f := AuditFilter{
			Organization: by.organization, Project: by.project,
			Action: string(q.Action), Actor: q.Actor, Target: q.Target, Outcome: string(q.Outcome),
			From: seconds(q.From), To: seconds(q.To), Since: q.After, Ascending: q.Ascending,
		}
		if !q.Organization.IsZero() {
			if err := s.reached(r, by, q.Organization, by.project); err != nil {
				return err
			}
			f.Organization = q.Organization
		}
		if q.Outcome != "" && q.Outcome != OutcomeDone && q.Outcome != OutcomeDenied {
			return Invalid("outcome", "must be done or denied")
		}
		limit, err := pageLimit(q.Page)
		if err != nil {
			return err
		}
		f.Limit = limit + 1
		bound := strings.Join([]string{
			"audit", f.Organization.String(), f.Project.String(), f.Action, f.Actor, f.Target, f.Outcome,
			f.Since.String(), fmt.Sprint(f.From, f.To, f.Ascending),
		}, "\n")
		after, err := s.position(bound, q.Page.Cursor)
		if err != nil {
			return err
		}
		if after != nil {
			f.After = AuditID(after.ID)
		}
		rows, err := r.Audit(f)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = make([]AuditEvent, 0, len(rows))
		for i := range rows {
			e, err := rows[i].event()
			if err != nil {
				return err
			}
			out.List = append(out.List, e)
		}
		return nil
	})
	return out, err
}
