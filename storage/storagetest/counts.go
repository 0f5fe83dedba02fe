package storagetest

import (
	"sync"

	"github.com/halberdhq/halberd"
)

var countCases = []contract{
	{"revoked and expired keys take no place, inactive ones do", func(s *subject) {
		s.insert(key(1),
			key(2, func(k *halberd.KeyRecord) { k.State = halberd.StateInactive }),
			key(3, revoke(5)),
			key(4, func(k *halberd.KeyRecord) { k.ExpiresAt = 500 }),
			key(5, func(k *halberd.KeyRecord) { k.ExpiresAt = 501 }),
			key(6, func(k *halberd.KeyRecord) { k.State, k.ExpiresAt = halberd.StateInactive, 500 }),
			key(7, func(k *halberd.KeyRecord) { k.NotBefore = 900 }),
			key(8, func(k *halberd.KeyRecord) { k.Project = projectID(2) }),
			key(9, func(k *halberd.KeyRecord) { k.Project = halberd.ProjectID{} }))
		s.view(func(r halberd.Reader) error {
			n, err := r.CountKeys(projectID(1), 500)
			equal(s, "project 1", n, 4)
			if err != nil {
				return err
			}
			n, err = r.CountKeys(projectID(3), 500)
			equal(s, "empty project", n, 0)
			return err
		})
	}},
	{"admins are organization-wide, active, endless and begun", func(s *subject) {
		admin := func(k *halberd.KeyRecord) { k.Project, k.Scopes = halberd.ProjectID{}, "read write admin" }
		s.insert(key(1, admin), key(2, admin),
			key(3, admin, func(k *halberd.KeyRecord) { k.Project = projectID(1) }),
			key(4, admin, func(k *halberd.KeyRecord) { k.Scopes = "read write administrators:all" }),
			key(5, admin, func(k *halberd.KeyRecord) { k.State = halberd.StateInactive }),
			key(6, admin, revoke(5)),
			key(7, admin, func(k *halberd.KeyRecord) { k.ExpiresAt = 1 << 40 }),
			key(8, admin, func(k *halberd.KeyRecord) { k.NotBefore = 501 }),
			key(9, admin, func(k *halberd.KeyRecord) { k.NotBefore = 500 }),
			key(10, admin, func(k *halberd.KeyRecord) { k.Organization = organizationID(2) }))
		s.view(func(r halberd.Reader) error {
			for _, c := range []struct{ organization, except, want int }{{1, 0, 3}, {1, 1, 2}, {1, 3, 3}, {2, 10, 0}, {2, 0, 1}, {3, 0, 0}} {
				n, err := r.CountAdmins(organizationID(c.organization), keyID(c.except), 500)
				if err != nil {
					return err
				}
				equal(s, "admins", n, c.want)
			}
			return nil
		})
	}},
	{"200 creates at once under a ceiling of 20 end with exactly 20", func(s *subject) {
		const ceiling = 20
		var made, full sync.Map
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				err := s.Update(background(), func(tx halberd.Tx) error {
					count, err := tx.CountKeys(projectID(1), 1)
					if err != nil {
						return err
					}
					if count >= ceiling {
						return errWanted
					}
					return tx.InsertKey(key(n + 1))
				})
				switch err {
				case nil:
					made.Store(n, true)
				case errWanted:
					full.Store(n, true)
				default:
					s.Errorf("Update: %v", err)
				}
			})
		}
		all.Wait()
		equal(s, "made", size(&made), ceiling)
		equal(s, "refused", size(&full), 200-ceiling)
		equal(s, "kept", len(s.list(halberd.KeyFilter{})), ceiling)
	}},
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}
