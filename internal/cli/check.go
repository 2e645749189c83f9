package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/gate/target"
	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/report"
)

type checkOptions struct {
	streams *Streams
	paths   []string

	severity string
	external bool
	finite   bool
	maxSize  byteSize
	budget   byteSize
	work     int64
	infer    string
	targets  []string
	json     bool
	sarif    bool
	reports  reportFiles
}

var severities = []string{"error", "warning", "info"}

func newCheckCmd(s *Streams, run func(context.Context, checkOptions) error) *cobra.Command {
	o := checkOptions{streams: s, maxSize: 2 << 30, budget: 64 << 30, work: 1 << 50}
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check ONNX files for errors; safe on untrusted files",
		Long: `check reads ONNX files within limits and checks them against the rules of docs/rules.md: the wire
format, the model and its graphs, every node against its operator at the model's opset, tensors, the
inferred types and shapes of the whole graph, and the memory and work of one run. Nothing is run,
and no other file is opened without --external-data.

A FILE is a model, - for the standard input, or a folder, which stands for all .onnx files in and below it. Each finding is one line:

  FILE: NODE OR TENSOR: CODE: what was wanted, what came

--target checks whether releases of other runtimes would load the nodes, by dated tables that name
their sources: a node that is not loaded is an error; one that is loaded only in some forms, or not
known, is a warning. Names from files are quoted. --severity selects the findings that are shown and
that count for the exit code.

Exit codes: 0 no findings, 1 findings, 2 no findings, but a file could not be read or exceeds the limits.`,
		Example: `  petrify check model.onnx
  petrify check --severity info --json models/
  petrify check --external-data --max-size 4GiB large.onnx
  petrify check --budget 512MiB upload.onnx
  petrify check --infer with-shapes.onnx model.onnx
  petrify check --target 'onnxruntime>=1.17,opencv>=4.8' model.onnx
  petrify check models --report sarif=check.sarif --report markdown=summary.md
  curl -s https://example.com/model.onnx | petrify check -`,
		Args: arguments(1, -1, "model files, folders, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.severity, "severity", "error", "lowest severity that counts: "+strings.Join(severities, ", "))
	f.BoolVar(&o.finite, "finite", false, "make a NaN or infinite weight an error, not a warning")
	f.BoolVar(&o.external, "external-data", false, "also check external data files, which must be regular files in the model's folder")
	f.Var(&o.maxSize, "max-size", "largest file to read")
	f.Var(&o.budget, "budget", "memory limit for the values that one run holds at the same time")
	f.Int64Var(&o.work, "budget-work", o.work, "limit on the multiplications and additions of one run")
	f.StringSliceVar(&o.targets, "target", nil, "runtimes that must load each node, as in onnxruntime>=1.17,opencv>=4.8; there are tables for "+strings.Join(target.Names(), ", "))
	f.StringVar(&o.infer, "infer", "", "write the model with all inferred types and shapes to this file")
	f.BoolVar(&o.json, "json", false, "write JSON")
	f.BoolVar(&o.sarif, "sarif", false, "write SARIF 2.1.0, which code scanning services read")
	exclusive(cmd, "json", "sarif")
	o.reports.flag(cmd)
	mustComplete(cmd, "target", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return target.Names(), cobra.ShellCompDirectiveNoFileComp
	})
	mustComplete(cmd, "severity", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return severities, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// A checkReport is what check says of one file, in JSON.
type checkReport struct {
	File     string         `json:"file"`
	Problem  string         `json:"problem,omitempty"` // why nothing can be said of the file
	Findings []checkFinding `json:"findings"`
	notes    []string
}

type checkFinding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Where    string `json:"where"`
	Message  string `json:"message"`
}

// file is a report's part about the file.
func (r checkReport) file() report.File {
	f := report.File{Path: r.File, Notes: r.notes}
	if r.Problem != "" {
		f.AddRule("model-unreadable", "", r.Problem)
	}
	for _, x := range r.Findings {
		f.Add(report.Item{Rule: x.Code, Severity: x.Severity, Where: x.Where, Message: x.Message})
	}
	return f
}

func runCheck(ctx context.Context, o checkOptions) error {
	least := slices.Index(severities, o.severity)
	if least < 0 {
		return fmt.Errorf("--severity: unknown severity %q, want %s%s", o.severity, strings.Join(severities, ", "), suggest.DidYouMean(o.severity, severities))
	}
	if o.work < 1 {
		return fmt.Errorf("--budget-work is %d, want at least 1", o.work)
	}
	if err := o.reports.check(); err != nil {
		return err
	}
	for _, text := range o.targets {
		if _, err := target.Parse(text); err != nil {
			return fmt.Errorf("--target: %w", err)
		}
	}
	files := modelFiles(o.paths)
	if o.infer != "" && len(files) != 1 {
		return fmt.Errorf("--infer writes one file, but %d models are given", len(files))
	}
	if o.external && slices.Contains(o.paths, stdin) {
		return errors.New("--external-data: the standard input has no folder in which to find the data")
	}
	reports := []checkReport{}
	all := &report.Report{Tool: "petrify check", Version: version()}
	var problem, finding bool
	below := 0
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, hidden := checkOne(ctx, o, file, rule.Severity(least))
		below += hidden
		problem = problem || r.Problem != ""
		finding = finding || len(r.Findings) > 0
		all.Files = append(all.Files, r.file())
		for _, note := range r.notes {
			fmt.Fprintf(o.streams.Err, "petrify: %s: %s\n", shown(file.path), note)
		}
		if o.json || o.sarif {
			reports = append(reports, r)
			continue
		}
		if r.Problem != "" {
			fmt.Fprintf(o.streams.Err, "petrify: %s\n", r.Problem)
		}
		for _, f := range r.Findings {
			mark := ""
			if f.Severity != "error" {
				mark = " [" + f.Severity + "]"
			}
			if _, err := fmt.Fprintf(o.streams.Out, "%s: %s: %s: %s%s\n", shown(file.path), f.Where, f.Code, f.Message, mark); err != nil {
				return err
			}
		}
	}
	all.Settle()
	if finding { // of whatever severity was asked for
		all.Fail(exitFinding, "findings of severity "+o.severity+" or above")
	}
	err := o.reports.write(ctx, all)
	switch {
	case err != nil:
	case o.json:
		err = writeJSON(o.streams.Out, reports)
	case o.sarif:
		err = report.SARIF(o.streams.Out, all)
	case below > 0:
		fmt.Fprintf(o.streams.Err, "petrify: %s of lower severity; --severity info shows them\n", count.Of(below, "finding"))
	}
	if err != nil {
		return err
	}
	switch {
	case finding:
		return exit(exitFinding)
	case problem:
		return exit(exitProblem)
	}
	return nil
}

// checkOne checks one file, and counts the findings below the severity requested.
func checkOne(ctx context.Context, o checkOptions, file listedFile, least rule.Severity) (r checkReport, hidden int) {
	r = checkReport{File: file.path, Findings: []checkFinding{}}
	if file.err != nil {
		r.Problem = quote.Text(file.err.Error())
		return r, 0
	}
	defer func() {
		if p := recover(); p != nil { // so that the other files keep their reports
			r.Problem = quote.Text(fmt.Sprintf("%s: internal error in petrify: panic: %v", file.path, p))
		}
	}()
	options := check.Options{
		Limits: wire.Limits{Size: int64(o.maxSize)}, Budget: infer.Budget{Memory: int64(o.budget), Work: o.work}, External: o.external, Finite: o.finite,
	}
	var (
		m     *onnx.Model
		found []rule.Finding
		err   error
	)
	if file.path == stdin {
		m, found, err = check.From("standard input", o.streams.In, options)
	} else {
		m, found, err = check.File(file.path, options)
	}
	if err == nil && m != nil && o.infer != "" {
		err = writeInferred(ctx, m, o.infer)
	}
	if err != nil {
		r.Problem = quote.Text(err.Error())
		return r, 0
	}
	if m != nil && !slices.ContainsFunc(found, rule.Finding.Hinders) {
		for _, text := range o.targets {
			if t, err := target.Parse(text); err == nil { // as it was before
				more, note := t.Findings(m.Proto)
				found, r.notes = append(found, more...), append(r.notes, note)
			}
		}
	}
	for _, f := range found {
		if f.Severity > least {
			hidden++
			continue
		}
		r.Findings = append(r.Findings, checkFinding{f.Severity.String(), f.Code, f.Where, f.Message})
	}
	if m != nil && len(m.Bytes) > 64<<20 {
		m = nil
		runtime.GC() // so that the next file does not come on top of this one
	}
	return r, hidden
}

// writeInferred writes a model with the types of all its values.
func writeInferred(ctx context.Context, m *onnx.Model, path string) error {
	types, _ := infer.Types(m.Proto)
	b, err := onnx.Marshal(infer.Annotate(m.Proto, types))
	if err != nil {
		return err
	}
	return writeFile(ctx, path, b)
}

// stdin is the argument that stands for the standard input.
const stdin = "-"

// A listedFile is a file to check, or a place in a folder that could not be looked at.
type listedFile struct {
	path string
	err  error
}

// modelFiles replaces folders by the models in and below them. A folder that cannot be read hides none of the others.
func modelFiles(paths []string) []listedFile {
	var targets []listedFile
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == stdin || err != nil || !info.IsDir() { // a missing file is a matter of its own
			targets = append(targets, listedFile{path: path})
			continue
		}
		before := len(targets)
		filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				targets = append(targets, listedFile{p, err})
			case !d.IsDir() && strings.EqualFold(filepath.Ext(p), ".onnx"):
				targets = append(targets, listedFile{path: p})
			}
			return nil
		})
		if len(targets) == before {
			targets = append(targets, listedFile{path, fmt.Errorf("%s: no .onnx file in or below the folder", shown(path))})
		}
	}
	return targets
}

// shown is the name of a file as a terminal may show it.
func shown(path string) string {
	if path == stdin {
		return "standard input"
	}
	return quote.Name(path)
}
