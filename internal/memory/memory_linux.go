package memory

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func physical() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil || info.Totalram == 0 {
		return unknown
	}
	return float64(info.Totalram) * float64(max(1, info.Unit))
}

// limit is the smallest of those that are set on the process and its control groups.
func limit() float64 {
	least := math.Inf(1)
	var addresses unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &addresses) == nil && addresses.Cur != unix.RLIM_INFINITY {
		least = float64(addresses.Cur)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // as in 0::/user.slice, or 4:memory:/user.slice
		if len(fields) < 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if fields[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if fields[1] != "" {
			continue
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) { // a group is bound by those that it is in
			b, err := os.ReadFile(path.Join(root, group, file))
			if n, parseErr := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && parseErr == nil && n > 0 {
				least = math.Min(least, float64(n))
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}
