package cli

import (
	"strings"
	"testing"
	"time"
)

func TestBar(t *testing.T) {
	var out strings.Builder
	b := newBar(&Streams{Terminal: true, plainErr: &out}, 40)
	for _, tt := range []struct {
		n    int
		want string
	}{
		{0, "  0% [>                   ]  a"},
		{10, " 25% [=====>              ]  a"},
		{40, "100% [====================]  a"},
		{-3, "  0% [>                   ]  a"},
		{41, "100% [====================]  a"},
	} {
		out.Reset()
		b.show(time.Now(), tt.n, "a", strings.Repeat("b", 80))
		if got := strings.TrimPrefix(out.String(), eraseLine); got != tt.want {
			t.Errorf("at %d of 40: %q, want %q", tt.n, got, tt.want)
		}
	}
	out.Reset()
	b.clear()
	if out.String() != eraseLine {
		t.Errorf("clear wrote %q, want %q", out.String(), eraseLine)
	}
	if b := newBar(&Streams{plainErr: &out}, 40); b != nil {
		t.Error("a bar where nobody watches")
	}
}
