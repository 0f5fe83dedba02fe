package server

import (
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fixture"
)

func TestTheDoctorSeesAClockThatIsBehindTheDatabase(t *testing.T) {
	world := fixture.New(t)
	for behind, want := range map[time.Duration]string{0: stateOK, time.Minute: stateOK, time.Hour: stateFail} {
		d := doctor{service: world.Service, now: world.Clock.Now().Add(-behind)}
		d.rows(t.Context())
		for _, f := range d.found {
			if f.Check == "clock" && (f.State != want || want == stateFail && !strings.Contains(f.Remedy, "set the clock")) {
				t.Errorf("%v behind: %+v", behind, f)
			}
		}
	}
}
