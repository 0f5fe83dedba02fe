package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

func TestNoticesSayWhatHappened(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		typ         halberd.EventType
		data, title string
		link        string
		lines       []string
	}{
		{halberd.EventKeyRevoked, `{"key_id":"key_1","label":"CI","prefix":"hb_live_abc","version":3,"actor":{"type":"member","id":"mbr_1"}}`,
			"Key CI: revoked", "https://k/settings/api-keys/key_1", []string{"actor: id mbr_1, type member", "prefix: hb_live_abc"}},
		{halberd.EventKeyUpdated, `{"key_id":"key_1","prefix":"hb_live_abc","changed":["name","scopes"]}`,
			"Key hb_live_abc: updated", "https://k/settings/api-keys/key_1", []string{"changed: name, scopes"}},
		{halberd.EventAlertOpened, `{"alert_id":"alr_1","cause":"A revoked key is used","key_id":"key_1"}`,
			"A revoked key is used", "https://k/settings/api-keys/key_1", []string{"alert id: alr_1"}},
		{halberd.EventAlertOpened, `{"alert_id":"alr_1","cause":"It was revoked and is still being used.","key_id":"key_1","label":"CI","prefix":"hb_live_abc"}`,
			"Key CI: It was revoked and is still being used.", "https://k/settings/api-keys/key_1", []string{"cause: It was revoked and is still being used.", "label: CI"}},
		{halberd.EventAlertResolved, `{"alert_id":"alr_1","cause":"Too many errors"}`, "Too many errors (resolved)", "", []string{"cause: Too many errors"}},
		{halberd.EventMemberSignedOut, `{"member_id":"mbr_1","state":"active"}`, "Member mbr_1: signed out", "", []string{"state: active"}},
		{halberd.EventWebhookTest, `no JSON`, "Webhook: test", "", nil},
	} {
		n := notice(halberd.Event{At: at, Type: c.typ, Data: c.data}, "https://k")
		if n.Title != c.title || n.Link != c.link {
			t.Errorf("%s: %q %q", c.typ, n.Title, n.Link)
		}
		for _, l := range append(c.lines, "time: 2026-01-02 03:04:05 UTC") {
			if !slices.Contains(n.Lines, l) {
				t.Errorf("%s: no %q in %q", c.typ, l, n.Lines)
			}
		}
		if strings.Contains(strings.Join(n.Lines, " "), "version") {
			t.Errorf("%s: %q", c.typ, n.Lines)
		}
	}
}
