package halberd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxSilence bounds how long nobody is told: whoever wants to hear nothing of it
// any more switches the rule off.
const maxSilence = 366 * 24 * time.Hour

// ListAlerts reads alerts, latest first.
func (s *Service) ListAlerts(ctx context.Context, by Actor, q AlertQuery) (out Alerts, err error) {
	err = s.look(ctx, by, ActionReadAlerts, func(r Reader) error {
		f := AlertFilter{Organization: by.organization, Project: by.project, Key: q.Key, Kind: string(q.Kind), States: q.States}
		if !q.Organization.IsZero() {
			if err := s.reached(r, by, q.Organization, by.project); err != nil {
				return err
			}
			f.Organization = q.Organization
		}
		if !q.Project.IsZero() {
			p, err := s.projectOf(r, by, q.Project)
			if err != nil {
				return err
			}
			f.Organization, f.Project = p.Organization, p.ID
		}
		if _, ok := q.Kind.known(); q.Kind != "" && !ok {
			return Invalid("kind", "must be %s", kindWords())
		}
		var states []string
		for _, st := range q.States {
			if !slices.Contains([]AlertState{AlertOpen, AlertAcknowledged, AlertResolved}, st) {
				return Invalid("state", "must be open, acknowledged or resolved")
			}
			states = append(states, string(st))
		}
		limit, err := pageLimit(q.Page)
		if err != nil {
			return err
		}
		f.Limit = limit + 1
		bound := fmt.Sprintln("alerts", f.Organization, f.Project, f.Key, f.Kind, strings.Join(states, " "))
		after, err := s.position(bound, q.Page.Cursor)
		if err != nil {
			return err
		}
		if after != nil {
			f.After = AlertID(after.ID)
		}
		rows, err := r.Alerts(f)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = make([]Alert, 0, len(rows))
		for i := range rows {
			a, err := rows[i].alert()
			if err != nil {
				return err
			}
			out.List = append(out.List, a)
		}
		return nil
	})
	return out, err
}

// GetAlert reads one alert.
func (s *Service) GetAlert(ctx context.Context, by Actor, id AlertID) (a Alert, err error) {
	err = s.look(ctx, by, ActionReadAlerts, func(r Reader) error {
		a, err = alertOf(r, by, id)
		return err
	})
	return a, err
}

// alertOf reads an alert that the actor reaches.
func alertOf(r Reader, by Actor, id AlertID) (Alert, error) {
	row, err := r.Alert(id)
	if err != nil {
		return Alert{}, err
	}
	if !by.reaches(row.Organization, row.Project) {
		return Alert{}, errNotFound()
	}
	return row.alert()
}

// AcknowledgeAlert says that somebody has seen it. Twice is the same, and of one
// that is over nothing is said.
func (s *Service) AcknowledgeAlert(ctx context.Context, by Actor, id AlertID) (Alert, error) {
	return s.changeAlert(ctx, by, ActionAcknowledgeAlert, id, func(a *Alert) error {
		if a.State == AlertOpen {
			a.State, a.AcknowledgedAt, a.AcknowledgedBy = AlertAcknowledged, s.stamp(), by.Ref()
		}
		return nil
	})
}

// SilenceAlert lets nobody hear of an alert, of its end, and of its return under
// the same rule, until a time. The zero time, or one that has passed, ends that.
func (s *Service) SilenceAlert(ctx context.Context, by Actor, id AlertID, until time.Time) (Alert, error) {
	return s.changeAlert(ctx, by, ActionSilenceAlert, id, func(a *Alert) error {
		until = until.UTC().Truncate(time.Second)
		if until.Sub(s.now()) > maxSilence {
			return Invalid("until", "must be at most %d days ahead: switch the rule off instead", int(maxSilence/(24*time.Hour)))
		}
		if !until.After(s.now()) {
			until = time.Time{}
		}
		a.SilencedUntil = until
		return nil
	})
}

func (s *Service) changeAlert(ctx context.Context, by Actor, act Action, id AlertID, fn func(*Alert) error) (Alert, error) {
	var a Alert
	_, err := s.change(ctx, by, act, func(tx Tx, by Actor) (err error) {
		if a, err = alertOf(tx, by, id); err != nil {
			return err
		}
		before := a
		if err := fn(&a); err != nil {
			return err
		}
		changes := differences(alertFields(&before), alertFields(&a))
		if len(changes) == 0 {
			return nil
		}
		if act == ActionAcknowledgeAlert {
			err = s.tellAlert(tx, EventAlertAcknowledged, &a)
		} else {
			err = putAlert(tx, &a)
		}
		if err != nil {
			return err
		}
		return s.audit(tx, by, act, a.Organization, a.Project, "alert", a.ID.String(), changes)
	})
	if err != nil {
		return Alert{}, err
	}
	return a, nil
}

func alertFields(a *Alert) map[string]any {
	return map[string]any{"state": string(a.State), "silenced_until": timeOrNil(a.SilencedUntil)}
}

func putAlert(tx Tx, a *Alert) error {
	a.Version++
	return tx.PutAlert(a.record())
}
