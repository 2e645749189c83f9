package onnx_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
)

func TestFromProtoReadsWhatNumpyHelperReads(t *testing.T) {
	out := onnxtest.Python(t, "tensors.py", onnxtest.Models(t))
	kinds := make(map[string]int)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		kinds[f[1]]++
		if f[1] != "tensor" {
			continue
		}
		got, err := wire.ReadTensorFile(f[0], wire.Limits{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		have := fmt.Sprintf("%d\t%s\t%s", got.Type(), strings.ReplaceAll(fmt.Sprint(got.Dims), " ", ","), digest(got))
		if want := strings.Join(f[2:], "\t"); have != want {
			t.Errorf("%s: %s, numpy_helper reads %s", f[0], have, want)
		}
		back, err := onnx.FromProto(got.Proto())
		if err != nil || digest(back) != digest(got) || back.Type() != got.Type() {
			t.Errorf("%s: does not come back from Proto as it was (%v)", f[0], err)
		}
	}
	// Sequences and optionals are values of other kinds than Tensor.
	if kinds["tensor"] < 3000 || kinds["tensor"]+kinds["sequence_type"]+kinds["optional_type"] != strings.Count(out, "\n") {
		t.Errorf("read %v", kinds)
	}
	t.Logf("%v", kinds)
}

// digest is the SHA-256 of the elements as testdata/tensors.py computes it.
func digest(t *onnx.Tensor) string {
	h := sha256.New()
	switch d := t.Data.(type) {
	case onnx.Slice[string]:
		for _, s := range d {
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
	case onnx.Slice[onnx.BFloat16]:
		for _, v := range d {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v.Float32())))
		}
	default:
		h.Write(t.Proto().RawData)
	}
	return hex.EncodeToString(h.Sum(nil))
}
