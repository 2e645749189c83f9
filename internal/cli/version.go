package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/buildinfo"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func newVersionCmd(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of petrify, and of the ONNX that it reads and writes",
		Example: "  petrify version",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(s.Out, versionText())
			return err
		},
	}
}

func version() string { return buildinfo.Version() }

// versionText is what a report of a bug should begin with.
func versionText() string {
	newest, _ := op.Newest("")
	return fmt.Sprintf("petrify version %s%s, %s, %s/%s (%s)\nreads ONNX up to opset %d, IR version %d; writes opset %d to %d, IR version %d\n",
		version(), commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, buildinfo.Machine(),
		newest, pb.Version_IR_VERSION, export.MinOpset, export.MaxOpset, export.IRVersion)
}

// commit is that of the work tree that this program was built from, "" where that is not known.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var revision, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	if revision == "" {
		return ""
	}
	return fmt.Sprintf(" (commit %s%s)", revision, changed)
}
