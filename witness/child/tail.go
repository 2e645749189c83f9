package child

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tail keeps the last bytes written to it, so that a process may write to standard error without end.
type tail struct {
	max int

	mu   sync.Mutex
	buf  []byte
	more bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-t.max):]...)
	t.more = t.more || len(t.buf) > t.max || len(p) > t.max
	t.buf = t.buf[max(0, len(t.buf)-t.max):]
	return len(p), nil
}

// String is the tail as text for an error message, on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ToValidUTF8(string(t.buf), string(utf8.RuneError))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if t.more {
		text = "..." + text
	}
	return text
}
