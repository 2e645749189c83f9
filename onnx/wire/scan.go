package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/onnx"
)

// A scanner walks the wire format of a message before anything is allocated
// for it. It sees to it that every tag, length and number is well formed, that
// fields have the wire type of the schema, that what may come once comes once,
// and that the limits hold.
//
// Beside that it copies the message without the elements of its tensors:
// TensorProto's raw_data, float_data and double_data, which are most of a file
// and which decoding need not copy. Each tensor that has some gets a raw_data
// of a few bytes instead: the index of its bulk.
type scanner struct {
	b    []byte
	lim  Limits
	cost int64 // estimate of the decoded message's size
	out  []byte
	size int // of out
	bulk []bulk
	copy bool // write out; the first pass only measures
}

// bulk holds the elements of one tensor, as they lie in the file.
type bulk struct {
	raw             []byte   // nil when there is no raw_data
	floats, doubles [][]byte // whole elements, in order
}

// TensorProto's field numbers that a bulk takes over.
const (
	rawNumber    = 9
	floatNumber  = 4
	doubleNumber = 10
)

// Sizes of Go values for the estimate. Lists grow by doubling, so that the
// arrays they outgrow come to about as much as the last one.
const (
	costPointer = 3 * 8
	costString  = 3*16 + 16
	costBytes   = 3 * 24
	costNumber  = 3 * 8
)

// scan checks b, a message of type w. It returns the message without its
// bulks, and the bulks.
func scan(b []byte, w *wireMessage, lim Limits) (skeleton []byte, bulks []bulk, err error) {
	s := &scanner{b: b, lim: lim}
	if err := s.message(w, 0, len(b), 1); err != nil {
		return nil, nil, err
	}
	s.out = make([]byte, 0, s.size)
	s.bulk = make([]bulk, 0, len(s.bulk))
	s.copy = true
	if err := s.message(w, 0, len(b), 1); err != nil {
		return nil, nil, err
	}
	return s.out, s.bulk, nil
}

func (s *scanner) wrong(at int, format string, args ...any) error {
	return &onnx.FormatError{Offset: int64(at), What: fmt.Sprintf(format, args...)}
}

func (s *scanner) tooMuch(at int, format string, args ...any) error {
	return &onnx.UnsupportedError{Why: fmt.Sprintf("byte %d: %s", at, fmt.Sprintf(format, args...))}
}

// emit appends to the skeleton.
func (s *scanner) emit(b []byte) {
	if s.copy {
		s.out = append(s.out, b...)
	} else {
		s.size += len(b)
	}
}

// spend adds to the estimate of memory.
func (s *scanner) spend(at int, n int64) error {
	if s.cost += n; s.cost > s.lim.Memory && !s.copy {
		return s.tooMuch(at, "decoded, the message takes more than %d MiB beside its tensors", s.lim.Memory>>20)
	}
	return nil
}

// varint reads a number at i. It must end before end and have no more bytes
// than it needs.
func (s *scanner) varint(i, end int, what string) (v uint64, next int, err error) {
	for n := range binary.MaxVarintLen64 {
		if i+n >= end {
			return 0, 0, s.wrong(i, "%s ends in the middle of a number", what)
		}
		c := s.b[i+n]
		if n == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * n)
		if c < 0x80 {
			if c == 0 && n > 0 {
				return 0, 0, s.wrong(i, "%s has an overlong number, %d bytes for %d", what, n+1, v)
			}
			return v, i + n + 1, nil
		}
	}
	return 0, 0, s.wrong(i, "%s has a number beyond 64 bits", what)
}

// length reads the length of a field at i and returns where its bytes begin
// and end.
func (s *scanner) length(i, end int, what string) (from, to int, err error) {
	n, from, err := s.varint(i, end, what)
	if err != nil {
		return 0, 0, err
	}
	if n > uint64(end-from) {
		return 0, 0, s.wrong(i, "%s has a length of %d bytes, %d are left", what, n, end-from)
	}
	return from, from + int(n), nil
}

// message checks the message of type w in b[i:end].
func (s *scanner) message(w *wireMessage, i, end, depth int) error {
	if depth > s.lim.Depth {
		return s.tooMuch(i, "%s: messages are nested more than %d deep", w.name, s.lim.Depth)
	}
	if err := s.spend(i, w.size+costPointer); err != nil {
		return err
	}
	var (
		once   uint64  // slots that were given
		counts [64]int // entries of the lists
		own    bulk
		any    bool
	)
	for i < end {
		start := i
		tag, next, err := s.varint(i, end, w.name)
		if err != nil {
			return err
		}
		number, typ := tag>>3, tag&7
		switch {
		case number == 0 || number > math.MaxInt32>>2:
			return s.wrong(i, "%s has a field of number %d", w.name, number)
		case typ > 5:
			return s.wrong(i, "%s: field %d has wire type %d, which does not exist", w.name, number, typ)
		case typ == 4:
			return s.wrong(i, "%s: field %d ends a group that did not begin", w.name, number)
		}
		i = next
		f := w.field(number)
		if f.kind == unknownKind {
			to, err := s.skip(w, number, typ, i, end, depth)
			if err != nil {
				return err
			}
			if err := s.spend(start, 4*int64(to-start)); err != nil {
				return err
			}
			s.emit(s.b[start:to])
			i = to
			continue
		}
		if !f.repeated {
			if once&(1<<f.slot) != 0 {
				return s.wrong(start, "%s comes a second time, or beside a field that excludes it", f.full)
			}
			once |= 1 << f.slot
		}
		to, entries, err := s.value(w, f, typ, i, end)
		if err != nil {
			return err
		}
		if f.repeated {
			counts[number] += entries
			if err := s.count(f, start, counts[number]); err != nil {
				return err
			}
		}
		switch {
		case w.tensor && (number == rawNumber || number == floatNumber || number == doubleNumber):
			any = true
			from := i
			if typ == 2 {
				_, from, _ = s.varint(i, end, "") // value has read it already
			}
			switch number {
			case rawNumber:
				own.raw = s.b[from:to:to]
			case floatNumber:
				own.floats = append(own.floats, s.b[from:to:to])
			case doubleNumber:
				own.doubles = append(own.doubles, s.b[from:to:to])
			}
			if len(own.floats)+len(own.doubles) > 1 { // one of each is the rule
				if err := s.spend(start, costBytes); err != nil {
					return err
				}
			}
		case f.kind == messageKind:
			_, from, _ := s.varint(i, end, "")
			s.emit(s.b[start:i])
			mark := s.reserveLength()
			if err := s.message(f.message, from, to, depth+1); err != nil {
				return err
			}
			s.fillLength(mark)
		default:
			s.emit(s.b[start:to])
		}
		i = to
	}
	if any {
		s.placeholder(own)
	}
	return nil
}

// placeholder ends a tensor with the index of its bulk in place of raw_data.
func (s *scanner) placeholder(own bulk) {
	s.emit([]byte{rawNumber<<3 | 2, 8})
	var index [8]byte
	binary.LittleEndian.PutUint64(index[:], uint64(len(s.bulk)))
	s.emit(index[:])
	s.bulk = append(s.bulk, own)
}

// The skeleton's lengths are not known before its messages are written, so
// each takes a number of fixed size.
const reserved = 5

func (s *scanner) reserveLength() (mark int) {
	s.emit(make([]byte, reserved))
	return len(s.out)
}

func (s *scanner) fillLength(mark int) {
	if !s.copy {
		return
	}
	n := len(s.out) - mark
	for i := range reserved {
		s.out[mark-reserved+i] = byte(n>>(7*i)) & 0x7f
		if i < reserved-1 {
			s.out[mark-reserved+i] |= 0x80
		}
	}
}

// count compares the number of entries of a list with its limit.
func (s *scanner) count(f *wireField, at, n int) error {
	switch {
	case f.axes && n > s.lim.Rank:
		return s.tooMuch(at, "%s has more than %d axes", f.full, s.lim.Rank)
	case f.kind >= stringKind && n > s.lim.Items:
		return s.tooMuch(at, "%s has more than %d entries", f.full, s.lim.Items)
	}
	return nil
}

// wireType is the wire type of one value of each kind.
var wireType = [...]uint64{int64Kind: 0, int32Kind: 0, fixed32Kind: 5, fixed64Kind: 1, stringKind: 2, bytesKind: 2, messageKind: 2}

// value checks the value of field f at i, all but the inside of a message. It
// returns where it ends and how many entries it adds to a list.
func (s *scanner) value(w *wireMessage, f *wireField, typ uint64, i, end int) (to, entries int, err error) {
	what := f.full
	want := wireType[f.kind]
	if typ != want {
		if typ == 2 && f.repeated && f.kind < stringKind {
			return s.packed(w, f, i, end)
		}
		return 0, 0, s.wrong(i, "%s has wire type %d, want %d", what, typ, want)
	}
	switch f.kind {
	case int64Kind, int32Kind:
		v, to, err := s.varint(i, end, what)
		if err == nil {
			err = s.narrow(f, i, v)
		}
		if err == nil {
			err = s.spend(i, costNumber)
		}
		return to, 1, err
	case fixed32Kind, fixed64Kind:
		n := fixedSize(f.kind)
		if end-i < n {
			return 0, 0, s.wrong(i, "%s wants %d bytes, %d are left", what, n, end-i)
		}
		return i + n, 1, s.spend(i, costNumber)
	}
	from, to, err := s.length(i, end, what)
	if err != nil {
		return 0, 0, err
	}
	n := to - from
	switch {
	case f.kind == messageKind:
		return to, 1, nil
	case f.kind == stringKind:
		if !f.free && n > s.lim.Name {
			return 0, 0, s.tooMuch(i, "%s has %d bytes, the limit of a name is %d", what, n, s.lim.Name)
		}
		if !utf8.Valid(s.b[from:to]) {
			return 0, 0, s.wrong(from, "%s is not UTF-8", what)
		}
		return to, 1, s.spend(i, costString+2*int64(n))
	case f.full == "TensorProto.raw_data":
		return to, 1, s.spend(i, costBytes)
	}
	return to, 1, s.spend(i, costBytes+2*int64(n))
}

func fixedSize(k wireKind) int {
	if k == fixed32Kind {
		return 4
	}
	return 8
}

// narrow compares a number with the 32 bits of its field. Readers cut off what
// is beyond them, some after other checks than others.
func (s *scanner) narrow(f *wireField, i int, v uint64) error {
	if f.kind == int32Kind && v > math.MaxUint32 && int64(v) != int64(int32(v)) {
		return s.wrong(i, "%s is %d, which 32 bits do not hold", f.full, int64(v))
	}
	return nil
}

// packed checks a packed list of numbers.
func (s *scanner) packed(w *wireMessage, f *wireField, i, end int) (to, entries int, err error) {
	what := f.full
	from, to, err := s.length(i, end, what)
	if err != nil {
		return 0, 0, err
	}
	if f.kind == fixed32Kind || f.kind == fixed64Kind {
		n := fixedSize(f.kind)
		if (to-from)%n != 0 {
			return 0, 0, s.wrong(i, "%s has %d bytes, which %d does not divide", what, to-from, n)
		}
		cost := int64(costBytes)
		if !w.tensor {
			cost += 2 * int64(to-from)
		}
		return to, (to - from) / n, s.spend(i, cost)
	}
	for at := from; at < to; entries++ {
		v, next, err := s.varint(at, to, what)
		if err == nil {
			err = s.narrow(f, at, v)
		}
		if err != nil {
			return 0, 0, err
		}
		at = next
	}
	return to, entries, s.spend(i, costBytes+8*int64(entries)+int64(to-from))
}

// skip checks the value of a field that the schema does not know. Newer
// versions of ONNX may have added it.
func (s *scanner) skip(w *wireMessage, number, typ uint64, i, end, depth int) (to int, err error) {
	switch typ {
	case 0:
		_, to, err = s.varint(i, end, w.name)
		return to, err
	case 1, 5:
		n := 8
		if typ == 5 {
			n = 4
		}
		if end-i < n {
			return 0, s.wrong(i, "field %d of %s wants %d bytes, %d are left", number, w.name, n, end-i)
		}
		return i + n, nil
	case 2:
		_, to, err = s.length(i, end, w.name)
		return to, err
	}
	return s.group(w, number, i, end, depth+1)
}

// group checks a group, protobuf's first form of nested messages, up to its
// end. ONNX has none, so it can only be an unknown field.
func (s *scanner) group(w *wireMessage, number uint64, i, end, depth int) (to int, err error) {
	start := i
	if depth > s.lim.Depth {
		return 0, s.tooMuch(i, "%s: groups are nested more than %d deep", w.name, s.lim.Depth)
	}
	for i < end {
		tag, next, err := s.varint(i, end, w.name)
		if err != nil {
			return 0, err
		}
		inner, typ := tag>>3, tag&7
		switch {
		case inner == 0 || inner > math.MaxInt32>>2:
			return 0, s.wrong(i, "%s has a field of number %d", w.name, inner)
		case typ > 5:
			return 0, s.wrong(i, "%s: field %d has wire type %d, which does not exist", w.name, inner, typ)
		case typ == 4 && inner != number:
			return 0, s.wrong(i, "%s: field %d ends the group of field %d", w.name, inner, number)
		case typ == 4:
			return next, nil
		}
		if i, err = s.skip(w, inner, typ, next, end, depth); err != nil {
			return 0, err
		}
	}
	return 0, s.wrong(start, "%s: the group of field %d does not end", w.name, number)
}
