package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// header is what a safetensors file says about itself.
type header struct {
	meta    map[string]string
	tensors []entry // in the order of their bytes
}

type entry struct {
	name       string
	dims       []int
	begin, end int64 // bytes, from the end of the header
}

// parseHeader reads the JSON of a file with size bytes of data. The standard
// decoder would let the last of two equal keys win and take names in any case,
// so the tokens are looked at one by one.
func parseHeader(b []byte, size int64) (*header, error) {
	switch {
	case len(b) == 0 || b[0] != '{':
		return nil, errors.New("header does not start with {")
	case !utf8.Valid(b):
		return nil, errors.New("header is not valid UTF-8")
	}
	p := &parser{d: json.NewDecoder(bytes.NewReader(b))}
	p.d.UseNumber()
	h := &header{meta: map[string]string{}}
	err := p.object("header", func(name string) error {
		if name == metadataKey {
			return p.object(metadataKey, func(key string) (err error) {
				h.meta[key], err = p.text(strconv.Quote(key))
				return err
			})
		}
		e, err := p.entry(name)
		h.tensors = append(h.tensors, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := p.d.Token(); err != io.EOF {
		return nil, fmt.Errorf("header goes on after its end, at byte %d", p.d.InputOffset())
	}
	return h, h.layOut(size)
}

// layOut sorts the tensors by their bytes and checks that these fill the data
// without holes or overlaps.
func (h *header) layOut(size int64) error {
	slices.SortStableFunc(h.tensors, func(a, b entry) int { return cmp.Compare(a.begin, b.begin) })
	at, before := int64(0), "the header"
	for _, e := range h.tensors {
		n, ok := elements(e.dims)
		switch {
		case !ok:
			return fmt.Errorf("tensor %q: shape %s, want dimensions from 1 on whose product can be addressed", e.name, shape(e.dims))
		case e.end-e.begin != 4*int64(n):
			return fmt.Errorf("tensor %q: bytes %d to %d, want %d bytes for shape %s", e.name, e.begin, e.end, 4*int64(n), shape(e.dims))
		case e.begin > at:
			return fmt.Errorf("tensor %q: begins at byte %d, leaves a hole after %s, which ends at %d", e.name, e.begin, before, at)
		case e.begin < at:
			return fmt.Errorf("tensor %q: begins at byte %d, overlaps %s, which ends at %d", e.name, e.begin, before, at)
		case e.end > size:
			return fmt.Errorf("tensor %q: ends at byte %d of the data, the file has %d", e.name, e.end, size)
		}
		at, before = e.end, strconv.Quote(e.name)
	}
	if at != size {
		return fmt.Errorf("%d bytes after %s, where the data should end", size-at, before)
	}
	return nil
}

// parser walks the tokens of a header. Its errors say which part they are
// about.
type parser struct{ d *json.Decoder }

// object calls value for every key, which must read what belongs to it.
func (p *parser) object(what string, value func(key string) error) error {
	if err := p.delim(what, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.d.More() {
		key, err := p.text(what)
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("%s: key %q appears twice", what, key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim(what, '}')
}

func (p *parser) entry(name string) (entry, error) {
	what := fmt.Sprintf("tensor %q", name)
	e := entry{name: name}
	var dtype string
	var offsets []int64
	missing := map[string]bool{"dtype": true, "shape": true, "data_offsets": true}
	err := p.object(what, func(key string) (err error) {
		delete(missing, key)
		switch key {
		case "dtype":
			dtype, err = p.text(what + ": dtype")
		case "shape":
			var dims []int64
			dims, err = p.numbers(what + ": shape")
			for _, d := range dims {
				if int64(int(d)) != d {
					return fmt.Errorf("%s: dimension %d is more than can be addressed", what, d)
				}
				e.dims = append(e.dims, int(d))
			}
		case "data_offsets":
			offsets, err = p.numbers(what + ": data_offsets")
		default:
			err = fmt.Errorf("%s: unknown key %q", what, key)
		}
		return err
	})
	if err != nil {
		return e, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if missing[key] {
			return e, fmt.Errorf("%s: %s missing", what, key)
		}
	}
	if name == "" {
		return e, fmt.Errorf("%s: an empty name", what)
	}
	if dtype != "F32" {
		return e, fmt.Errorf("%s: dtype %q, want F32", what, dtype)
	}
	if len(offsets) != 2 {
		return e, fmt.Errorf("%s: %d data_offsets, want 2", what, len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.end < e.begin {
		return e, fmt.Errorf("%s: ends at byte %d, before it begins at %d", what, e.end, e.begin)
	}
	return e, nil
}

// numbers reads an array of whole numbers from 0 on.
func (p *parser) numbers(what string) ([]int64, error) {
	if err := p.delim(what, '['); err != nil {
		return nil, err
	}
	var list []int64
	for p.d.More() {
		t, err := p.token(what)
		if err != nil {
			return nil, err
		}
		number, _ := t.(json.Number)
		v, err := strconv.ParseUint(number.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s: %v, want a whole number from 0 on", what, t)
		}
		if list = append(list, int64(v)); len(list) > maxDims {
			return nil, fmt.Errorf("%s: more than %d numbers", what, maxDims)
		}
	}
	return list, p.delim(what, ']')
}

func (p *parser) text(what string) (string, error) {
	t, err := p.token(what)
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%s: %v, want a string", what, t)
	}
	return s, nil
}

func (p *parser) delim(what string, want json.Delim) error {
	t, err := p.token(what)
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("%s: %v, want %v", what, t, want)
	}
	return nil
}

func (p *parser) token(what string) (json.Token, error) {
	t, err := p.d.Token()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: the header ends in it", what)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: header byte %d: %w", what, p.d.InputOffset(), err)
	}
	return t, nil
}
