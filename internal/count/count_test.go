package count

import "testing"

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		n           int
		thing, want string
	}{{0, "file", "0 files"}, {1, "file", "1 file"}, {2, "file", "2 files"}, {1, "class", "1 class"}, {2, "class", "2 classes"}} {
		if got := Of(tc.n, tc.thing); got != tc.want {
			t.Errorf("Of(%d, %q) is %q, want %q", tc.n, tc.thing, got, tc.want)
		}
	}
}
