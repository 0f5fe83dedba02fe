//go:build linux

package prove

import "testing"

// provePlants has every planted bug found, and says how many there are.
func provePlants(t *testing.T) (caught, all int) {
	t.Helper()
	for name, want := range plantedHistories() {
		if want.stale+want.backward+want.lost == 0 {
			continue
		}
		all++
		if j := judge(want.history); len(j.stale) == want.stale && len(j.backward) == want.backward && len(j.lost) == want.lost {
			caught++
		} else {
			t.Errorf("planted history %q: not found", name)
		}
	}
	return caught, all
}
