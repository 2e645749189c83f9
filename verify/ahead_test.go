package verify

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

type closing struct {
	witness.Session
	closed *atomic.Int64
}

func (c closing) Close() error {
	c.closed.Add(1)
	return c.Session.Close()
}

func TestASessionOpenedAheadIsUsedOnceAndClosed(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1)
	for _, tc := range []struct {
		name   string
		memory int64
		equal  bool
	}{
		{"the reference evaluates the model", 0, true},
		{"it does not", 250, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var opened, closed atomic.Int64
			rt := made{name: "fake", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
				opened.Add(1)
				s, err := (&fake{}).runtime("fake").Open(ctx, m)
				return closing{s, &closed}, err
			}}
			o := Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rt}, Reference: reference.Options{Memory: tc.memory}}
			r := report(t, o)
			if rows := rowsOf(r, "fake"); tc.equal != (len(rows) > 0 && rows[0].Verdict == Equal) {
				t.Errorf("rows %+v (%s), want equal: %v", rows, r.Models[0].Problem, tc.equal)
			}
			if opened.Load() != 1 || closed.Load() != 1 {
				t.Errorf("%d sessions opened, %d closed, want one of each", opened.Load(), closed.Load())
			}
		})
	}
}
