package halberd

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Events reads what happened to what the actor reaches, in the order of the
// commits or the reverse.
func (s *Service) Events(ctx context.Context, by Actor, q EventQuery) (out Events, err error) {
	err = s.look(ctx, by, ActionReadEvents, func(r Reader) error {
		f := EventFilter{
			Organization: by.organization, Project: by.project, Target: q.Target,
			From: seconds(q.From), To: seconds(q.To), Descending: q.Descending,
		}
		if !q.Organization.IsZero() {
			if err := s.reached(r, by, q.Organization, by.project); err != nil {
				return err
			}
			f.Organization = q.Organization
		}
		if f.Types, err = expandTypes("type", q.Types); err != nil {
			return err
		}
		limit, err := pageLimit(q.Page)
		if err != nil {
			return err
		}
		f.Limit = limit + 1
		bound := strings.Join([]string{
			"events", f.Organization.String(), f.Project.String(), strings.Join(f.Types, " "), f.Target,
			q.After.String(), fmt.Sprint(f.From, f.To, f.Descending),
		}, "\n")
		after, err := s.position(bound, q.Page.Cursor)
		if err != nil {
			return err
		}
		if after != nil {
			f.After = after.Int
		}
		if !q.After.IsZero() {
			e, err := s.eventOf(r, by, q.After)
			if isAbsent(err) {
				return Invalid("after", "must be an event that is still kept: begin without it")
			}
			if err != nil {
				return err
			}
			f.Since = e.Seq
		}
		rows, err := r.Events(f)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{Int: rows[limit-1].Seq})
		}
		out.List = make([]Event, len(rows))
		for i := range rows {
			out.List[i] = rows[i].event()
		}
		return nil
	})
	return out, err
}

// eventOf reads an event that the actor reaches.
func (s *Service) eventOf(r Reader, by Actor, id EventID) (EventRecord, error) {
	e, err := r.Event(id)
	if err != nil {
		return EventRecord{}, err
	}
	if !by.reaches(e.Organization, e.Project) {
		return EventRecord{}, errNotFound()
	}
	return e, nil
}

const (
	metaRelayed = "events_relayed" // the Seq up to which every event was handed to deliveries

	// eventsDropped bounds what one call of TidyEvents drops.
	eventsDropped = 1_000
	// waitingEvents is how many times as long as others an event is kept that no
	// one has taken for delivery yet: a relay that stands still does not fill the
	// disk.
	waitingEvents = 4
)

// EventRetention is how long events are kept, 30 days, unless it is told
// otherwise.
const EventRetention = 30 * 24 * time.Hour

// TidyEvents drops some of the events that are older than keep, and of the
// deliveries that were made before. Events which the relay has not taken yet are kept four times as long. It reports whether there
// is more to do.
func (s *Service) TidyEvents(ctx context.Context, keep time.Duration) (more bool, err error) {
	if keep < 24*time.Hour {
		return false, Invalid("events", "must be kept for a day at least")
	}
	now := s.now()
	err = s.update(ctx, func(tx Tx) error {
		relayed, err := relayedThrough(tx)
		if err != nil {
			return err
		}
		n, err := tx.DropEvents(now.Add(-keep).Unix(), relayed, eventsDropped)
		if err != nil || n == eventsDropped {
			more = n == eventsDropped
			return err
		}
		lost, err := tx.DropEvents(now.Add(-waitingEvents*keep).Unix(), 1<<62, eventsDropped)
		if lost > 0 {
			s.log.Error("events were dropped that nobody was told of: the relay stands still", "events", lost)
		}
		if err != nil || lost == eventsDropped {
			more = lost == eventsDropped
			return err
		}
		n, err = tx.DropDeliveries(now.Add(-keep).Unix(), eventsDropped)
		more = n == eventsDropped
		return err
	})
	return more, outward(err)
}

// relayedThrough is where the relay stands.
func relayedThrough(r Reader) (int64, error) {
	text, err := r.Meta(metaRelayed)
	if isAbsent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var seq int64
	if _, err := fmt.Sscan(text, &seq); err != nil {
		return 0, fmt.Errorf("position of the relay: %w", err)
	}
	return seq, nil
}
