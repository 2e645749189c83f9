package child

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tail keeps the first and the last bytes written to it, so that a process may write to standard error without end: a program
// in Go names the reason of its end first, one in Python last.
type tail struct {
	max int // of the last bytes; a quarter of that are kept of the first

	mu   sync.Mutex
	head []byte
	buf  []byte
	more bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), t.max/4-len(t.head))
	t.head = append(t.head, p[:n]...)
	rest := p[n:]
	t.buf = append(t.buf, rest[max(0, len(rest)-t.max):]...)
	t.more = t.more || len(t.buf) > t.max || len(rest) > t.max
	t.buf = t.buf[max(0, len(t.buf)-t.max):]
	return len(p), nil
}

// String is what was kept as text for an error message, on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.head)
	if t.more {
		text += "\n...\n"
	}
	text = strings.ToValidUTF8(text+string(t.buf), string(utf8.RuneError))
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
