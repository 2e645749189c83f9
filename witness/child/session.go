package child

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

const (
	defaultTimeout = 2 * time.Minute
	defaultParting = 5 * time.Second
	stderrTail     = 4 << 10
)

// Session is one driver process with one model. Its methods may be called from several goroutines; runs follow one another.
type Session struct {
	name     string
	version  string
	settings string
	timeout  time.Duration
	parting  time.Duration
	maxReply int64

	signature witness.Signature // of the model
	outputs   []string          // their names
	aliases   map[string]string // of inputs and outputs, as the driver knows them

	cmd    *exec.Cmd
	stdin  *os.File // our ends of the driver's pipes
	stdout *os.File
	stderr *tail
	done   chan struct{} // closed when the process has been waited for

	mu     sync.Mutex // held through an exchange
	w      *bufio.Writer
	r      *bufio.Reader
	ended  error // why no further exchange is possible
	closed bool
}

// DiedError reports a driver process that ended, or had to be ended, before it answered.
type DiedError struct {
	Runtime string
	Doing   string // open, run, or start
	Status  string // how the process ended, such as "exit status 3" or "signal: killed"
	Crashed bool   // by a signal or a system exception, and not because we ended it
	Stderr  string // the beginning and the end of what it wrote to standard error
	Err     error  // what the parent saw: a broken stream, a *FrameError, or the context's error
}

func (e *DiedError) Error() string {
	s := fmt.Sprintf("%s: %s: %v (process: %s)", e.Runtime, e.Doing, e.Err, e.Status)
	if e.Crashed {
		s = fmt.Sprintf("%s: %s: the runtime crashed (%s)", e.Runtime, e.Doing, e.Status)
	}
	if e.Stderr != "" {
		s += ": stderr: " + e.Stderr
	}
	return s
}

func (e *DiedError) Unwrap() error { return e.Err }

// start runs a driver up to its greeting.
func (r *Runtime) start(ctx context.Context) (*Session, error) {
	path, err := r.program()
	if err != nil {
		return nil, err
	}
	dirs, refused, err := r.lookIn()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Label, err)
	}
	s := &Session{
		name:     r.Label,
		timeout:  cmp.Or(r.Timeout, defaultTimeout),
		parting:  cmp.Or(r.parting, defaultParting),
		maxReply: cmp.Or(r.MaxReply, defaultBody),
		cmd:      exec.Command(path, slices.Concat(r.Args, dirs)...),
		stderr:   &tail{max: stderrTail},
	}
	s.cmd.Stderr = s.stderr
	s.cmd.WaitDelay = s.parting // a grandchild may keep standard error open
	ownGroup(s.cmd)
	if err := s.launch(r.Env); err != nil {
		return nil, &witness.BrokenError{Err: fmt.Errorf("%s: %w", r.Label, err)}
	}
	s.w, s.r = bufio.NewWriterSize(s.stdin, 64<<10), bufio.NewReaderSize(s.stdout, 64<<10)

	greeting, err := s.exchange(ctx, header{}, nil, nil)
	if err != nil {
		return nil, &witness.BrokenError{Err: errors.Join(err, s.Close())}
	}
	s.version = greeting.h.Runtime
	if greeting.h.Missing != "" {
		why := greeting.h.Missing
		if len(refused) > 0 {
			why += fmt.Sprintf(" (passed over in %s: %s)", r.placesEnv, strings.Join(refused, ", "))
		}
		return nil, errors.Join(&witness.MissingError{Runtime: r.Label, Why: why, Remedy: greeting.h.Remedy}, s.Close())
	}
	return s, nil
}

// launch starts the process in a folder of its own, which goes with it, on pipes of our own, because those of os/exec close
// under the reader as soon as it ends.
func (s *Session) launch(env []string) (err error) {
	dir, err := os.MkdirTemp("", "petrify-")
	if err != nil {
		return fmt.Errorf("no folder to start in: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	s.cmd.Dir, s.cmd.Env = dir, slices.Concat(environment(dir), env)
	in, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	stdout, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	defer out.Close()
	s.cmd.Stdin, s.cmd.Stdout = in, out
	if err := s.cmd.Start(); err != nil {
		return errors.Join(err, stdin.Close(), stdout.Close())
	}
	s.stdin, s.stdout, s.done = stdin, stdout, make(chan struct{})
	go func() {
		s.cmd.Wait()     // its error is read from ProcessState
		killGroup(s.cmd) // what the driver started ends with it
		os.RemoveAll(dir)
		close(s.done)
	}()
	return nil
}

// Version returns the runtime's name and version as reported by the driver.
func (s *Session) Version() string { return s.version }

// Settings describes how the session differs from the defaults: its provider, optimisations and threads. It is empty if it does
// not.
func (s *Session) Settings() string { return s.settings }

// Run computes the model's outputs, in graph order, from its inputs, which are matched by name. After an error of the runtime
// the session remains usable; a *DiedError, or the end of ctx, ends it. The outputs belong to the caller.
func (s *Session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	outputs, _, err := s.run(ctx, inputs, 0)
	return outputs, err
}

// Time runs the model n times and returns the outputs of the last run, and the duration of each run inside the driver, without
// the transfer of tensors.
func (s *Session) Time(ctx context.Context, inputs []*onnx.Tensor, n int) ([]*onnx.Tensor, []time.Duration, error) {
	if n < 1 {
		return nil, nil, fmt.Errorf("%s: %d timed runs, want at least 1", s.name, n)
	}
	outputs, nanos, err := s.run(ctx, inputs, n)
	if err != nil {
		return nil, nil, err
	}
	if len(nanos) != n {
		return nil, nil, fmt.Errorf("%s: %d durations came of %d timed runs", s.name, len(nanos), n)
	}
	each := make([]time.Duration, n)
	for i, ns := range nanos {
		each[i] = time.Duration(ns)
	}
	return outputs, each, nil
}

func (s *Session) run(ctx context.Context, inputs []*onnx.Tensor, repeat int) ([]*onnx.Tensor, []int64, error) {
	if err := s.signature.Bind(&witness.Binding{}, inputs); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	reply, err := s.exchange(ctx, header{Do: "run", Repeat: repeat}, nil, renamed(inputs, s.aliases))
	if err != nil {
		return nil, nil, err
	}
	if len(s.aliases) > 0 {
		own := map[string]string{}
		for name, alias := range s.aliases {
			own[alias] = name
		}
		reply.tensors = renamed(reply.tensors, own)
	}
	if got := names(reply.tensors); !slices.Equal(got, s.outputs) {
		return nil, nil, fmt.Errorf("%s: outputs %q came, want %q", s.name, got, s.outputs)
	}
	return reply.tensors, reply.h.Nanos, nil
}

func names(ts []*onnx.Tensor) []string {
	ns := make([]string, len(ts))
	for i, t := range ts {
		ns[i] = t.Name
	}
	return ns
}

type reply struct {
	h       *header
	tensors []*onnx.Tensor
}

// exchange sends one request and reads its reply; without a request it reads the greeting. It outlasts neither ctx nor the
// timeout, because their end kills the process and closes our ends of its pipes.
func (s *Session) exchange(ctx context.Context, req header, model []byte, tensors []*onnx.Tensor) (*reply, error) {
	doing := req.Do
	if doing == "" {
		doing = "start"
	}
	f, err := newFrame(req, model, tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.name, doing, err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, fmt.Errorf("%s: %s: session is closed", s.name, doing)
	case s.ended != nil:
		return nil, fmt.Errorf("%s: %s: session has ended: %w", s.name, doing, s.ended)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %s: %w", s.name, doing, context.Cause(ctx)) // nothing was sent: the session lives
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("no answer within %v: %w", s.timeout, context.DeadlineExceeded))
	defer cancel()
	stop := context.AfterFunc(ctx, s.kill)

	rep, err := s.transfer(req.Do, f)
	switch {
	case !stop():
		return nil, s.end(doing, context.Cause(ctx), 0) // it is being killed, whatever came of the transfer
	case isFrameError(err):
		return nil, s.end(doing, err, 0)
	case err != nil:
		return nil, s.end(doing, err, s.parting) // it is ending by itself: its own status says more than a kill
	}
	switch u := rep.h.Unsupported; {
	case u != nil:
		return nil, &onnx.UnsupportedError{Op: u.Op, Domain: u.Domain, Opset: u.Opset, Why: plain(u.Why)}
	case rep.h.Error != "":
		err := fmt.Errorf("%s: %s: %s", s.name, doing, plain(rep.h.Error))
		if req.Do == "run" {
			err = &witness.RefusedError{Err: err}
		}
		return nil, err
	}
	return rep, nil
}

func (s *Session) transfer(do string, f *frame) (*reply, error) {
	if do != "" {
		if err := f.send(s.w); err != nil {
			return nil, err
		}
	}
	h, _, tensors, err := readFrame(s.r, s.maxReply)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("process ended before it answered")
	}
	if err != nil {
		return nil, err
	}
	if do == "" && h.Hello != protocolVersion {
		return nil, badFrame("a greeting of protocol %d, want %d", h.Hello, protocolVersion)
	}
	return &reply{h, tensors}, nil
}

func isFrameError(err error) bool {
	_, ok := errors.AsType[*FrameError](err)
	return ok
}

// kill ends the process and what it started, and unblocks a transfer even if something else holds the pipes' other ends.
func (s *Session) kill() {
	select {
	case <-s.done: // the number may belong to another process by now
	default:
		killGroup(s.cmd)
	}
	s.stdin.Close()
	s.stdout.Close()
}

// end takes the session out of use after err and tells how its process ended, within grace by itself. mu is held.
func (s *Session) end(doing string, err error, grace time.Duration) error {
	byItself := s.await(grace)
	s.kill()
	died := &DiedError{Runtime: s.name, Doing: doing, Status: "still there after it was killed", Err: err}
	if s.await(2 * s.parting) {
		died.Status = s.cmd.ProcessState.String()
		died.Crashed = byItself && grace > 0 && crashed(s.cmd.ProcessState.ExitCode())
	}
	died.Stderr = s.stderr.String()
	s.ended = died
	if died.Crashed {
		return &witness.CrashError{Err: died}
	}
	return died
}

// crashed says of an exit code that it is not a program's: -1 where a signal ended the process, and on Windows an NTSTATUS of an
// error, from 0xC0000000 on.
func crashed(code int) bool { return uint32(code) >= 0xC0000000 }

func (s *Session) await(d time.Duration) (ended bool) {
	select {
	case <-s.done:
		return true
	case <-time.After(d):
		return false
	}
}

// Close ends the process, at first by closing its standard input. It returns an error if the process did not end or ended
// badly, unless an earlier error already said so. Closing twice is harmless.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.ended != nil {
		return nil
	}
	s.stdin.Close()
	if !s.await(s.parting) {
		return s.end("close", fmt.Errorf("did not end within %v", s.parting), 0)
	}
	s.stdout.Close()
	if !s.cmd.ProcessState.Success() {
		return s.end("close", errors.New("process ended badly"), 0)
	}
	return nil
}
