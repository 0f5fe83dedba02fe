package console

import (
	"net/http"
	"time"

	"github.com/halberdhq/halberd"
)

// What is done to one key from its menu: activate, deactivate, rotate, revoke.

type actView struct {
	Area    area
	Key     halberd.Key
	State   halberd.State
	Used    string
	InUse   bool // used within a day
	Once    string
	Problem string
	Called  string
}

func (x *exchange) showAct(status int, name, title string, k *halberd.Key, problem string) error {
	return x.render(status, name, title+" "+called(k), "keys", actView{
		Area: x.area, Key: *k, State: k.StateAt(x.now), Used: ago(k.LastUsedAt, x.now),
		InUse: x.now.Sub(k.LastUsedAt) < 24*time.Hour, Once: halberd.NewRequestID().String(), Problem: problem, Called: called(k),
	})
}

func setActive(x *exchange) error {
	k, err := x.key()
	if err != nil {
		return err
	}
	active := x.form("active") == "true"
	_, err = x.c.svc.Update(x.r.Context(), x.by, k.ID, halberd.KeyPatch{Active: halberd.Some(active)}, 0)
	if err != nil {
		return err
	}
	if active {
		x.say(called(&k) + " is active again, on every node.")
	} else {
		x.say(called(&k) + " is deactivated: every node refuses it now. Activate it to undo that.")
	}
	return x.goTo(x.area.At("/api-keys"))
}

func rotatePage(x *exchange) error {
	k, err := x.key()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionRotateKey)
	}
	if err != nil {
		return err
	}
	return x.showAct(http.StatusOK, "rotate.html", "Rotate", &k, "")
}

// overlaps are how long the old secret may go on.
var overlaps = map[string]time.Duration{"now": 0, "1h": time.Hour, "48h": 48 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

func rotateKey(x *exchange) error {
	k, err := x.key()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionRotateKey)
	}
	if err != nil {
		return err
	}
	overlap, ok := overlaps[x.form("overlap")]
	if !ok {
		return x.showAct(http.StatusBadRequest, "rotate.html", "Rotate", &k, "Choose when the old secret stops.")
	}
	made, err := x.c.svc.Rotate(x.r.Context(), x.once("rotate "+k.ID.String(), x.form("once")), k.ID, overlap, 0)
	if e, ok := asError(err); ok {
		switch e.Code {
		case halberd.CodeIdempotencyReplay:
			x.say("This form was sent before, and the new secret was shown then. Rotate again for another.")
			return x.goTo(x.area.At("/api-keys/" + k.ID.String()))
		case halberd.CodeConflict, halberd.CodeKeyRevoked, halberd.CodeScopeEscalation:
			return x.showAct(http.StatusConflict, "rotate.html", "Rotate", &k, message(err))
		}
	}
	if err != nil {
		return err
	}
	return x.showSecret(made, "Store the new secret now")
}

func endOverlap(x *exchange) error {
	k, err := x.key()
	if err != nil {
		return err
	}
	if _, err := x.c.svc.EndOverlap(x.r.Context(), x.by, k.ID, 0); err != nil {
		return err
	}
	x.say("The old secret of " + called(&k) + " is refused from now on.")
	return x.goTo(x.area.At("/api-keys/" + k.ID.String()))
}

func revokePage(x *exchange) error {
	k, err := x.key()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionRevokeKey)
	}
	if err != nil {
		return err
	}
	return x.showAct(http.StatusOK, "revoke.html", "Revoke", &k, "")
}

// reasons are what the page offers; the text goes into the key and the audit log.
var reasons = map[string]string{
	"compromised": "compromised", "unneeded": "no longer needed", "rotated": "replaced by another key", "": "",
}

func revokeKey(x *exchange) error {
	k, err := x.key()
	if err != nil {
		return err
	}
	reason, ok := reasons[x.form("why")]
	if !ok {
		return x.showAct(http.StatusBadRequest, "revoke.html", "Revoke", &k, "Choose one of the reasons.")
	}
	out, err := x.c.svc.Revoke(x.r.Context(), x.by, k.ID, reason, 0)
	if e, ok := asError(err); ok && (e.Code == halberd.CodeLastAdmin || e.Code == halberd.CodeScopeEscalation) {
		return x.showAct(http.StatusConflict, "revoke.html", "Revoke", &k, message(err))
	}
	if err != nil {
		return err
	}
	x.say(called(&out.Key) + " is revoked. Every check that starts from now on is refused, and nothing brings the key back." + reached(out.Propagation))
	return x.goTo(x.area.At("/api-keys"))
}
