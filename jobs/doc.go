// Package jobs does what nobody waits for: it carries events out to webhooks and
// by email, tries again what failed, and runs the housekeeping that is due every
// so often.
//
// It stands on river: jobs are rows of a database, a job is done at least once
// however often the process dies, one node at a time is the leader who says what
// is due, and every node works. On SQLite the jobs are in a file of their own
// beside the keys, on PostgreSQL in a schema of the same database.
//
// What there is to deliver is the ground's to know (the outbox): a job only says
// which delivery is to be tried. So a lost jobs database loses nothing but
// its schedule.
package jobs
