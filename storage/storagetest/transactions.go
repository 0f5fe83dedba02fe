package storagetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/halberdhq/halberd"
)

var transactionCases = []contract{
	{"an Update is all or nothing", func(s *subject) {
		s.insert(key(1))
		s.put(project(1))
		s.refused(errWanted, func(tx halberd.Tx) error {
			return errors.Join(everything(tx), errWanted)
		})
		s.wantUntouched()
	}},
	{"the error of an Update is returned as it is", func(s *subject) {
		if err := s.Update(s.Context(), func(halberd.Tx) error { return errWanted }); err != errWanted {
			s.Errorf("Update: %v", err)
		}
		if err := s.View(s.Context(), func(halberd.Reader) error { return errWanted }); err != errWanted {
			s.Errorf("View: %v", err)
		}
	}},
	{"a panic in an Update undoes it and does not wedge the store", func(s *subject) {
		s.insert(key(1))
		s.put(project(1))
		func() {
			defer func() { _ = recover() }()
			_ = s.Update(s.Context(), func(tx halberd.Tx) error {
				if err := everything(tx); err != nil {
					s.Error(err)
				}
				panic("planted")
			})
		}()
		s.wantUntouched()
		s.insert(key(9))
	}},
	{"a goroutine that ends inside an Update undoes it and does not wedge the store", func(s *subject) {
		s.insert(key(1))
		s.put(project(1))
		var ended sync.WaitGroup
		ended.Go(func() {
			_ = s.Update(background(), func(tx halberd.Tx) error {
				if err := everything(tx); err != nil {
					s.Error(err)
				}
				runtime.Goexit()
				return nil
			})
		})
		ended.Wait()
		s.wantUntouched()
		s.insert(key(9))
	}},
	{"a panic in a View does not wedge the store", func(s *subject) {
		for range 20 {
			func() {
				defer func() { _ = recover() }()
				_ = s.View(s.Context(), func(halberd.Reader) error { panic("planted") })
			}()
		}
		s.insert(key(1))
		equal(s, "key", s.key(1), key(1))
	}},
	{"a failing Update does not disturb the others beside it", func(s *subject) {
		var all sync.WaitGroup
		for n := 1; n <= 90; n++ {
			all.Go(func() {
				defer func() { _ = recover() }()
				err := s.Update(background(), func(tx halberd.Tx) error {
					if err := tx.InsertKey(key(n)); err != nil {
						return err
					}
					switch n % 3 {
					case 0:
						return errWanted
					case 1:
						panic("planted")
					}
					return nil
				})
				if n%3 == 2 && err != nil || n%3 == 0 && err != errWanted {
					s.Errorf("Update %d: %v", n, err)
				}
			})
		}
		all.Wait()
		var want []int
		for n := 2; n <= 90; n += 3 {
			want = append(want, n)
		}
		s.wantList(halberd.KeyFilter{}, want...)
		s.wantRevision(30)
	}},
	{"a context that has ended means fn is not run", func(s *subject) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		err := s.Update(ctx, func(halberd.Tx) error { s.Error("Update ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			s.Errorf("Update: %v", err)
		}
		err = s.View(ctx, func(halberd.Reader) error { s.Error("View ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			s.Errorf("View: %v", err)
		}
	}},
	{"a context that ends while an Update waits means fn is not run", func(s *subject) {
		inside, release := make(chan bool), make(chan bool)
		var all sync.WaitGroup
		all.Go(func() {
			_ = s.Update(background(), func(halberd.Tx) error { close(inside); <-release; return nil })
		})
		<-inside
		ctx, cancel := context.WithCancel(s.Context())
		var waiting atomic.Int64
		for range 10 {
			all.Go(func() {
				waiting.Add(1)
				err := s.Update(ctx, func(halberd.Tx) error { s.Error("Update ran"); return nil })
				if !errors.Is(err, context.Canceled) {
					s.Errorf("Update: %v", err)
				}
			})
		}
		for waiting.Load() < 10 {
			runtime.Gosched()
		}
		cancel()
		close(release)
		all.Wait()
		s.insert(key(1))
	}},
	{"a context that ends inside fn changes nothing: the outcome is what is returned", func(s *subject) {
		ctx, cancel := context.WithCancel(s.Context())
		if err := s.Update(ctx, func(tx halberd.Tx) error {
			cancel()
			return tx.InsertKey(key(1))
		}); err != nil {
			s.Errorf("Update: %v", err)
		}
		equal(s, "key", s.key(1), key(1))
	}},
	{"the revision is dense, and only keys, projects and organizations advance it", func(s *subject) {
		s.wantRevision(0)
		s.insert(key(1), key(2))
		s.wantRevision(1)
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(next(key(1))) })
		s.wantRevision(2)
		s.put(project(1))
		s.wantRevision(3)
		s.update(func(tx halberd.Tx) error { return tx.PutOrganization(organization(1)) })
		s.wantRevision(4)
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("a", "b") })
		s.record(event(1))
		s.update(func(tx halberd.Tx) error { return tx.RecordIdempotency(idempotency("a", "b", "c", 9), 1) })
		s.update(func(halberd.Tx) error { return nil })
		s.refused(errWanted, func(tx halberd.Tx) error { return errors.Join(tx.InsertKey(key(3)), errWanted) })
		s.use(used(1, 5000))
		s.wantRevision(4)
	}},
	{"Updates at once are as if one came after the other", func(s *subject) {
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("sum", "0") })
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 10 {
					if err := s.Update(background(), func(tx halberd.Tx) error {
						text, err := tx.Meta("sum")
						if err != nil {
							return err
						}
						var n int
						if _, err := fmt.Sscan(text, &n); err != nil {
							return err
						}
						return tx.SetMeta("sum", fmt.Sprint(n+1))
					}); err != nil {
						s.Errorf("Update: %v", err)
					}
				}
			})
		}
		all.Wait()
		s.view(func(r halberd.Reader) error {
			got, err := r.Meta("sum")
			equal(s, "sum", got, "200")
			return err
		})
	}},
	{"a View sees every Update that has returned", func(s *subject) {
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 25 {
					n := 1 + g*25 + i
					if err := s.Update(background(), func(tx halberd.Tx) error { return tx.InsertKey(key(n)) }); err != nil {
						s.Errorf("Update: %v", err)
					}
					if err := s.View(background(), func(r halberd.Reader) error { _, err := r.Key(keyID(n)); return err }); err != nil {
						s.Errorf("View after insert %d: %v", n, err)
					}
				}
			})
		}
		all.Wait()
	}},
	{"a View is of one state", func(s *subject) {
		pair := func(version int64) func(halberd.Tx) error {
			return func(tx halberd.Tx) error {
				for n := 1; n <= 2; n++ {
					k := key(n, func(k *halberd.KeyRecord) { k.Version = version })
					write := tx.UpdateKey
					if version == 1 {
						write = tx.InsertKey
					}
					if err := write(k); err != nil {
						return err
					}
				}
				return nil
			}
		}
		s.update(pair(1))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					if err := s.View(background(), func(r halberd.Reader) error {
						a, err := r.Key(keyID(1))
						runtime.Gosched()
						b, err2 := r.Key(keyID(2))
						revision, err3 := r.Revision()
						if a.Version != b.Version || a.Version != revision {
							s.Errorf("versions %d and %d at revision %d", a.Version, b.Version, revision)
						}
						return errors.Join(err, err2, err3)
					}); err != nil {
						s.Errorf("View: %v", err)
					}
				}
			})
		}
		for version := int64(2); version <= 60; version++ {
			s.update(pair(version))
		}
		all.Wait()
	}},
}

// everything writes one of each.
func everything(tx halberd.Tx) error {
	return errors.Join(
		tx.InsertKey(key(2)),
		tx.UpdateKey(next(key(1), func(k *halberd.KeyRecord) { k.Digest = digest(3) })),
		tx.PutProject(project(1, func(p *halberd.ProjectRecord) { p.Version, p.Default = 2, true })),
		tx.PutProject(project(2)),
		tx.PutOrganization(organization(1)),
		tx.SetMeta("a", "b"),
		tx.RecordIdempotency(idempotency("a", "b", "c", 9), 1),
		tx.AppendAudit(event(1)),
		tx.AppendEvent(happened(1)),
	)
}

// wantUntouched wants key 1 and project 1 and nothing of everything.
func (s *subject) wantUntouched() {
	s.Helper()
	s.wantList(halberd.KeyFilter{}, 1)
	equal(s, "key", s.key(1), key(1))
	equal(s, "project", s.project(1), project(1))
	s.wantProjects(halberd.OrganizationID{}, 0, 0, true, 1)
	s.wantAudit(halberd.AuditFilter{})
	s.wantEvents(halberd.EventFilter{})
	s.wantRevision(2)
	s.wantIdempotent(idempotency("a", "b", "c", 9), 1, halberd.IdempotencyRecord{})
	s.view(func(r halberd.Reader) error {
		_, err := r.Meta("a")
		equal(s, "meta", err, halberd.ErrNotFound)
		_, err = r.DefaultProject(organizationID(1))
		equal(s, "default project", err, halberd.ErrNotFound)
		_, err = r.Organization(organizationID(1))
		equal(s, "organization", err, halberd.ErrNotFound)
		return nil
	})
	// Neither the digests of what was undone nor those it replaced are lost.
	s.refused(errWanted, func(tx halberd.Tx) error {
		if err := tx.InsertKey(key(4, func(k *halberd.KeyRecord) { k.Digest = digest(1) })); err != halberd.ErrConflict {
			s.Errorf("taken digest: %v", err)
		}
		return errors.Join(tx.InsertKey(key(5, func(k *halberd.KeyRecord) { k.Digest = digest(3) })), errWanted)
	})
}

func (s *subject) wantRevision(want int64) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		got, err := r.Revision()
		equal(s, "revision", got, want)
		return err
	})
}
