package cli

import (
	"hash/crc32"
	"strings"
)

// refuseSecrets refuses arguments that hold an API key: what stands on a
// command line is in the shell's history and in every process list. The text is
// not repeated. It looks for keys anywhere in an argument, so that
// `--header "Authorization: Bearer …"` does not pass either.
// known are the secrets of the environment, which may be keys that another
// system made and that have no shape of ours.
func refuseSecrets(args []string, known ...string) error {
	for _, arg := range args {
		for _, k := range known {
			if len(k) >= 16 && strings.Contains(arg, k) {
				return errSecretArgument()
			}
		}
		for start, end := 0, 0; start < len(arg); start = end + 1 {
			for end = start; end < len(arg) && wordByte(arg[end]); end++ {
			}
			if keyShaped(arg[start:end]) {
				return errSecretArgument()
			}
		}
	}
	return nil
}

func errSecretArgument() error {
	return usage("an argument is an API key, and the command line is no place for one: " +
		"it is kept in the shell's history and shown in process lists.\n" +
		"    To use a key, put it in HB_API_KEY or run `hb login`. To check one, `hb verify` reads it from stdin.\n" +
		"    Commands take a key's id (key_…). If this key is in use, rotate it now.")
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// keyShaped reports whether s ends in `_`, 26 characters and their checksum,
// as every key of Halberd does. The checksum keeps other people's ids out.
func keyShaped(s string) bool {
	const digits, sum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 6
	n := len(s) - 26 - sum - 1
	if n < 1 || s[n] != '_' {
		return false
	}
	crc := crc32.ChecksumIEEE([]byte(s[:len(s)-sum]))
	for i := len(s) - 1; i >= len(s)-sum; i-- {
		if s[i] != digits[crc%62] {
			return false
		}
		crc /= 62
	}
	return true
}
