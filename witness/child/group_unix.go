//go:build unix

package child

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the driver a process group, since the name node or python may stand for a wrapper that starts the real one.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func killGroup(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
