package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"strconv"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/train"
)

const (
	eventsFile = "events.jsonl"
	stepName   = "step"
	rateName   = "images_per_second"
	// The limits are far more than reports take.
	maxLine = 64 << 10
	maxLog  = 256 << 20
)

// A Report is one line of events.jsonl, such as
//
//	{"step":1000,"d_loss":0.129656,"d_accuracy":0.9609,"g_loss":3.387729,"images_per_second":41240}
//
// JSON has no infinities: a figure that is not finite is written as null and read back as NaN.
type Report struct {
	Step    int
	Metrics []train.Metric // in their order on the line
}

// Get returns the value with the given name, or NaN.
func (r Report) Get(name string) float64 {
	for _, v := range r.Metrics {
		if v.Name == name {
			return v.Value
		}
	}
	return math.NaN()
}

// MarshalJSON writes the report as one flat object, the step first.
func (r Report) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"%s":%d`, stepName, r.Step)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	seen := map[string]bool{stepName: true}
	for _, v := range r.Metrics {
		if seen[v.Name] {
			return nil, fmt.Errorf("report of step %d: value %q appears twice", r.Step, v.Name)
		}
		seen[v.Name] = true
		b.WriteByte(',')
		_ = e.Encode(v.Name) // into memory, and every string has a JSON form
		b.Truncate(b.Len() - 1)
		b.WriteByte(':')
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			b.WriteString("null")
			continue
		}
		if err := e.Encode(v.Value); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Report) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	*r = Report{Step: -1}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%v, want {", t)
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // as the keys of an object are
		if seen[key] {
			return fmt.Errorf("key %q appears twice", key)
		}
		seen[key] = true
		if t, err = d.Token(); err != nil {
			return err
		}
		number, isNumber := t.(json.Number)
		switch {
		case key == stepName:
			step, err := strconv.Atoi(number.String())
			if err != nil || step < 0 {
				return fmt.Errorf("%s: %v, want a whole number from 0 on", key, t)
			}
			r.Step = step
		case t == nil:
			r.Metrics = append(r.Metrics, train.Metric{Name: key, Value: math.NaN()})
		case !isNumber:
			return fmt.Errorf("%s: %v, want a number", key, t)
		default:
			v, err := number.Float64()
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			r.Metrics = append(r.Metrics, train.Metric{Name: key, Value: v})
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if r.Step < 0 {
		return errors.New("report without a step")
	}
	return nil
}

// Reports returns the reports so far, none if there is no file yet. An incomplete last line, due to a crash or because
// it is being written, is left out; any other line that is not a report is a *checkpoint.FormatError.
func (f *Folder) Reports() ([]Report, error) {
	b, err := f.readLog()
	if err != nil {
		return nil, err
	}
	var reports []Report
	line := 0
	for text := range wholeLines(b) {
		line++
		r, err := parseReport(text)
		if err != nil {
			return nil, &checkpoint.FormatError{File: f.path(eventsFile), Why: fmt.Sprintf("line %d: %v", line, err)}
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func (f *Folder) readLog() ([]byte, error) {
	b, err := readRegular(f.path(eventsFile), maxLog)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// wholeLines ranges over the lines of a log, newlines included. What follows the last newline was cut and is left out.
func wholeLines(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(b) {
			if bytes.HasSuffix(line, []byte("\n")) && !yield(line) {
				return
			}
		}
	}
}

func parseReport(line []byte) (r Report, err error) {
	if len(line) > maxLine {
		return r, fmt.Errorf("%d bytes, want at most %d", len(line), maxLine)
	}
	err = json.Unmarshal(line, &r)
	return r, err
}

// eventLog appends to events.jsonl.
type eventLog struct {
	file  *os.File
	whole int64 // length of the lines that are known to be whole
}

// openLog opens events.jsonl for a run that goes on after step, and lists the steps that are left in it. Lines of later
// steps are dropped, and so are lines that are not reports, such as a last one that a crash has cut, or that are out of
// order: a run must not fail to go on because of its log.
func (f *Folder) openLog(step int) (l *eventLog, left []int, err error) {
	b, err := f.readLog()
	if err != nil {
		return nil, nil, err
	}
	var kept []byte
	last := 0
	for text := range wholeLines(b) {
		if r, err := parseReport(text); err == nil && last < r.Step && r.Step <= step {
			kept, last = append(kept, text...), r.Step
			left = append(left, last)
		}
	}
	file := f.path(eventsFile)
	if !bytes.Equal(kept, b) {
		if err := f.write(file, kept); err != nil {
			return nil, nil, err
		}
	}
	w, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return nil, nil, err
	}
	return &eventLog{file: w, whole: int64(len(kept))}, left, nil
}

// append writes one line. Where it fails the file ends with the line before.
func (l *eventLog) append(r Report) error {
	b, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	n, err := l.file.Write(append(b, '\n'))
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("report of step %d: %w", r.Step, err), l.file.Truncate(l.whole))
	}
	l.whole += int64(n)
	return nil
}
