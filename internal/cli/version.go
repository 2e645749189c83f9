package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"
)

func newVersionCmd(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which petrify this is, and for which kind of machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.Out, "petrify version %s, %s, %s/%s (%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, machine())
			return err
		},
	}
}

// version is that of the module which this program was built from, "devel" for a build of a work tree.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// machine names the kind of machine on which one seed gives the same bytes.
func machine() string {
	kind := runtime.GOARCH
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		kind += " avx2 fma"
	}
	return kind
}
