// Package simulation runs the real code of three nodes in one
// testing/synctest bubble and breaks everything around it, as a seed says:
// messages that come late or never, before their effect or after it, nodes that
// are paused, suspended, killed and started again, clocks that run at their own
// rate and are set, a database that is away or comes back without its last
// changes. Meanwhile keys are made, checked, revoked, deactivated, narrowed and
// rotated, and what was answered is judged.
//
// What is real is halberd.Service and all below it, and the memory engine's
// database. What is simulated is time, the way to the database, and the machines.
//
// world_test.go is where it begins. judge_test.go is the rule. With the build tag
// planted, planted_test.go writes one bug after the other into the real code and
// wants each to be found.
package simulation
