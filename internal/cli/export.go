package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/run"
)

type exportOptions struct {
	streams *Streams
	run     string
	opset   int64
	out     string
	keep    bool // batch normalisations as nodes of their own
	licence string
	forms   []string
	layout  string
	dense   string
	width   string  // precision
	most    float64 // error
	data    string

	noVerify bool
}

func newExportCmd(s *Streams, do func(context.Context, exportOptions) error) *cobra.Command {
	o := exportOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "export RUN",
		Short: "Export the latest checkpoint of a run to ONNX",
		Long: `export turns the latest checkpoint of a run into ONNX models, each in its own folder together with
recorded inputs and outputs (test_data_set_N), with which any runtime can be checked, a model card
(ModelCard.md) and a bill of materials (NET.cdx.json, CycloneDX). The same checkpoint gives the same
bytes. Then it verifies the models, as train does: every default runtime that is installed must
compute what the file says, and the weights must be the checkpoint's.

The form says what the inputs and outputs are:

` + formsText() + `
--precision float16 or int8 stores weights, and computes, in fewer bits; float16-weights and int8-weights store the weights alone in
them. export says how much that changes each net, as predicted and as measured, and --max-error refuses more: see docs/loading.md.

The paths of the models go to stdout, one a line, the report to stderr.

Exit codes: 0 written and equal, 1 a file did not pass, or --max-error refuses, 2 something could not be done.`,
		Example: `  petrify export runs/gan
  petrify export runs/gan --form raw,image,sample
  petrify export runs/gan --form sample --precision float16 --out small
  petrify export runs/vae --form latent --precision int8 --max-error 0.02 --out small
  petrify export runs/gan --opset 17 --out dist
  petrify export runs/gan --license CC-BY-4.0 --out dist`,
		Args: arguments(1, 1, "one run folder, such as runs/gan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			return do(cmd.Context(), o)
		},
		ValidArgsFunction: completeFolders,
	}
	f := cmd.Flags()
	f.Int64Var(&o.opset, "opset", export.DefaultOpset, fmt.Sprintf("version of the operators, %d to %d", export.MinOpset, export.MaxOpset))
	f.StringVarP(&o.out, "out", "o", "", "folder to write to (default: RUN/onnx)")
	f.BoolVar(&o.keep, "keep-batchnorm", false, "write batch normalisations as nodes instead of folding them into the layers before them")
	f.StringVar(&o.licence, "license", "", "licence to state in the model card and bill of materials: an SPDX identifier, such as CC-BY-4.0, or free text")
	f.StringSliceVar(&o.forms, "form", []string{export.Forms()[0].Name}, "forms to write, separated by commas")
	f.StringVar(&o.layout, "layout", string(export.NHWC), "order of the axes of images as bytes, nhwc or nchw")
	f.StringVar(&o.width, "precision", string(export.Float32), "precision of stored weights and of computation: "+precisionsText())
	f.StringVar(&o.data, "data", "", "where the run's training data is now, if it has moved; int8 is calibrated on it")
	f.Float64Var(&o.most, "max-error", 0, "refuse a precision that changes an output by more than this, relative to its size, predicted or measured; 0 means no limit")
	f.BoolVar(&o.noVerify, "no-verify", false, "export, but do not verify")
	mustComplete(cmd, "data", completeData)
	mustComplete(cmd, "precision", func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		for _, p := range export.Precisions() {
			names = append(names, string(p))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	f.StringVar(&o.dense, "dense", string(export.MatMul), "how to write dense layers, matmul or gemm; docs/loading.md says which runtimes load which")
	mustComplete(cmd, "dense", cobra.FixedCompletions([]string{string(export.MatMul), string(export.Gemm)}, cobra.ShellCompDirectiveNoFileComp))
	mustComplete(cmd, "out", completeFolders)
	mustComplete(cmd, "form", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, f := range export.Forms() {
			names = append(names, f.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	mustComplete(cmd, "layout", cobra.FixedCompletions([]string{string(export.NHWC), string(export.NCHW)}, cobra.ShellCompDirectiveNoFileComp))
	mustComplete(cmd, "opset", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var versions []string
		for v := export.MinOpset; v <= export.MaxOpset; v++ {
			versions = append(versions, fmt.Sprint(v))
		}
		return versions, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// formsText lists the forms, one line each.
func formsText() string {
	var b strings.Builder
	for _, f := range export.Forms() {
		fmt.Fprintf(&b, "  %-8s%s\n", f.Name, f.Doc)
	}
	return b.String()
}

// precisionsText lists the precisions.
func precisionsText() string {
	var names []string
	for _, p := range export.Precisions() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

func runExport(ctx context.Context, o exportOptions) error {
	if o.opset < export.MinOpset || o.opset > export.MaxOpset {
		return fmt.Errorf("--opset is %d, want %d to %d", o.opset, export.MinOpset, export.MaxOpset)
	}
	folder, err := run.Open(o.run)
	if err != nil {
		return err
	}
	written, err := folder.Export(ctx, run.ExportOptions{
		Out: o.out, Opset: o.opset, KeepBatchNorm: o.keep, Forms: o.forms, Layout: export.Layout(o.layout), Dense: export.Dense(o.dense), Licence: o.licence,
		Precision: export.Precision(o.width), MaxError: o.most, Data: o.data,
	})
	if refused, ok := errors.AsType[*export.PrecisionError](err); ok {
		return &exitError{exitFinding, refused}
	}
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for _, e := range written {
		for _, f := range e.Effects {
			if said[f.Net] {
				continue
			}
			said[f.Net] = true
			fmt.Fprintf(o.streams.Err, "%s: %s changes the output for %s by %.2g of its size (predicted %.2g)", f.Net, o.width, f.Inputs, f.Measured, f.Predicted)
			if f.FrechetSeeds > 0 {
				fmt.Fprintf(o.streams.Err, "; Fréchet distance %.2g, between two seeds %.2g", f.Frechet, f.FrechetSeeds)
			}
			fmt.Fprintln(o.streams.Err)
		}
		if _, err := fmt.Fprintln(o.streams.Out, quote.Name(e.Model)); err != nil {
			return err
		}
	}
	if o.noVerify {
		return nil
	}
	return o.verify(ctx, folder, written)
}

// verify has the usual runtimes compute what was written, and compares the weights with the checkpoint's. The run's own folder gets the
// certificate.
func (o *exportOptions) verify(ctx context.Context, folder *run.Folder, written []export.Exported) error {
	var paths []string
	for _, e := range written {
		paths = append(paths, filepath.Dir(e.Model))
	}
	found, err := verifiedExport(ctx, o.streams, o.streams.Err, folder, paths, "the files were written, but not verified")
	if err != nil {
		return err
	}
	if o.out != "" {
		return nil
	}
	return writeCertificate(ctx, found, folder)
}
