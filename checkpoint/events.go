package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"

	"github.com/moby/sys/atomicwriter"
)

const (
	eventsFile = "events.jsonl"
	stepName   = "step"
)

// Event is one report of a run: a line of events.jsonl, such as
//
//	{"step":1000,"d_loss":0.129656,"accuracy":0.9609,"g_loss":3.387729}
type Event struct {
	Step   int
	Values []Value // in their order on the line
}

// Value is a named figure. JSON has no infinities: one that is not finite is
// written as null and comes back as NaN.
type Value struct {
	Name  string
	Value float64
}

// Get returns the value of that name, or NaN.
func (e Event) Get(name string) float64 {
	for _, v := range e.Values {
		if v.Name == name {
			return v.Value
		}
	}
	return math.NaN()
}

// MarshalJSON writes the event as one flat object, the step first.
func (e Event) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt([]byte(`{"`+stepName+`":`), int64(e.Step), 10)
	seen := map[string]bool{stepName: true}
	for _, v := range e.Values {
		if seen[v.Name] {
			return nil, fmt.Errorf("event of step %d: value %q stands twice", e.Step, v.Name)
		}
		seen[v.Name] = true
		b = append(b, ',')
		b = append(b, quote(v.Name)...)
		b = append(b, ':')
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			b = append(b, "null"...)
			continue
		}
		number, err := json.Marshal(v.Value)
		if err != nil {
			return nil, err
		}
		b = append(b, number...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Event) UnmarshalJSON(b []byte) error {
	p := &parser{d: json.NewDecoder(bytes.NewReader(b))}
	p.d.UseNumber()
	*e = Event{Step: -1}
	err := p.object("event", func(key string) error {
		t, err := p.token(key)
		if err != nil {
			return err
		}
		number, isNumber := t.(json.Number)
		switch {
		case key == stepName:
			step, err := strconv.Atoi(number.String())
			if err != nil || step < 0 {
				return fmt.Errorf("%s: %v, want a whole number from 0 on", key, t)
			}
			e.Step = step
		case t == nil:
			e.Values = append(e.Values, Value{key, math.NaN()})
		case !isNumber:
			return fmt.Errorf("%s: %v, want a number", key, t)
		default:
			v, err := number.Float64()
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			e.Values = append(e.Values, Value{key, v})
		}
		return nil
	})
	if err == nil && e.Step < 0 {
		err = errors.New("event without a step")
	}
	return err
}

// EventLog appends to events.jsonl.
type EventLog struct {
	file  *os.File
	whole int64 // length of the lines that are known to be whole
}

// Events opens events.jsonl for a run that goes on after step. Lines of later
// steps are dropped, and so are lines that are no events, such as a last one
// that a crash has cut: a run must not fail to go on because of its log.
func (f *Folder) Events(step int) (*EventLog, error) {
	file := f.path(eventsFile)
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var kept []byte
	for _, text := range wholeLines(b) {
		var e Event
		if json.Unmarshal(text, &e) == nil && e.Step <= step {
			kept = append(kept, text...)
		}
	}
	if !bytes.Equal(kept, b) {
		// atomicwriter keeps a file that would become empty as it was.
		if len(kept) == 0 {
			err = os.Remove(file)
		} else {
			err = writeWhole(file, kept, atomicwriter.WriteFile)
		}
		if err != nil {
			return nil, err
		}
	}
	w, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &EventLog{file: w, whole: int64(len(kept))}, nil
}

// ReadEvents returns the reports so far, none where there is no file yet. A
// last line that was cut, by a crash or because it is being written, is left
// out; any other line that is no event is a *FormatError.
func (f *Folder) ReadEvents() ([]Event, error) {
	file := f.path(eventsFile)
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var events []Event
	for i, text := range wholeLines(b) {
		var e Event
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, &FormatError{File: file, Why: fmt.Sprintf("line %d: %v", i+1, err)}
		}
		events = append(events, e)
	}
	return events, nil
}

// Append writes one line. Where it fails the file ends with the line before.
func (l *EventLog) Append(e Event) error {
	b, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	n, err := l.file.Write(append(b, '\n'))
	if err != nil {
		return errors.Join(fmt.Errorf("event of step %d: %w", e.Step, err), l.file.Truncate(l.whole))
	}
	l.whole += int64(n)
	return nil
}

// Close closes the file.
func (l *EventLog) Close() error { return l.file.Close() }

// wholeLines splits a log into its lines, newlines included. What follows the
// last newline was cut and is left out.
func wholeLines(b []byte) [][]byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	return lines[:len(lines)-1]
}
