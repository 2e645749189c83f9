package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/atomicfile"
)

// The names that this package puts into a file's metadata.
const (
	metadataKey = "__metadata__"
	reserved    = "petrify."
	stepKey     = reserved + "step"
	// sumKey is the sha256 of the whole file, in hex, taken while its own 64
	// digits are zeros.
	sumKey = reserved + "sha256"
)

// align is the boundary on which the tensors begin, as safetensors recommends.
const align = 8

// WriteFile writes a snapshot as a safetensors file: it appears whole under
// its name or not at all. The same snapshot gives the same bytes.
func WriteFile(path string, s *Snapshot) error {
	b, err := Encode(s)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, b)
}

// Encode lays a snapshot out as safetensors
// (https://github.com/huggingface/safetensors, "Format"): the length of the
// header as 64-bit little-endian, a JSON object, then the tensors' bytes, one
// after the other in the order of the snapshot.
func Encode(s *Snapshot) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	zeros := strings.Repeat("0", 2*sha256.Size)
	meta := maps.Clone(s.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[stepKey] = strconv.Itoa(s.Step)
	meta[sumKey] = zeros

	var header bytes.Buffer
	header.WriteString(`{"` + metadataKey + `":{`)
	sumAt := 0
	for i, key := range slices.Sorted(maps.Keys(meta)) {
		if i > 0 {
			header.WriteByte(',')
		}
		header.Write(jsonString(key))
		header.WriteByte(':')
		if key == sumKey {
			sumAt = header.Len() + 1
		}
		header.Write(jsonString(meta[key]))
	}
	header.WriteByte('}')
	offset := 0
	for _, t := range s.Tensors {
		dims, err := json.Marshal(append([]int{}, t.Dims...))
		if err != nil {
			return nil, err
		}
		if len(t.Data) > (math.MaxInt-offset)/4 {
			return nil, fmt.Errorf("%s: more bytes in all than can be addressed", t.Name)
		}
		end := offset + 4*len(t.Data)
		fmt.Fprintf(&header, `,%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, jsonString(t.Name), dims, offset, end)
		offset = end
	}
	header.WriteByte('}')
	for header.Len()%align != 0 {
		header.WriteByte(' ')
	}
	if header.Len() > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, at most %d can be read", header.Len(), maxHeader)
	}

	b := make([]byte, 0, lengthSize+header.Len()+offset)
	b = binary.LittleEndian.AppendUint64(b, uint64(header.Len()))
	b = append(b, header.Bytes()...)
	for _, t := range s.Tensors {
		for _, v := range t.Data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	sum := sha256.Sum256(b)
	hex.Encode(b[lengthSize+sumAt:], sum[:])
	return b, nil
}

// jsonString writes a string as JSON.
func jsonString(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // into memory, and every string has a JSON form
	return bytes.TrimRight(b.Bytes(), "\n")
}
