//go:build !race

package server_test

const raceFlag = "-race=false"
