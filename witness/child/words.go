package child

import (
	"regexp"
	"strings"
)

// sourcePlace is the place in ONNX Runtime's sources that its messages carry, with the name of the function where that is
// all that follows: "slice.h:164 FillVectorsFromInput ".
var (
	sourcePlace  = regexp.MustCompile(`(?:[A-Za-z]:)?[\w./\\+-]*\w\.(?:cc|cpp|cxx|cu|cuh|h|hpp|inc|mm):\d+ `)
	functionName = regexp.MustCompile(`^[\w:~]+(?:\(\))? `)
)

// plain takes the places in the sources, the signatures there, which may be of 600 characters, and stack traces out of a
// message of ONNX Runtime. What it says of the model stays as it is.
func plain(message string) string {
	message, _, _ = strings.Cut(message, "\nStacktrace:")
	var b strings.Builder
	for {
		at := sourcePlace.FindStringIndex(message)
		if at == nil {
			b.WriteString(message)
			return strings.TrimSpace(b.String())
		}
		b.WriteString(message[:at[0]])
		message = message[at[1]:]
		if n := signature(message); n > 0 {
			message = message[n:]
		} else if n := functionName.FindStringIndex(message); n != nil {
			message = message[n[1]:]
		}
	}
}

// signature returns the length of the C++ signature that s begins with, as compilers spell it out, and of the space after it;
// 0 if it begins with none.
func signature(s string) int {
	open := strings.IndexByte(s, '(')
	if open < 1 || s[open-1] == ' ' || !strings.Contains(s[:open], "::") || strings.ContainsFunc(s[:open], notOfAName) {
		return 0
	}
	end := open
	for {
		n := balanced(s[end:], '(', ')')
		if n == 0 {
			return 0
		}
		end += n
		for _, suffix := range []string{" const", " volatile", " noexcept", " &&", " &"} {
			if rest, ok := strings.CutPrefix(s[end:], suffix); ok && (rest == "" || rest[0] == ' ' || rest[0] == ':') {
				end += len(suffix)
			}
		}
		if strings.HasPrefix(s[end:], " [with ") {
			end += 1 + balanced(s[end+1:], '[', ']')
		}
		next := strings.IndexByte(s[end:], '(') // of what is declared within, as in f(int)::<lambda(int)>
		if next < 0 || !strings.HasPrefix(s[end:], "::") || strings.ContainsFunc(s[end:end+next], notOfAName) {
			break
		}
		end += next
	}
	if strings.HasPrefix(s[end:], ">") { // of <lambda(int)>
		end++
	}
	return end + len(s[end:]) - len(strings.TrimLeft(s[end:], " "))
}

func notOfAName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_:<>,*&~ ", r))
}

// balanced returns the length of the bracketed text that s begins with, 0 if the bracket is never closed.
func balanced(s string, open, shut byte) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
