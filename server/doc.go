// Package server is the roof: it opens the engine, puts the surfaces on two
// listeners and takes them down again, and holds the verbs of whoever runs the
// instance: serve, backup, restore, recover, doctor.
//
// Start at Commands, then serve.go (the life of one instance) and routes.go
// (what is reached where). Rooms get the few values they need, never the
// Config.
//
// It is not the place for a rule about keys: those live in the ground.
package server
