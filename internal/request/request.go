// Package request holds what every HTTP surface does alike.
package request
