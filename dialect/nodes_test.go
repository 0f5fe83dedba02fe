package dialect_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// besideASilentNode is a server whose other node never says anything. Time stands
// still, so that neither lease ends.
func besideASilentNode(t *testing.T) *server {
	t.Helper()
	db := memory.NewDatabase()
	s := serveOn(t, fixture.With(t, db.Open(), fixture.NewClock(), halberd.Options{NodeName: "here", Version: "1.2.3"}))
	silent := db.Open()
	row := halberd.NodeRecord{Incarnation: halberd.Incarnation{1}, Name: "there", Lease: halberd.MinLease}
	if err := silent.Enter(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if err := silent.Update(t.Context(), func(tx halberd.Tx) error { return tx.(halberd.ClusterTx).Activate(row.Incarnation) }); err != nil {
		t.Fatal(err)
	}
	return s
}

// Respond-async: 202, and by when it holds.
func TestAChangeThatIsNotWaitedForIs202(t *testing.T) {
	s := besideASilentNode(t)
	k := s.Make(halberd.NewKey{})
	if k.Propagation.Confirmed {
		t.Fatal("confirmed by a node that says nothing")
	}
	path := "/v1/api-keys/" + k.Key.ID.String()
	for _, prefer := range []string{"respond-async", "Respond-Async, wait=0", "handling=lenient, respond-async; x=y", "wait=0, respond-async"} {
		a := s.send(request{method: "DELETE", path: path, key: s.Root, header: http.Header{"Prefer": {prefer}}})
		var out wire.ChangeEnvelope[wire.Key]
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", prefer, a.status, a.body)
		}
		if p := out.Meta.Propagation; p.Confirmed || p.EffectiveBy == nil || p.Nodes != 2 || out.Data.State != "revoked" {
			t.Errorf("%s: %s", prefer, a.body)
		}
		if got := a.header.Get("Preference-Applied"); got != "respond-async" {
			t.Errorf("%s: Preference-Applied %q", prefer, got)
		}
	}
	// Without it, no answer is a success before the other can say nothing any more.
	a := s.send(request{method: "DELETE", path: path, key: s.Root, header: http.Header{"Prefer": {"wait=1"}}})
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("after a second: %d %s", a.status, a.body)
	}
}

// A check may ask for a revision.
func TestACheckMayAskForARevision(t *testing.T) {
	s := besideASilentNode(t)
	ask := func(revision int64) answer {
		return s.root("POST", "/v1/api-keys/verify", `{"key":"`+s.Root.Reveal()+`","at_least_revision":`+strconv.FormatInt(revision, 10)+`}`)
	}
	at := s.Stats().Revision
	for revision, want := range map[int64]int{0: 200, at: 200, at + 1000: 503, -1: 400} {
		if a := ask(revision); a.status != want {
			t.Errorf("revision %d of %d: %d %s", revision, at, a.status, a.body)
		}
	}
}

func TestTheListOfNodesIsShown(t *testing.T) {
	s := besideASilentNode(t)
	var out wire.ListEnvelope[wire.Node]
	a := s.root("GET", "/v1/nodes", "")
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || len(out.Data) != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	here, there := out.Data[0], out.Data[1]
	if here.Name != "here" || !here.This || here.Version != "1.2.3" || here.State != "active" || here.LeaseSeconds != 10+halberd.LeaseSpare.Seconds() {
		t.Errorf("%+v", here)
	}
	if there.Name != "there" || there.This || there.Behind == 0 || there.LeaseSeconds != 1 {
		t.Errorf("%+v", there)
	}
}
