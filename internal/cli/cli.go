// Package cli is the command line of petrify: one file per command, each an options struct, a constructor of the cobra
// command and a function that does the work.
//
// Data goes to stdout, talk to stderr. Commands return errors; Main alone writes them and turns them into exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

// Exit codes, of every command.
const (
	exitDone        = 0   // done, or equal
	exitFinding     = 1   // outputs differ, a file is invalid
	exitProblem     = 2   // could not be checked, or wrong usage
	exitInterrupted = 130 // stopped by Ctrl-C, state saved
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out      io.Writer // data
	Err      io.Writer // talk: progress, notes, errors
	Terminal bool      // Err is a terminal that a person watches
	// Objects, unless nil, gives the objects that a manifest names by URLs.
	Objects gate.Store

	plainOut, plainErr io.Writer // behind the guards: for pictures, and for the bar's own control characters
}

// guarded are the same streams with a guard in front of each, so that no text out of a file acts on a terminal or in the log
// of a CI system. end writes what the guards hold back.
func (s *Streams) guarded() (g *Streams, end func()) {
	out, errs := quote.NewWriter(s.Out), quote.NewWriter(s.Err)
	g = &Streams{In: s.In, Out: out, Err: errs, Terminal: s.Terminal, Objects: s.Objects, plainOut: s.Out, plainErr: s.Err}
	return g, func() {
		out.Flush()
		errs.Flush()
	}
}

// quietened are the same streams with nothing but errors to come.
func (s *Streams) quietened() *Streams {
	return &Streams{In: s.In, Out: io.Discard, Err: io.Discard, plainOut: io.Discard, plainErr: io.Discard}
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error // nil where everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit ends the program with a code and no further word.
func exit(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// Main runs the command line of the process and returns its exit code. A program that reads objects brings their store.
func Main(objects ...gate.Store) int {
	gorgonnx.Main() // does not return where this process is a child for stock onnx-go
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	s := &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: isTerminal(os.Stderr)}
	if len(objects) > 0 {
		s.Objects = objects[0]
	}
	return Run(ctx, s, os.Args[1:])
}

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, s *Streams, args []string) int {
	s, end := s.guarded()
	defer end()
	root := newRootCmd(s)
	root.SetArgs(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		root.SetArgs(harmless(args)) // cobra's complaints about them go past the streams
	}
	err := root.ExecuteContext(ctx)
	switch e, ok := errors.AsType[*exitError](err); {
	case err == nil:
		return exitDone
	case ok:
		if e.err != nil {
			fmt.Fprintf(s.Err, "petrify: %s\n", message(e.err, args))
		}
		return e.code
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(s.Err, "petrify: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(s.Err, "petrify: %s\n", message(err, args))
	return exitProblem
}

// message is the text of an error, with what it repeats of the arguments and of paths made harmless: some of it was put
// together by other libraries.
func message(err error, args []string) string {
	text := err.Error()
	for _, name := range append(pathsOf(err), args...) {
		for _, part := range append(strings.SplitN(name, "=", 2), name) {
			if part != "" {
				text = strings.ReplaceAll(text, part, quote.Text(part))
			}
		}
	}
	return quote.Lines(text)
}

// pathsOf lists the paths in errors of the operating system.
func pathsOf(err error) []string {
	var paths []string
	switch e := err.(type) { //nolint:errorlint // what is wrapped is gone through below
	case *fs.PathError:
		paths = append(paths, e.Path)
	case *os.LinkError:
		paths = append(paths, e.Old, e.New)
	}
	switch e := err.(type) { //nolint:errorlint // it asks for what wraps, not for what is wrapped
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			paths = append(paths, pathsOf(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			paths = append(paths, pathsOf(inner)...)
		}
	}
	return paths
}

func harmless(args []string) []string {
	safe := make([]string, len(args))
	for i, a := range args {
		safe[i] = quote.Text(a)
	}
	return safe
}

func newRootCmd(s *Streams) *cobra.Command {
	root := &cobra.Command{
		Use:     "petrify",
		Version: versionText(),
		Short:   "Train generative image models, export them to ONNX, verify the files",
		Long: `petrify trains generative image models in Go, exports them to ONNX, the file format that most
programs for neural networks read, and verifies that each file computes what was trained, in every
runtime that it finds.

Exit codes: 0 done or equal, 1 a finding, 2 could not be checked or wrong usage, 130 interrupted.`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       rootArguments,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newTrainCmd(s, runTrain),
		newExportCmd(s, runExport),
		newVerifyCmd(s, runVerify),
		newRecordCmd(s, runRecord),
		newSignCmd(s, runSign),
		newSampleCmd(s, runSample),
		newWebCmd(s, runWeb),
		newServeCmd(s, runServe),
		newCheckCmd(s, runCheck),
		newGateCmd(s, runGate),
		newDiffCmd(s, runDiff),
		newReduceCmd(s, runReduce),
		newReportCmd(s, runReport),
		newInitCmd(s, runInit),
		newInspectCmd(s, runInspect),
		newModelsCmd(s, runModels),
		newRulesCmd(s, runRules),
		newVersionCmd(s),
	)
	root.SetHelpCommand(newHelpCmd())
	root.SetVersionTemplate("{{.Version}}")
	strictCompletion(root)
	for _, c := range root.Commands() {
		refuseEmpty(c)
	}
	fitHelp(root)
	return root
}
