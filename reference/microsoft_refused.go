package reference

import "strings"

// whyNot says why the reference has no operator of a domain, "" where there is nothing to
// say but that.
func whyNot(domain, name string) string {
	switch {
	case domain == "com.microsoft.nchwc":
		return "ONNX Runtime's own layout, in blocks of as many channels as the processor has lanes; a model that is optimised at level extended has none of it"
	case domain != microsoft:
		return ""
	case strings.Contains(" BeamSearch GreedySearch Sampling WhisperBeamSearch ", " "+name+" "):
		return "a search, in which one rounding may change every token that follows; the decoder that it runs can be judged on its own"
	case strings.Contains(withoutKernel, " "+name+" "):
		return "ONNX Runtime has no kernel for CPUs"
	}
	return ""
}

// withoutKernel are operators of com.microsoft that ONNX Runtime 1.30 runs on GPUs or by other providers only, as its list
// of kernels has it.
const withoutKernel = " BiasDropout BitmaskBiasDropout BitmaskDropout ComplexMul ComplexMulConj DecoderAttention DecoderMaskedSelfAttention" +
	" DequantizeBFP DequantizeWithOrder GatedRelativePositionBias GemmFastGelu GemmFloat8 GemmaRotaryEmbedding Irfft IsAllFinite LongformerAttention" +
	" NhwcConv PackedAttention PackedMultiHeadAttention PagedAttention QOrderedAttention QOrderedGelu QOrderedLayerNormalization" +
	" QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeWithOrder ReduceSumInteger RelativePositionBias RemovePadding RestorePadding Rfft TorchEmbedding "
