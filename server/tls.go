package server

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// certificates holds the certificate that new connections are shown. It is
// replaced as a whole, or not at all.
type certificates struct {
	current atomic.Pointer[tls.Certificate]
}

// load reads the files. When they are no good the former certificate stays.
func (c *certificates) load(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", certFile, keyFile, err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
