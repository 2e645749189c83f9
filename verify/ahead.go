package verify

import (
	"context"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

// An ahead is a runtime that opens a model while the reference evaluates it: programs take their time to start, and do little
// work on more than one core before they run.
type ahead struct {
	rt      string
	model   onnx.Model // as it was then
	cancel  context.CancelFunc
	done    chan struct{} // closed when the rest is there
	session witness.Session
	err     error
}

// openAhead begins to open the model in the first runtime that will be asked, unless that is missing. Jobs that only prepare have
// no probes.
func (j *job) openAhead(ctx context.Context) {
	if j.probes == nil {
		return
	}
	for _, rt := range j.options.Runtimes {
		if j.options.Omit != nil && j.options.Omit(rt, j.model) {
			continue
		}
		opening, cancel := context.WithCancel(ctx)
		a := &ahead{rt: rt.Name(), model: *j.model, cancel: cancel, done: make(chan struct{})}
		j.ahead = a
		go func() {
			defer close(a.done)
			if _, a.err = j.probes.ask(ctx, rt, j.options.Timeout); a.err == nil {
				a.session, a.err = j.openNow(opening, rt, &a.model)
			}
		}()
		return
	}
}

// open opens the model in a runtime, or takes the session that was opened ahead. What the data sets show of the model may have
// changed it since.
func (j *job) open(ctx context.Context, rt witness.Runtime) (witness.Session, error) {
	a := j.ahead
	if a == nil || a.rt != rt.Name() || a.model.Proto != j.model.Proto {
		return j.openNow(ctx, rt, j.model)
	}
	j.ahead = nil
	defer a.cancel()
	<-a.done
	return a.session, a.err
}

func (j *job) openNow(ctx context.Context, rt witness.Runtime, m *onnx.Model) (witness.Session, error) {
	return guarded(ctx, j.options.Timeout, func(ctx context.Context) (witness.Session, error) { return rt.Open(ctx, m) })
}

// close ends what nobody took.
func (a *ahead) close(ctx context.Context) {
	if a == nil {
		return
	}
	a.cancel()
	<-a.done
	if a.session != nil {
		closeSession(ctx, a.session)
	}
}
