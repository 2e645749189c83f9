package child

import (
	"strings"
	"testing"
)

func TestPlacesInSourcesAndSignaturesAreCutFromMessages(t *testing.T) {
	for _, c := range []struct{ came, want string }{
		{"y is 3, want 4", "y is 3, want 4"},
		{"Status Message: slice.h:164 FillVectorsFromInput Starts must be a 1-D array", "Status Message: Starts must be a 1-D array"},
		{"running Attention node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/llm/attention_helper.h:68 onnxruntime::common::Status onnxruntime::attention_helper::ComputeOutputShape(const onnxruntime::Tensor*, QKMatMulOutputMode, int, AttentionParameters&, bool) attn_mask == nullptr || attn_mask->Shape()[0] == Q->Shape()[2] was false. inconsistent q_sequence_length (between attn_mask and Q)",
			"running Attention node. Name:'' Status Message: attn_mask == nullptr || attn_mask->Shape()[0] == Q->Shape()[2] was false. inconsistent q_sequence_length (between attn_mask and Q)"},
		{"Exception: /src/conv_attributes.h:50 onnxruntime::ConvAttributes::ConvAttributes(const KernelInfoType&) [with KernelInfoType = onnxruntime::OpKernelInfo; T = int[2]] auto_pad == NOTSET was false.",
			"Exception: auto_pad == NOTSET was false."},
		{"/a/reduction_ops.cc:962 gsl::span<const long int> onnxruntime::GetEffectiveAxes(OpKernelContext*, gsl::span<const long int>) axes == 1 was false. An axes tensor (input 1) must be a vector.",
			"axes == 1 was false. An axes tensor (input 1) must be a vector."},
		{`D:\a\_work\1\s\onnxruntime\core\graph\graph.cc:12 onnxruntime::Graph::Resolve Node (n) has no type`, "Node (n) has no type"},
		{"/a/x.cc:1 void onnxruntime::F::Go(int) const::<lambda(std::ptrdiff_t)> i < n was false.", "i < n was false."},
		{"/a/x.cc:1 operator() it failed", "it failed"},
		{"first /a/x.cc:1 F one; second /b/y.cc:2 G two\nStacktrace:\n0x1\n0x2", "first one; second two"},
		{"/a/x.cc:1 ", ""},
		{"/a/x.cc:1 ns::f(int never closed", "ns::f(int never closed"},
	} {
		if got := plain(c.came); got != c.want {
			t.Errorf("%s\nis   %q\nwant %q", c.came, got, c.want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a /a/x.cc:1 ns::f(int) const [with T = (int)] b slice.h:2 g c")
	f.Add("/a/x.cc:1 a::b()::<lambda()> [with ")
	f.Fuzz(func(t *testing.T, message string) {
		got := plain(message)
		if len(got) > len(message) || got != plain(message) {
			t.Errorf("%q became %q", message, got)
		}
		if !sourcePlace.MatchString(message) && !strings.Contains(message, "Stacktrace") && got != strings.TrimSpace(message) {
			t.Errorf("%q became %q, and there was nothing to cut", message, got)
		}
	})
}
