package dialect_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func bulkOf(t *testing.T, a answer) wire.BulkEnvelope {
	t.Helper()
	var out wire.BulkEnvelope
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

// A foreign key and one that is not there have the same result, to the letter,
// and it is that of a call for this key alone.
func TestBulkTellsNothingOfForeignKeys(t *testing.T) {
	s := serve(t)
	_, neighbor, foreign, keys := s.inhabitants()
	one := func(at site) string {
		return s.Make(halberd.NewKey{Project: at.project, ExternalID: "cus_1"}).Key.ID.String()
	}
	ids := []string{one(neighbor), one(foreign), halberd.NewKeyID().String()}
	for _, action := range []string{"revoke", "deactivate", "activate"} {
		body := fmt.Sprintf(`{"action":%q,"key_ids":["%s"]}`, action, strings.Join(ids, `","`))
		got := bulkOf(t, s.send(request{method: "POST", path: "/v1/api-keys/bulk", body: body, key: keys["admin"]}))
		if !got.Meta.Propagation.Confirmed || len(got.Data) != 3 {
			t.Fatalf("%+v", got)
		}
		for i, r := range got.Data {
			if r.KeyID != ids[i] || r.Done || r.Error == nil || *r.Error != (wire.Error{Code: "NOT_FOUND", Message: "not found"}) {
				t.Errorf("%s: %+v %+v", action, r, r.Error)
			}
		}
	}
	if got := bulkOf(t, s.send(request{method: "POST", path: "/v1/api-keys/bulk", body: `{"action":"revoke","external_id":"cus_1"}`, key: keys["admin"]})); len(got.Data) != 0 {
		t.Errorf("%+v", got.Data)
	}
	if got := bulkOf(t, s.root("POST", "/v1/api-keys/bulk", `{"action":"revoke","external_id":"cus_1"}`)); len(got.Data) != 1 || !got.Data[0].Done || got.Data[0].Error != nil {
		t.Errorf("an organization's admin: %+v", got.Data)
	}
}

// What is there and empty is not taken for absent, and changes nothing.
func TestBulkRefusesWhatIsEmpty(t *testing.T) {
	s := serve(t)
	k := s.Make(halberd.NewKey{ExternalID: "cus_1"})
	secret := k.Secret.Reveal()
	for body, field := range map[string]string{
		`{"action":"revoke"}`:                                            "key_ids",
		`{"action":"revoke","key_ids":[]}`:                               "key_ids",
		`{"action":"revoke","key_ids":null}`:                             "key_ids",
		`{"action":"revoke","key_ids":["` + secret + `"]}`:               "key_ids",
		`{"action":"revoke","key_ids":[],"external_id":"cus_1"}`:         "external_id",
		`{"action":"revoke","external_id":""}`:                           "external_id",
		`{"action":"revoke","external_id":"cus_1","project_id":""}`:      "project_id",
		`{"action":"revoke","external_id":"cus_1","project_id":null}`:    "project_id",
		`{"action":"revoke","external_id":"cus_1","organization_id":""}`: "organization_id",
		`{"action":"","external_id":"cus_1"}`:                            "action",
		`{"external_id":"cus_1"}`:                                        "action",
		`{"action":"revoke","external_id":"cus_1","force":true}`:         "force",
	} {
		a := s.root("POST", "/v1/api-keys/bulk", body)
		var e wire.ErrorEnvelope
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != http.StatusBadRequest || e.Error.Field != field {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
		if strings.Contains(a.body, secret) {
			t.Error("a secret was repeated")
		}
	}
	if got := s.Code(k.Secret); got != halberd.Valid {
		t.Error(got)
	}
}

// The largest list fits into a body, and one more is refused.
func TestBulkTakesAThousand(t *testing.T) {
	s := serve(t)
	ids := make([]string, halberd.MaxBulkKeys)
	for i := range ids {
		ids[i] = halberd.NewKeyID().String()
	}
	body := func(ids []string) string {
		b, _ := json.MarshalIndent(map[string]any{"action": "revoke", "key_ids": ids}, "", "  ")
		return string(b)
	}
	if got := bulkOf(t, s.root("POST", "/v1/api-keys/bulk", body(ids))); len(got.Data) != len(ids) || got.Data[999].KeyID != ids[999] {
		t.Errorf("%d results", len(got.Data))
	}
	if a := s.root("POST", "/v1/api-keys/bulk", body(slices.Concat(ids, ids[:1]))); a.status != http.StatusBadRequest || !strings.Contains(a.body, "at most 1000; there are 1001") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// under one Idempotency-Key, a repetition is answered as the first time.
func TestBulkReplays(t *testing.T) {
	s := serve(t)
	k := s.Make(halberd.NewKey{})
	q := request{
		method: "POST", path: "/v1/api-keys/bulk", key: s.Root,
		body:   `{"action":"deactivate","key_ids":["` + k.Key.ID.String() + `","` + halberd.NewKeyID().String() + `"]}`,
		header: http.Header{"Idempotency-Key": {"once"}},
	}
	first := s.send(q)
	if _, err := s.Update(s.Ctx(), s.Admin, k.Key.ID, halberd.KeyPatch{Active: halberd.Some(true)}, 0); err != nil {
		t.Fatal(err)
	}
	if again := s.send(q); anonymous(again) != anonymous(first) || again.status != http.StatusOK {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	if got := s.Code(k.Secret); got != halberd.Valid {
		t.Errorf("the repetition did it again: %s", got)
	}
}
