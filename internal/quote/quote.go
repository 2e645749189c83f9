// Package quote makes text from outside safe to show: names of files, nodes, operators and domains, metadata, and the messages
// that repeat them.
//
// A name can be chosen by whoever made a file. Shown as it is, it can move a terminal's cursor, hide or reorder what stands
// beside it, forge lines of a log, or give orders to a CI system, which obeys lines that begin with "::" (GitHub) and text
// such as "##[" and "##vso[" anywhere in a line (Azure Pipelines, GitHub). Here such characters become escapes of Go's
// syntax. All else stays: accents, Cyrillic, Chinese and most emoji are no danger.
//
// Names are quoted where they are put into a message, by [Name] or [Quote]. [Writer] is the last defence, for what slipped
// through.
package quote

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// most is how many bytes of a name Quote shows.
const most = 120

// Quote returns a name in quotes, cut where it is long.
func Quote(name string) string {
	tail := ""
	if len(name) > most {
		end := most
		for end > most-utf8.UTFMax && !utf8.RuneStart(name[end]) {
			end--
		}
		name, tail = name[:end], "..."
	}
	return quoted(name) + tail
}

// Name returns the name of a file or folder: as it is where nothing about it can mislead, in quotes otherwise.
func Name(name string) string {
	if name == "" || name[0] == '"' || name[0] == ' ' || name[len(name)-1] == ' ' || Text(name) != name {
		return quoted(name)
	}
	return name
}

// Text returns a message as one line that can be shown.
func Text(message string) string { return escape(message, goStyle) }

// Lines is Text for a message of several lines.
func Lines(message string) string { return escape(message, linesStyle) }

// JSON escapes within the strings of a JSON document, which stands for the same values afterwards.
func JSON(document []byte) []byte {
	var e escaper
	out := make([]byte, 0, len(document))
	for len(document) > 0 {
		r, size := utf8.DecodeRune(document)
		out = e.append(out, r, document[:size], jsonStyle)
		document = document[size:]
	}
	return out
}

// Markdown returns text that Markdown, HTML and a host's own syntax (mentions, issue numbers, emoji) see nothing in: letters, digits and
// a few harmless signs as they are, the rest as character references.
func Markdown(text string) string {
	var b strings.Builder
	for _, r := range Text(text) {
		switch {
		case r >= 0x80, r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune(" ,;", r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return strings.ReplaceAll(b.String(), "&#64;", "&#64;&#8288;") // a word joiner, so that nobody is mentioned
}

// Shell returns a path as an argument to be pasted into a shell.
func Shell(path string) string {
	const harmless = "_@%+=:,./-"
	plain := path != "" && path[0] != '-' && path[0] != ':'
	for i := range len(path) {
		plain = plain && (letter(path[i]) || path[i] >= '0' && path[i] <= '9' || strings.IndexByte(harmless, path[i]) >= 0)
	}
	switch {
	case plain:
		return path
	case strings.HasPrefix(path, "-"):
		return Shell("./" + path)
	case Text(path) == path && runtime.GOOS == "windows":
		return `"` + path + `"`
	case Text(path) == path:
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; letter(c) || strings.IndexByte(harmless[5:], c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return "$'" + b.String() + "'"
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func quoted(name string) string { return `"` + escape(name, quotedStyle) + `"` }

// A Writer passes text on, with everything escaped that must not reach a terminal or a log. Lines and tabs stay.
type Writer struct {
	w    io.Writer
	e    escaper
	held []byte // the beginning of a character
	out  []byte
}

// NewWriter returns a Writer in front of w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

func (w *Writer) Write(p []byte) (int, error) {
	text := p
	if len(w.held) > 0 {
		text = append(w.held, p...)
		w.held = nil
	}
	w.out = w.out[:0]
	for len(text) > 0 {
		if !utf8.FullRune(text) {
			w.held = append([]byte(nil), text...)
			break
		}
		r, size := utf8.DecodeRune(text)
		w.out = w.e.append(w.out, r, text[:size], linesStyle)
		text = text[size:]
	}
	if _, err := w.w.Write(w.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back: bytes that would have been the beginning of a character.
func (w *Writer) Flush() error {
	w.out = w.out[:0]
	for i := range w.held {
		w.out = w.e.append(w.out, utf8.RuneError, w.held[i:i+1], linesStyle)
	}
	w.held = nil
	_, err := w.w.Write(w.out)
	return err
}

// A style says which characters stay although they are escaped elsewhere, and how escapes are written.
type style int

const (
	goStyle     style = iota // one line
	quotedStyle              // one line between quotes
	linesStyle               // line feeds and tabs stay
	jsonStyle                // line feeds and tabs stay; escapes are JSON's
)

func escape(text string, s style) string {
	var e escaper
	if s == quotedStyle {
		e.line = begun
	}
	out := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		out = e.append(out, r, []byte(text[:size]), s)
		text = text[size:]
	}
	return string(out)
}

// An escaper knows of the text so far what the meaning of the next character depends on.
type escaper struct {
	line  lineState
	hash  hashState
	marks int // combining marks on the last character
}

type lineState int

const (
	blank lineState = iota // nothing but blanks on this line
	colon                  // and one colon
	begun                  // anything else
)

type hashState int

const (
	none    hashState = iota
	hash              // "#"
	command           // "##" and letters
)

// mostMarks is how many combining marks may sit on one character: Vietnamese and Thai have two. A pile of them covers other
// lines.
const mostMarks = 3

// append writes the next character, whose bytes are raw.
func (e *escaper) append(out []byte, r rune, raw []byte, s style) []byte {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		e.marks++
	} else {
		e.marks = 0
	}
	lines := s == linesStyle || s == jsonStyle
	var bad bool
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		bad = true
	case lines && (r == '\n' || r == '\t'):
	case r == '"' || r == '\\':
		bad = s == quotedStyle
	case r == ':':
		bad = e.line == colon && s != jsonStyle // in JSON a quote stands before it
	case r == '[':
		bad = e.hash == command
	default:
		bad = acts(r) || e.marks > mostMarks
	}
	e.step(r, bad)
	if !bad {
		return append(out, raw...)
	}
	return appendEscape(out, r, raw, s)
}

// step takes note of a character, written as it is or escaped.
func (e *escaper) step(r rune, escaped bool) {
	switch {
	case escaped:
		e.line = begun
	case r == '\n':
		e.line = blank
	case r == ' ' || r == '\t':
		if e.line == colon {
			e.line = begun
		}
	case r == ':' && e.line == blank:
		e.line = colon
	default:
		e.line = begun
	}
	switch {
	case escaped:
		e.hash = none
	case r == '#' && e.hash != none:
		e.hash = command
	case r == '#':
		e.hash = hash
	case e.hash != command || r >= utf8.RuneSelf || !letter(byte(r)):
		e.hash = none
	}
}

func appendEscape(out []byte, r rune, raw []byte, s style) []byte {
	const short = "\a\b\f\n\r\t\v\"\\"
	switch i := strings.IndexRune(short, r); {
	case s == jsonStyle && r > 0xffff:
		r -= 0x10000
		return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	case s == jsonStyle:
		return fmt.Appendf(out, `\u%04x`, r)
	case len(raw) == 1 && r == utf8.RuneError:
		return fmt.Appendf(out, `\x%02x`, raw[0])
	case i >= 0:
		return append(out, '\\', `abfnrtv"\`[i])
	case r < utf8.RuneSelf:
		return fmt.Appendf(out, `\x%02x`, r)
	case r > 0xffff:
		return fmt.Appendf(out, `\U%08x`, r)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// acts tells whether a character does something other than to be seen: control characters, ends of lines, marks of the
// direction of writing, all spaces but the usual one, characters without width, private and unassigned ones.
func acts(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(invisible, r) }

// invisible are the characters that Unicode counts as letters, marks or symbols, and that show nothing: its
// Default_Ignorable_Code_Point among those, and the empty Braille pattern.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x034f, 0x034f, 1}, {0x115f, 0x1160, 1}, {0x17b4, 0x17b5, 1}, {0x180b, 0x180f, 1}, {0x2800, 0x2800, 1},
		{0x3164, 0x3164, 1}, {0xfe00, 0xfe0f, 1}, {0xffa0, 0xffa0, 1},
	},
	R32: []unicode.Range32{{0xe0100, 0xe01ef, 1}},
}
