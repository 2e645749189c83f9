package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/report"
)

// reportFiles are the files that a command writes its report to, each in a format of its own, besides what it shows.
type reportFiles struct{ wanted []string }

func (f *reportFiles) flag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.wanted, "report", nil, "also write a report to a file, as FORMAT=FILE (repeatable): "+strings.Join(formatNames(), ", "))
	mustComplete(cmd, "report", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var offers []string
		for _, f := range report.Formats() {
			offers = append(offers, f.Name+"=\t"+f.Doc)
		}
		return offers, cobra.ShellCompDirectiveNoSpace
	})
}

func formatNames() []string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// findFormat returns the format of a name.
func findFormat(flag, name string) (report.Format, error) {
	formats := report.Formats()
	if i := slices.IndexFunc(formats, func(f report.Format) bool { return f.Name == name }); i >= 0 {
		return formats[i], nil
	}
	return report.Format{}, fmt.Errorf("%s: unknown format %q, want one of %s%s", flag, name, strings.Join(formatNames(), ", "), suggest.DidYouMean(name, formatNames()))
}

// check says what is wrong with the flag before any work is done.
func (f *reportFiles) check() error {
	for _, w := range f.wanted {
		name, file, ok := strings.Cut(w, "=")
		if !ok || file == "" {
			return fmt.Errorf("--report %s: want FORMAT=FILE, as in junit=report.xml", w)
		}
		if _, err := findFormat("--report", name); err != nil {
			return err
		}
	}
	return nil
}

// write writes the files.
func (f *reportFiles) write(ctx context.Context, r *report.Report) error {
	for _, w := range f.wanted {
		name, file, _ := strings.Cut(w, "=")
		format, err := findFormat("--report", name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := format.Write(&b, r); err != nil {
			return fmt.Errorf("--report %s: %w", w, err)
		}
		if err := writeFile(ctx, file, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// show writes a report in one format. GitHub's commands go past the guard of the stream, which is there to let none through;
// the format itself escapes what comes out of files.
func show(s *Streams, format report.Format, r *report.Report) error {
	w := io.Writer(s.Out)
	if format.Name == "github" {
		w = s.plainOut
	}
	return format.Write(w, r)
}
