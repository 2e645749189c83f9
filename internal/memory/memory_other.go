//go:build !linux && !darwin && !windows

package memory

import "math"

func physical() float64 { return unknown }

func limit() float64 { return math.Inf(1) }
