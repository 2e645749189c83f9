package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/petrify-ml/petrify/internal/quote"
)

// redraw is how often a bar is drawn again: often enough for the eye, too seldom to cost anything.
const redraw = 150 * time.Millisecond

// A bar shows on a terminal how far a piece of work has come. A nil bar shows nothing.
type bar struct {
	out   io.Writer
	most  int
	drawn time.Time
}

// newBar starts a bar, nil where nobody watches.
func newBar(s *Streams, most int) *bar {
	if !s.Terminal || most < 1 {
		return nil
	}
	return &bar{out: s.plainErr, most: most}
}

const (
	barWidth  = 20            // of the bar alone, in columns
	eraseLine = "\r\x1b[2K\r" // and back to its start
)

// due tells whether the bar should be drawn again.
func (b *bar) due(now time.Time) bool { return b != nil && now.Sub(b.drawn) >= redraw }

// show draws the bar at n, with as many of the texts after it as the terminal has room for.
func (b *bar) show(now time.Time, n int, texts ...string) {
	if b == nil {
		return
	}
	b.drawn = now
	done := min(max(n, 0), b.most)
	filled := barWidth * done / b.most
	head := strings.Repeat("=", filled)
	if filled < barWidth {
		head += ">" + strings.Repeat(" ", barWidth-filled-1)
	}
	line := fmt.Sprintf("%3d%% [%s]  ", 100*done/b.most, head)
	fmt.Fprint(b.out, eraseLine, line, fit(texts, columns(b.out)-len(line)-1))
}

// progress shows how much of something is done, with a bar of its own that is there while something is left.
type progress struct {
	streams *Streams
	what    string
	bar     *bar
}

func (p *progress) show(done, all int) {
	if p.bar == nil {
		p.bar = newBar(p.streams, all)
	}
	if now := time.Now(); p.bar.due(now) {
		p.bar.show(now, done, fmt.Sprintf("%d of %d %s", done, all, p.what))
	}
	if done == all {
		p.clear()
	}
}

func (p *progress) clear() {
	p.bar.clear()
	p.bar = nil
}

// fit joins texts until the room is used up.
func fit(texts []string, room int) string {
	var line string
	for _, t := range texts {
		if t == "" {
			continue
		}
		next := quote.Text(t) // past the guard
		if line != "" {
			next = line + "  " + next
		}
		if len(next) > room {
			break
		}
		line = next
	}
	return line
}

// clear removes the bar, so that something else can be written.
func (b *bar) clear() {
	if b == nil {
		return
	}
	io.WriteString(b.out, eraseLine)
	b.drawn = time.Time{}
}

// columns is the width of the terminal behind w, 80 where it cannot be told.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// clock writes a duration as people read it: 45s, 3m05s, 2h07m.
func clock(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
