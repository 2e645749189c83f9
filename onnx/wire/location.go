package wire

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// External is what external_data says.
type External struct {
	Location, Checksum string
	Offset, Length     int64 // Length is negative when it is not said
}

// ParseExternal reads the entries of external_data.
func ParseExternal(entries []*pb.StringStringEntryProto) (e External, faults []*rule.Fault) {
	e.Length = -1
	seen := make(map[string]bool)
	wrong := func(code, format string, args ...any) { faults = append(faults, rule.Faultf(code, format, args...)) }
	number := func(key, value string) int64 {
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil || v < 0 || strings.HasPrefix(value, "+") {
			wrong("tensor-external", "%s of external data is %s, want a number", key, onnx.Quote(value))
			return -1
		}
		return v
	}
	for _, entry := range entries {
		key, value := entry.GetKey(), entry.GetValue()
		if seen[key] {
			wrong("tensor-external-key", "external data has the key %s twice", onnx.Quote(key))
			continue
		}
		seen[key] = true
		switch key {
		case "location":
			e.Location = value
		case "offset":
			e.Offset = max(number(key, value), 0)
		case "length":
			e.Length = number(key, value)
		case "checksum":
			e.Checksum = value
		case "basepath": // written by the onnx package, and ignored by it
		default:
			wrong("tensor-external-key", "external data has the key %s, want location, offset, length, checksum or basepath", onnx.Quote(key))
		}
	}
	if !seen["location"] {
		wrong("tensor-external", "external data has no location")
	} else if err := checkLocation(e.Location); err != nil {
		wrong("external-data-path", "%v", err)
	}
	if e.Length >= 0 && e.Offset > math.MaxInt64-e.Length {
		wrong("tensor-external", "offset %d and length %d of external data go beyond 2^63", e.Offset, e.Length)
	}
	return e, faults
}

// checkLocation compares the location of external data with what it may be on
// any system: a relative path, with slashes, that stays inside the folder.
func checkLocation(location string) error {
	say := func(what string) error {
		return fmt.Errorf("the location of external data is %s, %s", onnx.Quote(location), what)
	}
	switch {
	case location == "":
		return say("which names no file")
	case strings.ContainsFunc(location, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return say("which has a control character")
	case strings.Contains(location, "://"):
		return say("a URL")
	case strings.Contains(location, `\`):
		return say("which has a backslash")
	case strings.Contains(location, ":"):
		return say("which has a colon, as drives and streams of Windows have")
	case path.IsAbs(location):
		return say("an absolute path")
	}
	for part := range strings.SplitSeq(location, "/") {
		switch {
		case part == "..":
			return say("which leaves the folder")
		case isDevice(part):
			return say("which names a device of Windows")
		case part != "." && strings.TrimRight(part, ". ") != part:
			return say("with a part that Windows takes for another one")
		}
	}
	if clean := path.Clean(location); clean == "." || strings.HasSuffix(location, "/") || strings.HasSuffix(location, "/.") {
		return say("a folder")
	}
	return nil
}

// isDevice reports whether Windows takes a file name for a device, whatever
// its extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimRight(base, " "); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9'
}
