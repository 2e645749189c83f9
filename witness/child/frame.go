package child

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// protocolVersion is what a driver's greeting must carry. It changes whenever an older driver would misread a request.
const protocolVersion = 1

const (
	maxHeader   = 16 << 20 // a header names every tensor: this is room for about 100,000 of them
	readAtOnce  = 1 << 20  // what a length alone may allocate; the rest is allocated as bytes arrive
	defaultBody = 4 << 30
)

// header is the JSON line of a frame, in both directions. The bytes of the model and then those of the tensors, in order,
// follow the line without separators. A request has Do; the first frame of a driver, its greeting, has Hello.
type header struct {
	Hello   int    `json:"hello,omitempty"`   // greeting: the protocol's version
	Runtime string `json:"runtime,omitempty"` // greeting: the runtime and its version
	Missing string `json:"missing,omitempty"` // greeting: why the runtime cannot be used
	Remedy  string `json:"remedy,omitempty"`  // greeting: what to do about it

	Do      string `json:"do,omitempty"`      // request: open or run
	Model   int64  `json:"model,omitempty"`   // request open: bytes of the model that follow
	File    string `json:"file,omitempty"`    // request open: name of a file in the folder that the driver started in, instead of those bytes
	Threads int    `json:"threads,omitempty"` // request open
	Repeat  int    `json:"repeat,omitempty"`  // request run: how many timed runs are wanted

	Optimization string `json:"optimization,omitempty"` // request open: off, basic, extended or all
	Provider     string `json:"provider,omitempty"`     // request open: the execution provider to compute on, and no other
	Note         string `json:"note,omitempty"`         // reply open: what is to be said of the session

	Error       string       `json:"error,omitempty"`       // reply: the runtime refused, and lives on; greeting: it is here and cannot be started
	Unsupported *unsupported `json:"unsupported,omitempty"` // reply: the model is right, the runtime can't
	Nanos       []int64      `json:"nanos,omitempty"`       // reply run: duration of each repeated run

	Tensors []tensorHeader `json:"tensors,omitempty"`
}

type unsupported struct {
	Op     string `json:"op,omitempty"`
	Domain string `json:"domain,omitempty"`
	Opset  int64  `json:"opset,omitempty"`
	Why    string `json:"why,omitempty"`
}

type tensorHeader struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"` // numpy's name of the element type
	Dims  []int64 `json:"dims"` // row-major; none is a scalar
	Bytes int64   `json:"bytes"`
}

// elemTypes are the types that travel: fixed-size elements of whole bytes, and strings of UTF-8, each with its length in 4 bytes,
// little-endian, before it.
var elemTypes = []struct {
	name string
	elem pb.TensorProto_DataType
	size int64
}{
	{"float32", pb.TensorProto_FLOAT, 4},
	{"float64", pb.TensorProto_DOUBLE, 8},
	{"float16", pb.TensorProto_FLOAT16, 2},
	{"bfloat16", pb.TensorProto_BFLOAT16, 2},
	{"int8", pb.TensorProto_INT8, 1},
	{"int16", pb.TensorProto_INT16, 2},
	{"int32", pb.TensorProto_INT32, 4},
	{"int64", pb.TensorProto_INT64, 8},
	{"uint8", pb.TensorProto_UINT8, 1},
	{"uint16", pb.TensorProto_UINT16, 2},
	{"uint32", pb.TensorProto_UINT32, 4},
	{"uint64", pb.TensorProto_UINT64, 8},
	{"bool", pb.TensorProto_BOOL, 1},
	{"string", pb.TensorProto_STRING, 4}, // and what its lengths say
}

// FrameError reports bytes that are not a frame of the protocol: the other side is broken, or something else wrote there.
type FrameError struct{ Why string }

func (e *FrameError) Error() string { return "not a frame of the driver protocol: " + e.Why }

func badFrame(format string, args ...any) error {
	return &FrameError{Why: fmt.Sprintf(format, args...)}
}

// frame is a message made ready to be sent.
type frame struct {
	line  []byte
	model []byte
	raw   [][]byte
}

// newFrame completes the header with what follows it. Its errors concern the caller's tensors; nothing has been sent by then.
func newFrame(h header, model []byte, tensors []*onnx.Tensor) (*frame, error) {
	f := &frame{model: model}
	h.Model = int64(len(model))
	for _, t := range tensors {
		p := t.Proto()
		raw := p.GetRawData()
		if words, ok := t.Data.(onnx.Slice[string]); ok {
			var err error
			if raw, err = joinStrings(words); err != nil {
				return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
			}
		}
		th := tensorHeader{Name: t.Name, Dims: p.GetDims(), Bytes: int64(len(raw))}
		for _, e := range elemTypes {
			if e.elem == t.Type() {
				th.Type = e.name
			}
		}
		if th.Type == "" {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("tensor %q: elements of type %v do not travel between processes", t.Name, t.Type())}
		}
		if th.Dims == nil {
			th.Dims = []int64{} // a scalar's dims are [] for every driver, never null
		}
		if _, err := th.check(math.MaxInt64); err != nil {
			return nil, fmt.Errorf("tensor %q: dims %v do not fit %d elements", t.Name, t.Dims, t.Len())
		}
		h.Tensors = append(h.Tensors, th)
		f.raw = append(f.raw, raw)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxHeader {
		return nil, fmt.Errorf("header of %d tensors takes %d bytes, the protocol allows %d", len(tensors), len(line), maxHeader)
	}
	f.line = append(line, '\n')
	return f, nil
}

func (f *frame) send(w *bufio.Writer) error {
	w.Write(f.line) // the writer keeps its first error for Flush
	w.Write(f.model)
	for _, b := range f.raw {
		w.Write(b)
	}
	return w.Flush()
}

// readFrame reads one frame whose model and tensors take at most limit bytes. Memory is allocated for bytes that came, never for
// a length that was announced. A stream that ends between two frames gives io.EOF.
func readFrame(r *bufio.Reader, limit int64) (*header, []byte, []*onnx.Tensor, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, nil, nil, err
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, nil, nil, badFrame("header %q: %v", clip(line), err)
	}
	if h.Model < 0 || h.Model > limit {
		return nil, nil, nil, badFrame("a model of %d bytes, limit %d", h.Model, limit)
	}
	room := limit - h.Model
	elems := make([]pb.TensorProto_DataType, len(h.Tensors))
	for i, t := range h.Tensors {
		if elems[i], err = t.check(room); err != nil {
			return nil, nil, nil, err
		}
		room -= t.Bytes
	}

	var model []byte
	if h.Model > 0 {
		if model, err = readN(r, h.Model); err != nil {
			return nil, nil, nil, fmt.Errorf("model of %d bytes: %w", h.Model, err)
		}
	}
	var tensors []*onnx.Tensor
	for i, t := range h.Tensors {
		raw, err := readN(r, t.Bytes)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("tensor %q of %d bytes: %w", t.Name, t.Bytes, err)
		}
		p := &pb.TensorProto{Name: new(t.Name), DataType: new(int32(elems[i])), Dims: t.Dims, RawData: raw}
		if elems[i] == pb.TensorProto_STRING {
			p.RawData = nil
			if p.StringData, err = cutStrings(raw); err != nil {
				return nil, nil, nil, badFrame("tensor %q: %v", t.Name, err)
			}
		}
		v, err := onnx.FromProto(p)
		if err != nil {
			return nil, nil, nil, badFrame("tensor %q: %v", t.Name, err)
		}
		tensors = append(tensors, v)
	}
	return &h, model, tensors, nil
}

// check compares the announced length with type and dims before a byte of the tensor is read.
func (t *tensorHeader) check(room int64) (pb.TensorProto_DataType, error) {
	for _, e := range elemTypes {
		if e.name != t.Type {
			continue
		}
		want := e.size
		for _, d := range t.Dims {
			if d < 0 {
				return 0, badFrame("tensor %q: dims %v", t.Name, t.Dims)
			}
			if d > 0 && want > math.MaxInt64/d {
				return 0, badFrame("tensor %q: dims %v overflow", t.Name, t.Dims)
			}
			want *= d
		}
		if text := e.elem == pb.TensorProto_STRING; text && t.Bytes > want {
			want = t.Bytes
		}
		if t.Bytes != want {
			return 0, badFrame("tensor %q: %s of dims %v takes %d bytes, header says %d", t.Name, t.Type, t.Dims, want, t.Bytes)
		}
		if want > room {
			return 0, badFrame("tensor %q: %d bytes, %d are left of the limit", t.Name, want, room)
		}
		return e.elem, nil
	}
	return 0, badFrame("tensor %q: element type %q", t.Name, t.Type)
}

// joinStrings puts strings together as they travel. Drivers' languages have strings of Unicode, and ONNX Runtime's interface ends
// them at a zero byte.
func joinStrings(words []string) ([]byte, error) {
	raw := []byte{}
	for i, s := range words {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") || uint64(len(s)) > math.MaxUint32 {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("string %d is not UTF-8 text without zero bytes, and does not travel between processes", i)}
		}
		raw = append(binary.LittleEndian.AppendUint32(raw, uint32(len(s))), s...)
	}
	return raw, nil
}

// cutStrings is the way back from joinStrings.
func cutStrings(raw []byte) ([][]byte, error) {
	var words [][]byte
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, fmt.Errorf("%d bytes where the length of string %d is due", len(raw), len(words))
		}
		n := binary.LittleEndian.Uint32(raw)
		if raw = raw[4:]; uint64(n) > uint64(len(raw)) {
			return nil, fmt.Errorf("string %d of %d bytes, %d are left", len(words), n, len(raw))
		}
		if !utf8.Valid(raw[:n]) || bytes.IndexByte(raw[:n], 0) >= 0 {
			return nil, fmt.Errorf("string %d is not UTF-8 text without zero bytes", len(words))
		}
		words, raw = append(words, raw[:n:n]), raw[n:]
	}
	return words, nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxHeader {
			return nil, badFrame("a header of more than %d bytes, it begins %q", maxHeader, clip(append(line, part...)))
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("header ends after %d bytes, %q: %w", len(line), clip(line), io.ErrUnexpectedEOF)
		default:
			return nil, err
		}
	}
}

func readN(r io.Reader, n int64) ([]byte, error) {
	if n <= readAtOnce {
		b := make([]byte, n)
		got, err := io.ReadFull(r, b)
		return b, cut(int64(got), n, err)
	}
	var b bytes.Buffer
	b.Grow(readAtOnce)
	got, err := io.CopyN(&b, r, n)
	return b.Bytes(), cut(got, n, err)
}

func cut(got, want int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("stream ends after %d of %d bytes: %w", got, want, io.ErrUnexpectedEOF)
	}
	return err
}

func clip(b []byte) []byte {
	if len(b) > 120 {
		return append(b[:117:117], "..."...)
	}
	return b
}
