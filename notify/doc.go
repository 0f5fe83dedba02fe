// Package notify carries messages out of the instance: webhooks, signed the way
// of standardwebhooks.com, messages in Slack's format, and email.
//
// Webhooks go to addresses that strangers chose, from a machine that may stand
// inside somebody's network. So an address is judged three times: its spelling
// before any resolver is asked, what it resolves to when it is saved and when it
// is called, and the one address that a connection is really opened to.
package notify
