// Package halberd issues, lists, edits, rotates, revokes and checks API keys.
// It is the whole product without a surface: programs embed it, and the server
// puts HTTP on it.
//
//	store, err := sqlite.Open(ctx, "halberd-data", sqlite.Options{})
//	…
//	keys, err := halberd.New(ctx, store, halberd.Options{})
//	…
//	v, err := keys.Verify(ctx, halberd.Check{
//		Secret: halberd.NewSecret(text),
//		Scopes: []halberd.Scope{"write"},
//	})
//	if err != nil || !v.Valid() {
//		// refuse: v.Code says why, err that it is not known
//	}
//
// A tour, bottom up. Words: a Key belongs to a Project of an Organization
// (key.go, project.go), holds Scopes over Resources (scope.go, resource.go) and
// shows its Secret once (secret.go). An Actor asks (actor.go), and every refusal
// is one Error (errors.go). Rows are kept by a Store (store.go), packed and
// unpacked by codec.go and sealed with the pepper by seal.go: digests, and a
// MAC on every row.
//
// Starting: New finds the pepper and reads every key into memory (load.go),
// believing no row without its MAC (rows.go), and replays the journal of
// revocations that outlives restored backups (journal.go). start.go is the very
// first start, and the way back when the admin key is lost.
//
// Doing: every method passes one gate (gate.go) that permits and audits. Create,
// Update, Rotate and Revoke each have a file; grant.go is the rule that no one
// grants more than they hold. Reading is read.go, with cursors in cursor.go.
//
// Checking: verify.go walks the published order over what directory.go holds in
// memory, which is every key, complete. No check touches a store. What was
// counted is handed over by usage.go.
//
// The promise above all: when Revoke returns, no check that begins afterwards
// accepts the key.
package halberd
