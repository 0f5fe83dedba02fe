package halberd_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// G5, A-48: two hundred creates at once on each of a hundred empty projects
// end with exactly twenty keys each, on every engine.
func TestAHundredProjectsAtTheirCeiling(t *testing.T) {
	onDisk, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "data"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]halberd.Store{"memory": memory.New(), "sqlite": onDisk} {
		t.Run(name, func(t *testing.T) {
			w := fixture.On(t, store, fixture.NewClock())
			const projects, creates = 100, 200
			var homes [projects]halberd.ProjectID
			for i := range homes {
				homes[i] = w.Project(fmt.Sprint("p", i)).ID
			}
			var made [projects]atomic.Int64
			work := make(chan int, creates)
			var all sync.WaitGroup
			for range creates {
				all.Go(func() {
					for i := range work {
						_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Project: homes[i]})
						switch halberd.CodeOf(err) {
						case "":
							made[i].Add(1)
						case halberd.CodeKeyLimitExceeded:
						default:
							t.Error(err)
						}
					}
				})
			}
			for i := range projects {
				for range creates {
					work <- i
				}
			}
			close(work)
			all.Wait()
			for i := range made {
				l, err := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Project: homes[i], Page: halberd.Page{Limit: 1000}})
				if err != nil || made[i].Load() != 20 || len(l.List) != 20 {
					t.Errorf("project %d: %d made, %d listed, %v", i, made[i].Load(), len(l.List), err)
				}
			}
		})
	}
}
