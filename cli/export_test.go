package cli

// HoldsKey reports whether there is a key in text.
func HoldsKey(text string) bool { return refuseSecrets([]string{text}) != nil }

// ExitFor is the exit code of a code.
func ExitFor(code string) (int, bool) {
	r, ok := refusals[code]
	return r.exit, ok
}
