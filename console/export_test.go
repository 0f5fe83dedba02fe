package console

import "github.com/halberdhq/halberd"

// Reached is reached, which a site of one node never says.
func Reached(p halberd.Propagation) string { return reached(p) }
