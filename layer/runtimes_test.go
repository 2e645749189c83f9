package layer_test

import "testing"

func (c conformance) runtimes(t *testing.T) {}
