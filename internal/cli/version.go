package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/buildinfo"
)

func newVersionCmd(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which petrify this is, and for which kind of machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.Out, "petrify version %s, %s, %s/%s (%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, buildinfo.Machine())
			return err
		},
	}
}

func version() string { return buildinfo.Version() }
